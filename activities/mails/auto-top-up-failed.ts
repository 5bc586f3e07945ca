import { paymentFailure, switchesTopUpOff } from '../../billing/failure-reasons.ts';
import { paymentFailureWords } from '../../billing/failure-words.ts';
import { formatForPeople } from '../../billing/money.ts';
import { type About, cardInWords, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** An auto top-up failed: what failed, why, what to do, whether the policy is off, and how long the credit lasts. */
export function autoTopUpFailed(
  { teamName, billingUrl }: About,
  { depositId, amountMicros, second, card }: PaymentFacts,
  failureCode: string,
  runway: Runway,
): Mail {
  const amount = formatForPeople(amountMicros);
  const failure = paymentFailure(failureCode);
  const { why, whatToDo } = paymentFailureWords(failureCode, 'card');
  const isOff = switchesTopUpOff(failure);
  const subject = isOff ? 'Auto top-up failed and is now off' : 'Auto top-up failed';
  return compose(subject, teamName, [
    words(
      [
        `Auto top-up tried to charge your ${cardInWords(card)} ${amount} for ${teamName}, and failed: ${why}.`,
        ...(failure === 'payment_missing' ? [] : ['You have not been charged.']),
        isOff
          ? 'Auto top-up is now off, so nothing will be tried again until you switch it on.'
          : 'Auto top-up stays on and tries again by itself. You get one mail about this, however many tries follow.',
      ].join(' '),
    ),
    words(
      isOff ? `${whatToDo} Then switch auto top-up on again.` : 'Make a deposit by hand if you need credit sooner.',
    ),
    words(runwayInWords(runway)),
    facts(['Amount', amount], ['Card', cardInWords(card)], ['Tried', utc(second)], ['Attempt', depositId]),
    link('Add credit or change the card', billingUrl),
  ]);
}
