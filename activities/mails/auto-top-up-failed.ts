import { formatForPeople } from '../../billing/money.ts';
import {
  type About,
  cardInWords,
  failureInWords,
  type PaymentFacts,
  type Runway,
  runwayInWords,
  utc,
} from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** The charge failed and auto top-up is off: what failed, why, what to do, and by when. */
export function autoTopUpFailed(
  { teamName, billingUrl }: About,
  { depositId, amountMicros, second, card }: PaymentFacts,
  failureCode: string,
  runway: Runway,
): Mail {
  const amount = formatForPeople(amountMicros);
  const { why, whatToDo } = failureInWords(failureCode);
  return compose('Auto top-up failed and is now off', teamName, [
    words(
      `Auto top-up tried to charge your ${cardInWords(card)} ${amount} for ${teamName}, and failed: ${why}. You have not been charged. Auto top-up is now off, so nothing will be tried again until you switch it on.`,
    ),
    words(whatToDo),
    words(runwayInWords(runway)),
    facts(['Amount', amount], ['Card', cardInWords(card)], ['Tried', utc(second)], ['Attempt', depositId]),
    link('Add credit or change the card', billingUrl),
  ]);
}
