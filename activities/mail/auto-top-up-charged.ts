import { formatForPeople, type Micros } from '../../billing/money.ts';
import { button, facts, link, words } from './blocks.ts';
import { type About, cardInWords, creditRows, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** A receipt for a charge without a person present. `thresholdMicros`: the threshold when the charge was due. */
export function autoTopUpCharged(
  about: About,
  { depositId, amountMicros, second, card, receiptNumber }: PaymentFacts,
  { receiptUrl, thresholdMicros }: { receiptUrl: string | null; thresholdMicros: Micros | null },
  runway: Runway,
): Mail {
  const amount = formatForPeople(amountMicros);
  const threshold =
    thresholdMicros === null ? 'your threshold' : `your threshold of ${formatForPeople(thresholdMicros)}`;
  return compose(`Auto top-up charged ${amount}`, about, [
    words(
      `The credit of ${about.teamName} fell below ${threshold}, so auto top-up charged ${amount} to your ${cardInWords(card)}.`,
    ),
    facts(
      ['Amount', amount],
      ['Charged', utc(second)],
      ['Card', cardInWords(card)],
      ...(thresholdMicros === null
        ? []
        : ([['Threshold', formatForPeople(thresholdMicros)]] as Array<[string, string]>)),
      ...creditRows(runway),
      ...(receiptNumber === null ? [] : ([['Receipt', receiptNumber]] as Array<[string, string]>)),
      ['Deposit', depositId],
    ),
    words(runwayInWords(runway)),
    button('Change or switch off auto top-up', about.billingUrl),
    ...(receiptUrl === null ? [] : [link('See the charge at Stripe', receiptUrl)]),
  ]);
}
