import { formatForPeople, type Micros, micros, subtract } from '../../billing/money.ts';
import type { DisputeTurn, DisputeTurnFacts } from '../../prisma/notices.ts';
import { button, facts, words } from './blocks.ts';
import { type About, cardInWords, creditRows, type PaymentFacts, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';
import { owedInWords } from './refund.ts';

export interface DisputeFacts {
  dispute: { id: string };
  /** The effects of this turn of the dispute. */
  turned: DisputeTurnFacts;
  /** The contested deposit, with its refunds. */
  payment: PaymentFacts;
  paidMicros: Micros;
  refundedMicros: Micros;
  /** The present debt of the team, from any cause. */
  owedMicros: Micros;
}

/** A cardholder contests a deposit at the bank: the held amount and its meaning; later each decision of the bank. */
export function disputeMail(about: About, turn: DisputeTurn, of: DisputeFacts, runway: Runway): Mail {
  const { turned, dispute, payment, owedMicros } = of;
  return compose(titleOf(turn, turned), about, [
    ...wordsOf(about, turn, of).map(words),
    facts(
      ['Disputed', formatForPeople(micros(turned.claimedMicros))],
      ...(turned.heldMicros > 0
        ? ([['Held', formatForPeople(micros(turned.heldMicros))]] as Array<[string, string]>)
        : []),
      ['Card', cardInWords(payment.card)],
      ['Paid', utc(payment.second)],
      ...creditRows(runway),
      ...(owedMicros > 0 ? ([['Owed now', formatForPeople(owedMicros)]] as Array<[string, string]>) : []),
      ['Deposit', payment.depositId],
      ['Dispute', dispute.id],
    ),
    words(runwayInWords(runway)),
    button('Go to billing', about.billingUrl),
  ]);
}

function titleOf(turn: DisputeTurn, { again }: DisputeTurnFacts): string {
  switch (turn) {
    case 'opened':
      return 'A payment is disputed: credit is held';
    case 'changed':
      return 'The disputed amount has changed';
    case 'reopened':
      return 'The dispute is open again: credit is held';
    case 'won':
      return again ? 'The dispute was decided again: your payment stands' : 'The dispute is over: your payment stands';
    case 'lost':
      return again
        ? 'The dispute was decided again: the payment was taken back'
        : 'The dispute is over: the payment was taken back';
  }
}

function wordsOf(about: About, turn: DisputeTurn, of: DisputeFacts): string[] {
  switch (turn) {
    case 'opened':
      return openedInWords(about, of);
    case 'changed':
      return [changedInWords(of), holdInWords(about, of), ...movedInWords(about, of)];
    case 'reopened':
      return [
        `The bank is looking again at ${partInWords(of)}. ${holdInWords(about, of)}`,
        ...movedInWords(about, of),
        ...shortfallInWords(of),
      ];
    case 'won':
      return [`The bank has decided${againInWords(of)} that ${depositInWords(of)} stands.`, ...movedInWords(about, of)];
    case 'lost':
      return [
        `The bank has decided${againInWords(of)} to give ${partInWords(of, lostMicros(of))} back to the cardholder.`,
        ...movedInWords(about, of),
      ];
  }
}

const againInWords = ({ turned }: DisputeFacts): string => (turned.again ? ' again, this time' : '');

const depositInWords = ({ paidMicros, payment }: DisputeFacts): string =>
  `the deposit of ${formatForPeople(paidMicros)} by your ${cardInWords(payment.card)}`;

/** The amount that the team answers for: at most the deposit less its refunds. */
function answeredMicros({ turned, paidMicros, refundedMicros }: DisputeFacts): Micros {
  return micros(Math.max(0, Math.min(turned.claimedMicros, paidMicros - refundedMicros)));
}

/** `$20.00 of the deposit of $100.00 …`, or `the deposit of $100.00 …` for the whole deposit. */
const partInWords = (of: DisputeFacts, part = answeredMicros(of)): string =>
  part >= of.paidMicros ? depositInWords(of) : `${formatForPeople(part)} of ${depositInWords(of)}`;

/** The amount that a lost turn took. Another dispute over the same deposit may have left less than the bank names. */
function lostMicros(of: DisputeFacts): Micros {
  const taken = micros(of.turned.fromCreditMicros + of.turned.owedMicros);
  return taken > 0 ? taken : answeredMicros(of);
}

function openedInWords(about: About, of: DisputeFacts): string[] {
  return [
    `The cardholder has informed the bank that ${partInWords(of)} is not theirs to pay. ${holdInWords(about, of)}`,
    ...claimInWords(of),
    ...shortfallInWords(of),
    'If nobody of yours meant to dispute the payment, ask the cardholder to withdraw the dispute at the bank.',
  ];
}

function holdInWords({ teamName }: About, { turned }: DisputeFacts): string {
  const held = formatForPeople(micros(turned.heldMicros));
  return `While the bank decides, ${held} of the credit of ${teamName} is held: it still belongs to ${teamName}, and it can't be spent.`;
}

/** The bank may say more than the team can lose. */
function claimInWords(of: DisputeFacts): string[] {
  const { turned, paidMicros, refundedMicros } = of;
  const claimed = formatForPeople(micros(turned.claimedMicros));
  if (turned.claimedMicros > paidMicros)
    return [
      `The bank names ${claimed}, which is more than was paid. You can lose no more than ${formatForPeople(answeredMicros(of))}.`,
    ];
  if (answeredMicros(of) < turned.claimedMicros)
    return [
      `The bank names ${claimed}. ${formatForPeople(refundedMicros)} of the deposit was refunded before, so you can lose no more than ${formatForPeople(answeredMicros(of))}.`,
    ];
  return [];
}

function shortfallInWords(of: DisputeFacts): string[] {
  const answered = answeredMicros(of);
  return of.turned.heldMicros < answered
    ? [
        `There was not enough credit to hold all of it. Credit that comes in is held first, until ${formatForPeople(answered)} is held.`,
      ]
    : [];
}

const changedInWords = ({ turned, ...of }: DisputeFacts): string =>
  `The bank has changed how much of ${depositInWords({ turned, ...of })} is disputed, from ${formatForPeople(micros(turned.beforeMicros))} to ${formatForPeople(micros(turned.claimedMicros))}.`;

/** The movements of money in this turn, a sentence for each part above zero. */
function movedInWords({ teamName }: About, { turned, owedMicros }: DisputeFacts): string[] {
  const amount = (value: number) => formatForPeople(micros(value));
  const { freedMicros, returnedMicros, fromCreditMicros, owedMicros: addedMicros } = turned;
  return [
    ...(freedMicros > 0 ? [`${amount(freedMicros)} that was held of the credit of ${teamName} is free again.`] : []),
    ...(returnedMicros > 0
      ? [
          `${amount(returnedMicros)} that had been taken for it is credit of ${teamName} again, less anything that was owed.`,
        ]
      : []),
    ...(fromCreditMicros > 0
      ? [`${amount(fromCreditMicros)} of the credit of ${teamName} has been taken for it.`]
      : []),
    ...(addedMicros > 0
      ? [
          `There was no credit left for ${amount(addedMicros)} of it, which was added to what ${teamName} owes. ${owedInWords(owedMicros)}`,
        ]
      : []),
  ];
}

/** For a notice from before turns were stored: the present state of the dispute's row. */
export function turnOfRow(
  turn: DisputeTurn,
  dispute: { amountMicros: Micros; heldMicros: Micros },
  owedMicros: Micros,
): DisputeTurnFacts {
  const { amountMicros, heldMicros } = dispute;
  const isOpen = turn === 'opened' || turn === 'reopened' || turn === 'changed';
  return {
    claimedMicros: amountMicros,
    beforeMicros: amountMicros,
    heldMicros: isOpen ? heldMicros : 0,
    freedMicros: turn === 'won' ? heldMicros : 0,
    fromCreditMicros: turn === 'lost' ? heldMicros : 0,
    owedMicros: turn === 'lost' ? Math.min(owedMicros, subtract(amountMicros, heldMicros)) : 0,
    returnedMicros: 0,
    again: false,
  };
}
