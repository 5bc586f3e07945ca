import { formatForPeople, type Micros } from '../../billing/money.ts';
import { type About, duration, type Runway, utc } from './facts.ts';
import { compose, facts, link, type Mail, table, words } from './layout.ts';

export interface StoppedInstance {
  instanceId: string;
  gpuType: string;
  region: string;
  startSecond: number;
  endSecond: number;
  costMicros: Micros;
}

/** The credit was used up and everything that ran was stopped: which, and what each cost. */
export function creditsExhausted(
  { teamName, billingUrl }: About,
  second: number,
  stopped: StoppedInstance[],
  runway: Runway,
): Mail {
  const count = stopped.length === 1 ? 'one instance was' : `${stopped.length} instances were`;
  return compose('Credit used up: your instances were stopped', teamName, [
    words(`The credit of ${teamName} was used up at ${utc(second)}, and ${count} stopped at that second.`),
    table(
      ['Instance', 'GPU', 'Region', 'From', 'To', 'Ran for', 'Cost'],
      stopped.map(({ instanceId, gpuType, region, startSecond, endSecond, costMicros }) => [
        instanceId,
        gpuType,
        region,
        utc(startSecond),
        utc(endSecond),
        duration(endSecond - startSecond),
        formatForPeople(costMicros),
      ]),
    ),
    words('You have not been charged beyond your credit. Add credit, then resume or start your instances again.'),
    facts(['Credit now', formatForPeople(runway.availableMicros)], ['As of', utc(runway.asOfSecond)]),
    link('Add credit', billingUrl),
  ]);
}
