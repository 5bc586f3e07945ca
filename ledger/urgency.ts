/**
 * The effects of a fact that need a look of the watch at once. For other effects a look within the second is enough.
 */
import type { Effect } from '../billing/change.ts';

/** Effects that the watch announces or charges. */
const URGENT: ReadonlySet<Effect['kind']> = new Set<Effect['kind']>([
  'exhausted',
  'instance_ended',
  'attempt_opened',
  'reservation_closed',
  'low',
  'budget_met',
  'burn_above',
  'owes',
  'capped',
]);

export const isUrgent = (effects: readonly Effect[]): boolean => effects.some(({ kind }) => URGENT.has(kind));
