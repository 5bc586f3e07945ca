import { paymentFailure, switchesTopUpOff } from '../../billing/failure-reasons.ts';
import { paymentFailureWords } from '../../billing/failure-words.ts';
import { formatForPeople } from '../../billing/money.ts';
import { button, facts, words } from './blocks.ts';
import { type About, cardInWords, creditRows, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** An auto top-up failed: the failure, the reason, the remedy, the state of the policy, and the runway. */
export function autoTopUpFailed(
  about: About,
  { depositId, amountMicros, second, card }: PaymentFacts,
  failureCode: string,
  runway: Runway,
): Mail {
  const amount = formatForPeople(amountMicros);
  const failure = paymentFailure(failureCode);
  const { why, whatToDo } = paymentFailureWords(failureCode, 'card');
  const isOff = switchesTopUpOff(failure);
  return compose(isOff ? 'Auto top-up failed and is now off' : 'Auto top-up failed', about, [
    words(
      `Auto top-up tried to charge your ${cardInWords(card)} ${amount} for ${about.teamName}, and failed: ${why}.${
        failure === 'payment_missing' ? '' : ' You have not been charged.'
      }`,
    ),
    words(
      isOff
        ? 'Auto top-up is now off, and no other charge is tried until you switch it on.'
        : 'Auto top-up stays on and tries again. You get one mail about this, however many attempts follow.',
    ),
    words(
      isOff ? `${whatToDo} Then switch auto top-up on again.` : 'Make a deposit by hand if you need credit sooner.',
    ),
    words(runwayInWords({ ...runway, topUpIsOn: false })),
    facts(['Amount', amount], ['Card', cardInWords(card)], ['Tried', utc(second)], ...creditRows(runway), [
      'Attempt',
      depositId,
    ]),
    button('Add credit or change the card', about.billingUrl),
  ]);
}
