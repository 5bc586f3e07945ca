import { formatForPeople } from '../../billing/money.ts';
import { button, facts, link, words } from './blocks.ts';
import {
  type About,
  cardInWords,
  creditRows,
  cryptoInWords,
  type PaymentFacts,
  type Runway,
  runwayInWords,
  utc,
} from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** A receipt: the payment with time and method, and the present credit. */
export function depositReceipt(
  about: About,
  { depositId, amountMicros, second, card, receiptNumber, crypto }: PaymentFacts,
  receiptUrl: string | null,
  runway: Runway,
): Mail {
  const amount = formatForPeople(amountMicros);
  const difference = crypto ? cryptoInWords(crypto) : null;
  return compose(`Receipt for your deposit of ${amount}`, about, [
    words(`Thank you. ${amount} has been added to the credit of ${about.teamName}.`),
    facts(
      ['Amount', amount],
      ['Paid', utc(second)],
      ['Method', crypto ? `${crypto.currency.toUpperCase()}, by CopperX` : cardInWords(card)],
      ...(crypto ? [['Transaction', crypto.transactionHash] as [string, string]] : []),
      ...creditRows(runway),
      ...(receiptNumber === null ? [] : ([['Receipt', receiptNumber]] as Array<[string, string]>)),
      ['Deposit', depositId],
    ),
    ...(difference === null ? [] : [words(difference)]),
    words(runwayInWords(runway)),
    button('Go to billing', about.billingUrl),
    ...(receiptUrl === null ? [] : [link('See the charge at Stripe', receiptUrl)]),
  ]);
}
