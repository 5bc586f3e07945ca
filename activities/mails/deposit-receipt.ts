import { formatForPeople } from '../../billing/money.ts';
import { type About, cardInWords, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** A receipt: what was paid, when, how, and what the credit is now. */
export function depositReceipt(
  { teamName, billingUrl }: About,
  { depositId, amountMicros, second, card, receiptNumber }: PaymentFacts,
  receiptUrl: string | null,
  runway: Runway,
): Mail {
  const amount = formatForPeople(amountMicros);
  return compose(`Receipt for your deposit of ${amount}`, teamName, [
    words(`Thank you. ${amount} has been added to the credit of ${teamName}.`),
    facts(
      ['Amount', amount],
      ['Paid', utc(second)],
      ['Method', cardInWords(card)],
      ['Credit now', formatForPeople(runway.availableMicros)],
      ...(receiptNumber === null ? [] : ([['Receipt', receiptNumber]] as Array<[string, string]>)),
      ['Deposit', depositId],
    ),
    words(runwayInWords(runway)),
    ...(receiptUrl === null ? [] : [link('See the charge at Stripe', receiptUrl)]),
    link('Billing', billingUrl),
  ]);
}
