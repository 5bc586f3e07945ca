import { formatForPeople, type Micros } from '../../billing/money.ts';
import { type About, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** Auto top-up is on, but this month's cap leaves no room for another charge. */
export function autoTopUpCapped(
  { teamName, billingUrl }: About,
  cap: { monthlyCapMicros: Micros; toppedUpMicros: Micros; amountMicros: Micros; nextMonthSecond: number },
  runway: Runway,
): Mail {
  return compose('Auto top-up has reached its monthly cap', teamName, [
    words(
      `Auto top-up of ${teamName} stays on, but another charge of ${formatForPeople(cap.amountMicros)} would pass the monthly cap that you have set. The card is not charged again before the new month, unless you raise the cap.`,
    ),
    facts(
      ['Monthly cap', formatForPeople(cap.monthlyCapMicros)],
      ['Charged this month', formatForPeople(cap.toppedUpMicros)],
      ['New month', utc(cap.nextMonthSecond)],
    ),
    words(runwayInWords(runway)),
    link('Add credit or raise the cap', billingUrl),
  ]);
}
