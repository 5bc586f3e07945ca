import { isRefusedByBank, refundFailure } from '../../billing/failure-reasons.ts';
import { refundFailureWords } from '../../billing/failure-words.ts';
import { formatForPeople, type Micros } from '../../billing/money.ts';
import type { RefundTurn } from '../../prisma/notices.ts';
import { type About, cardInWords, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

export interface RefundFacts {
  refund: { id: string; amountMicros: Micros; openedSecond: number; failureCode: string | null };
  /** The deposit that it is of. */
  payment: PaymentFacts;
  deposit: { amountMicros: Micros; receivedMicros: Micros | null; refundedMicros: Micros };
}

/** Money went back to a card: how much, to which, when it arrives and why it is not more; or it came back again. */
export function refundMail(about: About, turn: RefundTurn, of: RefundFacts, runway: Runway): Mail {
  return turn === 'sent' ? sent(about, of, runway) : returned(about, of, runway);
}

function sent({ teamName, billingUrl }: About, { refund, payment, deposit }: RefundFacts, runway: Runway): Mail {
  const amount = formatForPeople(refund.amountMicros);
  const paid = deposit.receivedMicros ?? deposit.amountMicros;
  const isWhole = deposit.refundedMicros >= paid;
  return compose(`Refund of ${amount}`, teamName, [
    words(
      `${amount} of the deposit that ${teamName} made on ${utc(payment.second)} is on its way back to your ${cardInWords(payment.card)}. Banks take 5 to 10 business days to show it.`,
    ),
    words(
      isWhole
        ? 'The whole deposit has now been refunded.'
        : `In all, ${formatForPeople(deposit.refundedMicros)} of the ${formatForPeople(paid)} has been refunded. Only credit that has not been used can go back: what your instances and requests have cost is not refunded.`,
    ),
    facts(
      ['Refunded', amount],
      ['Taken from your credit', utc(refund.openedSecond)],
      ['To', cardInWords(payment.card)],
      ['Credit now', formatForPeople(runway.availableMicros)],
      ['Deposit', payment.depositId],
      ['Refund', refund.id],
    ),
    words(runwayInWords(runway)),
    link('Billing', billingUrl),
  ]);
}

function returned({ teamName, billingUrl }: About, { refund, payment }: RefundFacts, runway: Runway): Mail {
  const amount = formatForPeople(refund.amountMicros);
  const { why, whatToDo } = refundFailureWords(refund.failureCode);
  const card = cardInWords(payment.card);
  const what = isRefusedByBank(refundFailure(refund.failureCode))
    ? `The bank of your ${card} did not take the refund of ${amount}`
    : `The refund of ${amount} to your ${card} was not paid out`;
  return compose(`Your refund of ${amount} came back`, teamName, [
    words(`${what}: ${why}. The money is credit of ${teamName} again, less what was owed. ${whatToDo}`),
    facts(
      ['Amount', amount],
      ['Credit now', formatForPeople(runway.availableMicros)],
      ['Deposit', payment.depositId],
      ['Refund', refund.id],
    ),
    link('Billing', billingUrl),
  ]);
}
