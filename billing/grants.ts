/** Revocation of grants. facts.ts gives grants. Source: docs/rules.md#corrections. */
import { type Account, type BillingSettings, spendableMicros } from './account.ts';
import type { FactOutcome } from './change.ts';
import { applyFact } from './clock.ts';
import { creditAccount, GRANTS, owedAccount, referenceOf } from './ledger.ts';
import { larger, type Micros, smaller, subtract, ZERO } from './money.ts';
import { checkNotArchived } from './team-state.ts';

export interface GrantRevoked extends FactOutcome {
  /** The part that was taken from credit; the rest of the grant is owed. */
  creditMicros: Micros;
}

/**
 * Takes a whole grant back: from credit as far as there is any, the rest becomes owed.
 * @throws BillingError `team_archived`
 */
export function revokeGrant(
  account: Account,
  settings: BillingSettings,
  grant: { grantId: string; amountMicros: Micros },
  nowSecond: number,
): GrantRevoked {
  let creditMicros = ZERO;
  const outcome = applyFact(account, settings, nowSecond, (change) => {
    checkNotArchived(change.account);
    const { teamId, asOfSecond: second } = change.account;
    const { grantId, amountMicros } = grant;
    creditMicros = smaller(amountMicros, larger(spendableMicros(change.account, second), ZERO));
    const reference = referenceOf.grantRevoked(grantId);
    const taken = { creditAccount: GRANTS, second, correctsReference: referenceOf.grant(grantId) };
    change.transfer({
      ...taken,
      debitAccount: creditAccount(teamId),
      amountMicros: creditMicros,
      code: 'grant_revoked',
      reference,
    });
    change.transfer({
      ...taken,
      debitAccount: owedAccount(teamId),
      amountMicros: subtract(amountMicros, creditMicros),
      code: 'owed_revocation',
      reference: referenceOf.owed(reference),
    });
  });
  return { ...outcome, creditMicros };
}
