/**
 * Refunds to a card. The amount is taken from credit first, and the part that credit cannot pay is owed. Source:
 * docs/rules.md#refunds-and-disputes.
 */
import { type Account, type BillingSettings, spendableMicros } from './account.ts';
import { type AccountChange, creditArrived, type FactOutcome } from './change.ts';
import { applyFact } from './clock.ts';
import { type CreditedDeposit, isDisputed, leftOf, takeBack } from './credited-deposit.ts';
import { settleDisputes } from './disputes.ts';
import { BillingError } from './errors.ts';
import { creditFrom } from './facts.ts';
import { referenceOf, STRIPE } from './ledger.ts';
import {
  add,
  formatForPeople,
  isWholeCents,
  larger,
  MICROS_PER_CENT,
  type Micros,
  micros,
  smaller,
  subtract,
  ZERO,
} from './money.ts';

/** The refundable amount at the account's as-of second, in whole cents, because a card can only be paid cents. */
export function refundableMicros(account: Account, deposit: CreditedDeposit): Micros {
  const most = smaller(leftOf(deposit), larger(spendableMicros(account, account.asOfSecond), ZERO));
  return micros(Math.max(0, most - (most % MICROS_PER_CENT)));
}

export interface RefundTaken extends FactOutcome {
  amountMicros: Micros;
}

/**
 * Takes a refund from credit, before the provider is asked. Without an amount, the whole refundable amount is taken.
 * @throws BillingError `deposit_disputed`; `not_refundable` when nothing is; `amount_out_of_range`, naming `amount`
 */
export function requestRefund(
  account: Account,
  settings: BillingSettings,
  refund: { refundId: string; deposit: CreditedDeposit; amountMicros: Micros | null },
  nowSecond: number,
): RefundTaken {
  let amountMicros = ZERO;
  const outcome = applyFact(account, settings, nowSecond, (change) => {
    const { deposit, refundId } = refund;
    if (isDisputed(deposit))
      throw new BillingError('deposit_disputed', 'the deposit is disputed: the bank decides who has the money');
    const refundable = refundableMicros(change.account, deposit);
    if (refundable === 0)
      throw new BillingError(
        'not_refundable',
        leftOf(deposit) === 0 ? 'the deposit has been refunded' : 'the credit has been used: nothing can be refunded',
      );
    amountMicros = refund.amountMicros ?? refundable;
    if (amountMicros <= 0 || amountMicros > refundable)
      throw new BillingError(
        'amount_out_of_range',
        `amount must be above $0 and not above what can be refunded now, ${formatForPeople(refundable)}`,
        'amount',
      );
    if (!isWholeCents(amountMicros))
      throw new BillingError('amount_out_of_range', 'amount must be whole cents', 'amount');
    const { depositId } = deposit;
    const reference = referenceOf.refund(refundId);
    takeBack(change, { ...REFUND_ROWS, amountMicros, reference, depositId });
  });
  return { ...outcome, amountMicros };
}

/** Records a refund made at the provider. The money has left, so the part that credit cannot pay is owed. */
export function bookRefund(
  account: Account,
  settings: BillingSettings,
  refund: { refundId: string; amountMicros: Micros; deposit: CreditedDeposit },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { deposit, refundId, amountMicros } = refund;
    const reference = referenceOf.refund(refundId);
    takeRefund(change, deposit, { amountMicros, reference });
    creditArrived(change, reference);
  });
}

/**
 * Adjusts the taken amount of a refund to the amount that the provider has sent or is sending. The due amount is zero
 * for a refund that the provider refused or the bank sent back; the money is then credit again and pays owed amounts
 * first. A refund can change more than once.
 * @param refund `takenMicros`, `turn`: as of the last posting of the refund
 */
export function adjustRefund(
  account: Account,
  settings: BillingSettings,
  refund: { refundId: string; takenMicros: Micros; turn: number; dueMicros: Micros; deposit: CreditedDeposit },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { refundId, takenMicros, dueMicros, deposit } = refund;
    if (dueMicros === takenMicros) return;
    const turn = refund.turn + 1;
    change.effects.push({ kind: 'refund_turned', refundId, takenMicros: dueMicros, turn });
    if (dueMicros > takenMicros) {
      const reference = referenceOf.refundTakenAgain(refundId, turn);
      takeRefund(change, deposit, { amountMicros: subtract(dueMicros, takenMicros), reference });
      creditArrived(change, reference);
      return;
    }
    const amountMicros = subtract(takenMicros, dueMicros);
    const reference = referenceOf.refundReturned(refundId, turn);
    const refundedMicros = subtract(deposit.refundedMicros, amountMicros);
    settleDisputes(change, { ...deposit, refundedMicros }, { reference }, () =>
      creditFrom(change, {
        debitAccount: STRIPE,
        amountMicros,
        code: 'refund_returned',
        reference,
        depositId: deposit.depositId,
        correctsReference: referenceOf.refund(refundId),
      }),
    );
  });
}

/**
 * Takes more of a deposit as refunded. Disputes can claim at most the rest of the deposit, so their excess is released
 * first.
 */
function takeRefund(
  change: AccountChange,
  deposit: CreditedDeposit,
  { amountMicros, reference }: { amountMicros: Micros; reference: string },
): void {
  const refundedMicros = add(deposit.refundedMicros, amountMicros);
  settleDisputes(change, { ...deposit, refundedMicros }, { reference }, () =>
    takeBack(change, { ...REFUND_ROWS, amountMicros, reference, depositId: deposit.depositId }),
  );
}

const REFUND_ROWS = { creditAccount: STRIPE, code: 'refund', owedCode: 'owed_refund' } as const;

/** The status of a credited deposit after all refunds and disputes. `sentBackMicros`: refunds that succeeded. */
export const creditedStatus = (
  deposit: Pick<CreditedDeposit, 'creditedMicros' | 'disputes'>,
  sentBackMicros: Micros,
): 'succeeded' | 'refunded' | 'disputed' => {
  if (isDisputed(deposit)) return 'disputed';
  return sentBackMicros > 0 && sentBackMicros >= deposit.creditedMicros ? 'refunded' : 'succeeded';
};
