import { formatForPeople, type Micros } from '../../billing/money.ts';
import { button, facts, words } from './blocks.ts';
import { type About, creditRows, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** Auto top-up is on, but this month's cap leaves no room for another charge. */
export function autoTopUpCapped(
  about: About,
  cap: { monthlyCapMicros: Micros; toppedUpMicros: Micros; amountMicros: Micros; nextMonthSecond: number },
  runway: Runway,
): Mail {
  const monthlyCap = formatForPeople(cap.monthlyCapMicros);
  return compose('Auto top-up has reached its monthly cap', about, [
    words(
      `Auto top-up of ${about.teamName} stays on, but another charge of ${formatForPeople(cap.amountMicros)} would exceed your monthly cap of ${monthlyCap}. The card is not charged again before the new month, unless you raise the cap.`,
    ),
    words(runwayInWords({ ...runway, topUpIsOn: false })),
    facts(
      ['Monthly cap', monthlyCap],
      ['Charged this month', formatForPeople(cap.toppedUpMicros)],
      ['New month', utc(cap.nextMonthSecond)],
      ...creditRows(runway),
    ),
    button('Add credit or raise the cap', about.billingUrl),
  ]);
}
