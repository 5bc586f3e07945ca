import { formatForPeople, type Micros } from '../../billing/money.ts';
import type { DisputeTurn } from '../../prisma/notices.ts';
import { type About, cardInWords, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

export interface DisputeFacts {
  dispute: { id: string; amountMicros: Micros; heldMicros: Micros };
  /** The deposit that is contested. */
  payment: PaymentFacts;
  owedMicros: Micros;
}

const SUBJECTS: Record<DisputeTurn, string> = {
  opened: 'A payment is disputed: credit is held',
  changed: 'The disputed amount has changed',
  reopened: 'The dispute is open again: credit is held',
  won: 'The dispute is over: your credit is free again',
  lost: 'The dispute is over: the payment was taken back',
};

/** A cardholder contests a deposit at the bank: what is held and what that means; then how it was decided. */
export function disputeMail(about: About, turn: DisputeTurn, of: DisputeFacts, runway: Runway): Mail {
  const { dispute, payment, owedMicros } = of;
  return compose(SUBJECTS[turn], about.teamName, [
    ...wordsOf(about, turn, of).map(words),
    facts(
      ['Disputed', formatForPeople(dispute.amountMicros)],
      ['Held', formatForPeople(dispute.heldMicros)],
      ['Card', cardInWords(payment.card)],
      ['Paid', utc(payment.second)],
      ['Credit now', formatForPeople(runway.availableMicros)],
      ['Owed now', formatForPeople(owedMicros)],
      ['Deposit', payment.depositId],
      ['Dispute', dispute.id],
    ),
    words(runwayInWords(runway)),
    link('Billing', about.billingUrl),
  ]);
}

function wordsOf({ teamName }: About, turn: DisputeTurn, { dispute, payment, owedMicros }: DisputeFacts): string[] {
  const amount = formatForPeople(dispute.amountMicros);
  const held = formatForPeople(dispute.heldMicros);
  const what = `the deposit of ${formatForPeople(payment.amountMicros)} by your ${cardInWords(payment.card)}`;
  if (turn === 'opened')
    return [
      `The cardholder has told the bank not to recognise ${amount} of ${what}. While the bank decides, ${held} of the credit of ${teamName} is held: it is still yours and can't be spent.`,
      dispute.heldMicros < dispute.amountMicros
        ? `There was not credit enough to hold all of it. Credit that comes in is held first, until ${amount} is.`
        : 'Instances run on as long as there is other credit. If nobody of yours meant to dispute it, ask the cardholder to withdraw the dispute at the bank.',
    ];
  if (turn === 'changed')
    return [
      `The bank has changed the disputed amount of ${what}. It is ${amount} now. Of the credit of ${teamName}, ${held} is held.`,
    ];
  if (turn === 'reopened')
    return [
      `The bank is deciding again about ${what}. While it decides, ${held} of the credit of ${teamName} is held.`,
    ];
  if (turn === 'won')
    return [`The bank has decided that ${what} stands. What was held of the credit of ${teamName} is free again.`];
  return [
    `The bank has given ${what} back to the cardholder. What was held of the credit of ${teamName}, ${held}, has been taken.`,
    owedMicros > 0
      ? `That was not enough: ${formatForPeople(owedMicros)} is owed. The next credit that comes in pays it first.`
      : 'Nothing more is owed for it.',
  ];
}
