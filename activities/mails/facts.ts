/** What mails are made of, and how its parts are said to people. */
import { formatForPeople, formatInFull, type Micros } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import type { CardSeen } from '../ledger/deposits.ts';
import type { Brand } from './brand.ts';

/** In every mail. */
export interface About {
  /** In one line, without control characters. */
  teamName: string;
  /** The team's page of deposits, cards and auto top-up. */
  billingUrl: string;
  brand: Brand;
  /** How to ask for help, as the end of a sentence: `reply to this mail`. */
  help: string;
}

/** How a team's credit stands as the mail is sent. */
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
  /** When it was credited, or had failed. */
  second: number;
  card: CardSeen | null;
  /** Null for what was not credited. */
  receiptNumber: string | null;
  /** Of a crypto deposit: this receipt is what the mail is about, beside what was asked for and what has come in all. */
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

/** `1 d 2 h 3 min 4 s`, without the parts that are nothing. */
export function duration(seconds: number): string {
  const parts: Array<[number, string]> = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const said = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`);
  return said.join(' ') || '0 s';
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

/** Coins that came are credited as they came; where that is not what was asked for, both are said. */
export function cryptoInWords({ expectedMicros, receivedMicros, open }: CryptoFacts): string | null {
  if (receivedMicros === expectedMicros) return null;
  const sums = `You were asked for ${formatForPeople(expectedMicros)}; ${formatForPeople(receivedMicros)} has arrived in all, and all of it is credit.`;
  return receivedMicros < expectedMicros && open ? `${sums} The page stays open for the rest until it expires.` : sums;
}

/** How long the credit lasts. */
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

/** The credit as it stands when the mail is sent. A mail that was held up shows by the second how old that is. */
export const creditRows = ({ availableMicros, asOfSecond }: Runway): Array<[string, string]> => [
  ['Credit now', formatForPeople(availableMicros)],
  ['As of', utc(asOfSecond)],
];
