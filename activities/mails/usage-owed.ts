import { formatForPeople, type Micros } from '../../billing/money.ts';
import { type About, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** Something had to be paid that no credit was left for: what that means, once an episode. */
export function usageOwed({ teamName, billingUrl }: About, owedMicros: Micros, second: number): Mail {
  // Paid by the time the mail is written, it is no longer worth a demand.
  const owed = formatForPeople(owedMicros);
  const now = owedMicros > 0 ? `${owed} is owed now` : 'It has been paid since, and nothing is owed now';
  return compose('Your credit did not cover everything', teamName, [
    words(
      `Since ${utc(second)} ${teamName} owes for something that no credit was left for: usage, a refund, or a dispute that was lost. ${now}.`,
    ),
    words(
      'Nothing is charged for it by itself. The next credit that comes in pays it first, and nothing can be started until there is credit again.',
    ),
    facts(['Owed now', owed], ['Since', utc(second)]),
    link('Add credit', billingUrl),
  ]);
}
