import { isRefusedByBank, refundFailure } from '../../billing/failure-reasons.ts';
import { refundFailureWords } from '../../billing/failure-words.ts';
import { formatForPeople, type Micros, subtract } from '../../billing/money.ts';
import type { RefundTurn } from '../../prisma/notices.ts';
import { button, facts, words } from './blocks.ts';
import { type About, cardInWords, creditRows, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

export interface RefundFacts {
  refund: { id: string; amountMicros: Micros; openedSecond: number; failureCode: string | null };
  /** The refunded deposit. */
  payment: PaymentFacts;
  deposit: { amountMicros: Micros; receivedMicros: Micros | null; refundedMicros: Micros };
  /** The parts of the refund: taken from credit, and owed. */
  taken: { creditMicros: Micros; owedMicros: Micros };
  /** The part of a returned refund that paid a debt. */
  collectedMicros: Micros;
  /** The present debt of the team, from any cause. */
  owedMicros: Micros;
}

/**
 * Money went back to a card: amount, card, time of arrival, and the reason why the amount is not larger; or the money
 * came back again.
 */
export const refundMail = (about: About, turn: RefundTurn, of: RefundFacts, runway: Runway): Mail =>
  turn === 'sent' ? sentMail(about, of, runway) : returned(about, of, runway);

const paidMicros = ({ deposit }: RefundFacts): Micros => deposit.receivedMicros ?? deposit.amountMicros;

/** `$20.00 of the deposit of $100.00`, or `the deposit of $100.00` for the whole deposit. */
function partInWords(of: RefundFacts): string {
  const paid = paidMicros(of);
  const { amountMicros } = of.refund;
  const deposit = `the deposit of ${formatForPeople(paid)}`;
  return amountMicros >= paid ? deposit : `${formatForPeople(amountMicros)} of ${deposit}`;
}

function sentMail(about: About, of: RefundFacts, runway: Runway): Mail {
  const { refund, payment, deposit, taken, owedMicros } = of;
  const amount = formatForPeople(refund.amountMicros);
  const paid = paidMicros(of);
  return compose(`Refund of ${amount}`, about, [
    words(
      `${capital(partInWords(of))} that ${about.teamName} made on ${utc(payment.second)} is on its way back to your ${cardInWords(payment.card)}. Banks take 5 to 10 business days to show it.`,
    ),
    words(
      deposit.refundedMicros >= paid
        ? 'The whole deposit has now been refunded.'
        : `In all, ${formatForPeople(deposit.refundedMicros)} of the ${formatForPeople(paid)} has been refunded, and ${formatForPeople(subtract(paid, deposit.refundedMicros))} has not. Only credit that has not been used can go back: what your instances and requests have cost is not refunded.`,
    ),
    ...(taken.owedMicros > 0
      ? [
          words(
            `${formatForPeople(taken.creditMicros)} of the refund was taken from credit. There was no credit left for ${formatForPeople(taken.owedMicros)} of it, which was added to what you owe. ${owedInWords(owedMicros)}`,
          ),
        ]
      : []),
    facts(
      ['Refunded', amount],
      ['Taken from credit', `${formatForPeople(taken.creditMicros)} at ${utc(refund.openedSecond)}`],
      ['To', cardInWords(payment.card)],
      ...creditRows(runway),
      ...owedRows(of),
      ['Deposit', payment.depositId],
      ['Refund', refund.id],
    ),
    words(runwayInWords(runway)),
    button('Go to billing', about.billingUrl),
  ]);
}

function returned(about: About, of: RefundFacts, runway: Runway): Mail {
  const { refund, payment, collectedMicros } = of;
  const amount = formatForPeople(refund.amountMicros);
  const { why, whatToDo } = refundFailureWords(refund.failureCode);
  const card = cardInWords(payment.card);
  const what = isRefusedByBank(refundFailure(refund.failureCode))
    ? `The bank of your ${card} did not take the refund of ${amount}`
    : `The refund of ${amount} to your ${card} was not paid out`;
  const back =
    collectedMicros > 0
      ? `The money is credit of ${about.teamName} again: ${formatForPeople(collectedMicros)} of it has paid what was owed, and ${formatForPeople(subtract(refund.amountMicros, collectedMicros))} was added to your credit.`
      : `The money is credit of ${about.teamName} again.`;
  return compose(`Your refund of ${amount} came back`, about, [
    words(`${what}: ${why}. ${back} ${whatToDo}`),
    facts(
      ['Amount', amount],
      ...creditRows(runway),
      ...owedRows(of),
      ['Deposit', payment.depositId],
      ['Refund', refund.id],
    ),
    button('Go to billing', about.billingUrl),
  ]);
}

const owedRows = ({ owedMicros }: RefundFacts): Array<[string, string]> =>
  owedMicros > 0 ? [['Owed now', formatForPeople(owedMicros)]] : [];

/** The debt at the sending: part of the debt may have been paid since, and part may have other causes. */
export const owedInWords = (owedMicros: Micros): string =>
  owedMicros > 0
    ? `In all, ${formatForPeople(owedMicros)} is owed now; the next credit that comes in pays it first.`
    : 'It has been paid since, and nothing is owed now.';

const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
