/**
 * Corrections of credited payments, by an operator or after the provider corrected its own amount. The first rows stay;
 * a correction is a new row that names the corrected row. Source: docs/rules.md#corrections.
 */
import type { Account, BillingSettings } from './account.ts';
import { type AccountChange, creditArrived, type FactOutcome } from './change.ts';
import { applyFact } from './clock.ts';
import { type CreditedDeposit, takeBack } from './credited-deposit.ts';
import { settleDisputes } from './disputes.ts';
import { creditFrom } from './facts.ts';
import { referenceOf } from './ledger.ts';
import { type Micros, micros, subtract, ZERO } from './money.ts';

export interface Correction {
  correctionId: string;
  depositId: string;
  /** The ledger account of the provider that received the payment. */
  providerAccount: string;
  /** Positive: credited. Negative: taken from credit first, and the rest is owed. */
  amountMicros: Micros;
  correctsReference: string;
  /** The deposit after the correction. Null where no credited deposit of the team changes. */
  deposit: CreditedDeposit | null;
}

export interface Corrected extends FactOutcome {
  /** The part of the amount that credit received or paid; the rest is owed. */
  creditMicros: Micros;
}

/**
 * Credits an amount for a payment, or takes an amount back. Disputes over the deposit can claim at most the new amount
 * of the deposit.
 */
export function correctDeposit(
  account: Account,
  settings: BillingSettings,
  correction: Correction,
  nowSecond: number,
): Corrected {
  const reference = referenceOf.correction(correction.correctionId);
  const outcome = applyFact(account, settings, nowSecond, (change) => {
    const post = () => postCorrection(change, correction, reference);
    if (correction.deposit) settleDisputes(change, correction.deposit, { reference }, post);
    else post();
    if (correction.amountMicros < 0) creditArrived(change, reference);
  });
  const owedMicros = outcome.effects.reduce(
    (sum, effect) =>
      effect.kind === 'transfer' && effect.transfer.reference === referenceOf.owed(reference)
        ? effect.transfer.amountMicros
        : sum,
    ZERO,
  );
  return { ...outcome, creditMicros: micros(correction.amountMicros + owedMicros) };
}

function postCorrection(change: AccountChange, correction: Correction, reference: string): void {
  const { depositId, providerAccount, amountMicros, correctsReference } = correction;
  const row = { depositId, correctsReference, reference, code: 'deposit_correction' } as const;
  if (amountMicros > 0) creditFrom(change, { ...row, debitAccount: providerAccount, amountMicros });
  else
    takeBack(change, {
      ...row,
      creditAccount: providerAccount,
      amountMicros: subtract(ZERO, amountMicros),
      owedCode: 'owed_correction',
    });
}
