/** The discount that a team has: what its listing shows, and what its next start is charged. */
import type { Terms } from '../../billing/account.ts';
import type { Discount } from '../../billing/discounts.ts';
import type { Tx } from '../../prisma/client.ts';

/**
 * A team's discount at a second. No discount is recorded anywhere yet, neither an assigned one nor spending by day, so that
 * nobody has one: this reads nothing, and is the one place that will.
 */
export const discountOf = async (_tx: Tx, _terms: Terms, _teamId: string, _second: number): Promise<Discount> => ({
  basisPoints: 0,
  kind: null,
});
