import { formatForPeople } from '../../billing/money.ts';
import { type About, cardInWords, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** A receipt for a charge that nobody was there to see. */
export function autoTopUpCharged(
  { teamName, billingUrl }: About,
  { depositId, amountMicros, second, card, receiptNumber }: PaymentFacts,
  receiptUrl: string | null,
  runway: Runway,
): Mail {
  const amount = formatForPeople(amountMicros);
  return compose(`Auto top-up charged ${amount}`, teamName, [
    words(`The credit of ${teamName} fell below your threshold, so auto top-up charged your ${cardInWords(card)}.`),
    facts(
      ['Amount', amount],
      ['Charged', utc(second)],
      ['Card', cardInWords(card)],
      ['Credit now', formatForPeople(runway.availableMicros)],
      ...(receiptNumber === null ? [] : ([['Receipt', receiptNumber]] as Array<[string, string]>)),
      ['Deposit', depositId],
    ),
    words(runwayInWords(runway)),
    ...(receiptUrl === null ? [] : [link('See the charge at Stripe', receiptUrl)]),
    link('Change or switch off auto top-up', billingUrl),
  ]);
}
