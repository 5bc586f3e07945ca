import type { Micros } from '../../billing/money.ts';
import { button, facts, words } from './blocks.ts';
import { type About, creditRows, perHour, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** A new price has lifted the burn above the team's limit. Nothing is stopped. */
export function burnLimit(
  about: About,
  { burnMicros, limitMicros, second }: { burnMicros: Micros; limitMicros: Micros; second: number },
  runway: Runway,
): Mail {
  return compose('Burn is above your limit', about, [
    words(
      `A price changed at ${utc(second)}, and the burn of ${about.teamName} is ${perHour(burnMicros)} since, above your limit of ${perHour(limitMicros)}. Running instances continue. An instance that would raise the burn further does not start.`,
    ),
    words(runwayInWords(runway)),
    facts(['Burn', perHour(burnMicros)], ['Limit', perHour(limitMicros)], ...creditRows(runway)),
    button('See instances and limits', about.billingUrl),
  ]);
}
