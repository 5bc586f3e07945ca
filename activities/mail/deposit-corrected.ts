import { formatForPeople, type Micros, subtract, ZERO } from '../../billing/money.ts';
import { button, facts, words } from './blocks.ts';
import { type About, creditRows, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';
import { owedInWords } from './refund.ts';

export interface CorrectionFacts {
  depositId: string;
  /** When the deposit was credited, or opened. */
  depositSecond: number;
  /** Positive: credited. Negative: taken back. */
  amountMicros: Micros;
  /** The part that credit received or paid; the rest became owed. */
  creditMicros: Micros;
  /** The received amount of the deposit, by the provider's corrected report. */
  receivedMicros: Micros;
  note: string;
  /** The present debt of the team, from any cause. */
  owedMicros: Micros;
}

/**
 * The provider corrected a crypto payment, or its transaction left the chain: the change, and the deposit afterwards.
 */
export function depositCorrected(about: About, of: CorrectionFacts, runway: Runway): Mail {
  const { amountMicros, creditMicros, receivedMicros, owedMicros } = of;
  const isTaken = amountMicros < 0;
  const amount = formatForPeople(isTaken ? subtract(ZERO, amountMicros) : amountMicros);
  const newlyOwedMicros = subtract(creditMicros, amountMicros);
  const change = isTaken ? `${amount} was taken back from` : `${amount} was added to`;
  return compose(isTaken ? `${amount} of a deposit was taken back` : `${amount} was added to a deposit`, about, [
    words(
      `${change} the crypto deposit that ${about.teamName} made on ${utc(of.depositSecond)}. Reason: ${of.note}. ${receivedInAll(receivedMicros)} Receipts that you already have are not changed.`,
    ),
    ...(newlyOwedMicros > 0
      ? [
          words(
            `There was no credit left for ${formatForPeople(newlyOwedMicros)} of it, which was added to what you owe. ${owedInWords(owedMicros)}`,
          ),
        ]
      : []),
    facts(
      [isTaken ? 'Taken back' : 'Added', amount],
      ...(receivedMicros > 0 ? [['Received in all', formatForPeople(receivedMicros)] as [string, string]] : []),
      ...creditRows(runway),
      ...(owedMicros > 0 ? [['Owed now', formatForPeople(owedMicros)] as [string, string]] : []),
      ['Deposit', of.depositId],
    ),
    words(runwayInWords(runway)),
    button('Go to billing', about.billingUrl),
  ]);
}

const receivedInAll = (receivedMicros: Micros): string =>
  receivedMicros > 0
    ? `In all, ${formatForPeople(receivedMicros)} has been received for the deposit.`
    : 'The whole deposit has now been taken back.';
