/** The facts in mails, and their wording for people. */

import { formatForPeople, formatInFull, type Micros } from '../../billing/money.ts';
import { formatSecond, SECONDS_PER_DAY } from '../../billing/time.ts';
import type { CardSeen } from '../../prisma/deposits.ts';
import type { Brand } from './brand.ts';

/** In every mail. */
export interface About {
  /** In a single line, without control characters. */
  teamName: string;
  /** The team's page of deposits, cards and auto top-up. */
  billingUrl: string;
  brand: Brand;
  /** The way to ask for help, as the end of a sentence: `reply to this mail`. */
  help: string;
}

/** The credit of a team at the sending of the mail. */
export interface Runway {
  asOfSecond: number;
  availableMicros: Micros;
  burnMicrosPerHour: Micros;
  /** The last second that can be paid without another top-up; null when nothing runs. */
  runsOutSecond: number | null;
  /** Whether an auto top-up policy is on. */
  topUpIsOn?: boolean;
}

export interface PaymentFacts {
  depositId: string;
  amountMicros: Micros;
  /** The second of the credit or the failure. */
  second: number;
  card: CardSeen | null;
  /** Null for a payment that was not credited. */
  receiptNumber: string | null;
  /** For a crypto deposit, the receipt of the mail, with the requested and the total received amount. */
  crypto?: CryptoFacts;
}

export interface CryptoFacts {
  transactionHash: string;
  currency: string;
  expectedMicros: Micros;
  receivedMicros: Micros;
  /** Whether the page still waits for the rest. */
  open: boolean;
}

/** `2026-03-01 14:05:00 UTC` */
export const utc = (second: number): string => formatSecond(second).replace('T', ' ').replace('Z', ' UTC');

/** `1 d 2 h 3 min 4 s`, without zero parts. */
export function duration(seconds: number): string {
  const parts: Array<[number, string]> = [
    [Math.floor(seconds / SECONDS_PER_DAY), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const partsInWords = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`);
  return partsInWords.join(' ') || '0 s';
}

const BRANDS: Record<string, string> = {
  amex: 'American Express',
  diners: 'Diners Club',
  discover: 'Discover',
  jcb: 'JCB',
  mastercard: 'Mastercard',
  unionpay: 'UnionPay',
  visa: 'Visa',
};

/** `Visa ending in 4242` */
export const cardInWords = (card: CardSeen | null): string =>
  card === null ? 'card' : `${BRANDS[card.brand] ?? card.brand} ending in ${card.last4}`;

/** Coins are credited as received. If the received amount differs from the requested amount, the mail states both. */
export function cryptoInWords({ expectedMicros, receivedMicros, open }: CryptoFacts): string | null {
  if (receivedMicros === expectedMicros) return null;
  const sums = `You were asked for ${formatForPeople(expectedMicros)}; ${formatForPeople(receivedMicros)} has arrived in all, and all of it is credit.`;
  return receivedMicros < expectedMicros && open ? `${sums} The page stays open for the rest until it expires.` : sums;
}

/** The runway in words. */
export function runwayInWords({
  asOfSecond,
  availableMicros,
  burnMicrosPerHour,
  runsOutSecond,
  topUpIsOn = false,
}: Runway): string {
  const credit = formatForPeople(availableMicros);
  if (runsOutSecond === null) return `Your credit is ${credit}, and nothing is running that would use it.`;
  const left = duration(Math.max(0, runsOutSecond - asOfSecond));
  const without = topUpIsOn ? 'Without another top-up' : `At today's burn of ${perHour(burnMicrosPerHour)}`;
  return `${without}, your credit of ${credit} runs out at ${utc(runsOutSecond)}, in ${left}. Instances that are running then are stopped.`;
}

/** A rate in full: rounded to cents, a rate of $0.015 would be read as a third less. */
export const perHour = (microsPerHour: Micros): string => `${formatInFull(microsPerHour)} an hour`;

/** The present credit at the sending. A delayed mail shows the second of the balance. */
export const creditRows = ({ availableMicros, asOfSecond }: Runway): Array<[string, string]> => [
  ['Credit now', formatForPeople(availableMicros)],
  ['As of', utc(asOfSecond)],
];
