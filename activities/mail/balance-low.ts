import { formatForPeople, type Micros } from '../../billing/money.ts';
import { button, facts, words } from './blocks.ts';
import { type About, creditRows, perHour, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** Credit fell below the alert level, once an episode: the mail states the runway. */
export function balanceLow(
  about: About,
  { levelMicros, second }: { levelMicros: Micros; second: number },
  runway: Runway,
): Mail {
  const level = formatForPeople(levelMicros);
  return compose(`Credit is below ${level}`, about, [
    words(`The credit of ${about.teamName} fell below ${level} at ${utc(second)}. ${runwayInWords(runway)}`),
    facts(
      ['Burn', perHour(runway.burnMicrosPerHour)],
      ['Runs out', runway.runsOutSecond === null ? 'not while nothing runs' : utc(runway.runsOutSecond)],
      ...creditRows(runway),
    ),
    button('Add credit', about.billingUrl),
  ]);
}
