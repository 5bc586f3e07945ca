/** A credited deposit with the refunds and disputes against the deposit, and the taking back of an amount. */
import { spendableMicros } from './account.ts';
import type { AccountChange } from './change.ts';
import { creditAccount, owedAccount, referenceOf, type TransferCode } from './ledger.ts';
import { larger, type Micros, smaller, subtract, ZERO } from './money.ts';

export type DisputeStatus = 'open' | 'won' | 'lost';

/** A dispute over a deposit as the ledger knows the dispute. The bank can decide more than once. */
export interface DepositDispute {
  disputeId: string;
  status: DisputeStatus;
  /** The contested amount as the provider states it. */
  claimedMicros: Micros;
  /** Posted as lost, from credit or as owed, less the amount that was given back. */
  takenMicros: Micros;
  /** Counts decisions and postings, so each posting has its own ledger reference. */
  turn: number;
  /** The reference of the row that took money last. A row that gives money back names the reference. */
  lostReference: string | null;
}

export interface CreditedDeposit {
  depositId: string;
  creditedMicros: Micros;
  /** Refunded, or on the way to the card. */
  refundedMicros: Micros;
  /** All disputes over the deposit, oldest first. */
  disputes: readonly DepositDispute[];
}

export const leftOf = ({ creditedMicros, refundedMicros }: CreditedDeposit): Micros =>
  subtract(creditedMicros, refundedMicros);

/** True while a dispute over the deposit is open, and after a dispute was lost. */
export const isDisputed = ({ disputes }: Pick<CreditedDeposit, 'disputes'>): boolean =>
  disputes.some(({ status }) => status !== 'won');

/** Takes an amount from credit, as far as there is any; the rest is owed. */
export function takeBack(
  change: AccountChange,
  takenMicros: {
    /** The ledger account that receives the amount. */
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
  const { amountMicros, reference, depositId, code, owedCode, correctsReference } = takenMicros;
  const second = account.asOfSecond;
  const paidMicros = smaller(amountMicros, larger(spendableMicros(account, second), ZERO));
  const row = {
    creditAccount: takenMicros.creditAccount,
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
