/** What of a fact the watch must hear of at once: all else waits for its look within the second. */
import type { Effect } from '../../billing/change.ts';

/** What the watch has to announce or to charge. */
const URGENT: ReadonlySet<Effect['kind']> = new Set<Effect['kind']>([
  'exhausted',
  'instance_ended',
  'attempt_opened',
  'reservation_closed',
  'low',
  'owes',
  'capped',
]);

export const isUrgent = (effects: readonly Effect[]): boolean => effects.some(({ kind }) => URGENT.has(kind));
