import { formatForPeople, type Micros } from '../../billing/money.ts';
import { type About, type Runway, runwayInWords, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** Credit fell below the alert level, once an episode: how long it lasts. */
export function balanceLow(
  { teamName, billingUrl }: About,
  { levelMicros, second }: { levelMicros: Micros; second: number },
  runway: Runway,
): Mail {
  const level = formatForPeople(levelMicros);
  return compose(`Credit is below ${level}`, teamName, [
    words(`The credit of ${teamName} fell below ${level} at ${utc(second)}. ${runwayInWords(runway)}`),
    facts(
      ['Credit now', formatForPeople(runway.availableMicros)],
      ['Burn', `${formatForPeople(runway.burnMicrosPerHour)} an hour`],
      ['Runs out', runway.runsOutSecond === null ? 'never, as nothing runs' : utc(runway.runsOutSecond)],
      ['As of', utc(runway.asOfSecond)],
    ),
    link('Add credit', billingUrl),
  ]);
}
