/** A credited deposit as far as money can go back from it, and how an amount is taken back. */
import { spendableMicros } from './account.ts';
import type { Change } from './change.ts';
import { creditAccount, owedAccount, referenceOf, type TransferCode } from './ledger.ts';
import { larger, type Micros, smaller, subtract, ZERO } from './money.ts';

export type DisputeStatus = 'open' | 'won' | 'lost';

/** A dispute over a deposit, as the ledger knows it. The bank can decide it more than once. */
export interface DepositDispute {
  disputeId: string;
  status: DisputeStatus;
  /** The amount that the provider says is contested. */
  claimedMicros: Micros;
  /** Posted as lost, from credit or as owed, less what was given back. */
  takenMicros: Micros;
  /** Counts decisions and postings, so that each has a ledger reference of its own. */
  turn: number;
  /** The reference of the row that took money last; a row that gives money back names it. */
  lostReference: string | null;
}

export interface CreditedDeposit {
  depositId: string;
  creditedMicros: Micros;
  /** Refunded, or on its way. */
  refundedMicros: Micros;
  /** All disputes over it, oldest first. */
  disputes: readonly DepositDispute[];
}

export const leftOf = ({ creditedMicros, refundedMicros }: CreditedDeposit): Micros =>
  subtract(creditedMicros, refundedMicros);

/** True while a dispute over the deposit is open, and after one was lost. */
export const isDisputed = ({ disputes }: Pick<CreditedDeposit, 'disputes'>): boolean =>
  disputes.some(({ status }) => status !== 'won');

/** Takes an amount from credit, as far as there is any; the rest is owed. */
export function takeBack(
  change: Change,
  taken: {
    /** The account that receives the amount. */
    creditAccount: string;
    amountMicros: Micros;
    reference: string;
    depositId: string;
    code: TransferCode;
    owedCode: TransferCode;
    correctsReference?: string;
  },
): void {
  const { account } = change;
  const { amountMicros, reference, depositId, code, owedCode, correctsReference } = taken;
  const second = account.asOfSecond;
  const paidMicros = smaller(amountMicros, larger(spendableMicros(account, second), ZERO));
  const row = {
    creditAccount: taken.creditAccount,
    second,
    depositId,
    ...(correctsReference !== undefined && { correctsReference }),
  };
  change.transfer({
    ...row,
    debitAccount: creditAccount(account.teamId),
    amountMicros: paidMicros,
    code,
    reference,
  });
  change.transfer({
    ...row,
    debitAccount: owedAccount(account.teamId),
    amountMicros: subtract(amountMicros, paidMicros),
    code: owedCode,
    reference: referenceOf.owed(reference),
  });
}
