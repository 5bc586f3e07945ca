/** The look of a team's watch that follows from the effects of a fact. */
import type { Effect } from '../billing/change.ts';

/** Effects that only the watch acts on: mails, machine stops and charges. */
const FOR_THE_WATCH: ReadonlySet<Effect['kind']> = new Set([
  'exhausted',
  'attempt_opened',
  'low',
  'budget_met',
  'burn_above',
  'reservation_closed',
]);
export const isForTheWatch = (kind: Effect['kind']) => FOR_THE_WATCH.has(kind);

/** The look that the watch owes to a fact without its own plan. */
export const lookFor = (effects: readonly Effect[]): 'due' | 'unchanged' =>
  effects.some(({ kind }) => isForTheWatch(kind)) ? 'due' : 'unchanged';
