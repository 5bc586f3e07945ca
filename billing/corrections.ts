/**
 * Corrections of what was credited for a payment: an operator's, or one that follows the provider's own. The first rows
 * stay; a correction is a row that names the row that it answers. Source: docs/rules.md#corrections.
 */
import type { Account, Terms } from './account.ts';
import { type Change, creditArrived, type Outcome } from './change.ts';
import { applyFact } from './clock.ts';
import { type CreditedDeposit, takeBack } from './credited-deposit.ts';
import { settleDisputes } from './disputes.ts';
import { creditFrom } from './facts.ts';
import { referenceOf } from './ledger.ts';
import { type Micros, micros, subtract, ZERO } from './money.ts';

export interface Correction {
  correctionId: string;
  depositId: string;
  /** The account of the provider that the money came from. */
  providerAccount: string;
  /** Positive: credited. Negative: taken from credit first, and the rest is owed. */
  amountMicros: Micros;
  correctsReference: string;
  /** The deposit as it is after the correction. Null where no credited deposit of the team changes. */
  deposit: CreditedDeposit | null;
}

export interface Corrected extends Outcome {
  /** The part of the amount that credit received or paid; the rest is owed. */
  creditMicros: Micros;
}

/** Credits an amount for a payment, or takes it back. Disputes over the deposit can claim no more than its new amount. */
export function correctDeposit(account: Account, terms: Terms, correction: Correction, nowSecond: number): Corrected {
  const reference = referenceOf.correction(correction.correctionId);
  const outcome = applyFact(account, terms, nowSecond, (change) => {
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

function postCorrection(change: Change, correction: Correction, reference: string): void {
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
