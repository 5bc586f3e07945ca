import { formatForPeople, type Micros } from '../../billing/money.ts';
import { button, facts, words } from './blocks.ts';
import { type About, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** A team began to owe an amount that credit could not pay: the meaning, once an episode. */
export function usageOwed(about: About, owedMicros: Micros, second: number): Mail {
  // A debt that was paid before the sending needs no demand.
  const owed = formatForPeople(owedMicros);
  const now = owedMicros > 0 ? `${owed} is owed now` : 'It has been paid since, and nothing is owed now';
  return compose('Your credit did not cover everything', about, [
    words(
      `Since ${utc(second)}, ${about.teamName} owes for something that its credit did not cover: usage, a refund, or a dispute that was lost. ${now}.`,
    ),
    words(
      'No card is charged for this automatically. The next credit that comes in pays it first, and nothing can be started until there is credit again.',
    ),
    facts(['Owed now', owed], ['Since', utc(second)]),
    button('Add credit', about.billingUrl),
  ]);
}
