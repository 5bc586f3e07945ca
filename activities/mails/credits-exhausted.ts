import { formatForPeople, type Micros } from '../../billing/money.ts';
import { type About, duration, type Runway, utc } from './facts.ts';
import { type Block, compose, facts, link, type Mail, table, words } from './layout.ts';

export interface StoppedInstance {
  instanceId: string;
  gpuType: string;
  region: string;
  startSecond: number;
  endSecond: number;
  costMicros: Micros;
}

/** One that ran then and runs still: by the team's order it was not its turn. */
export interface RunningInstance {
  instanceId: string;
  gpuType: string;
  region: string;
}

/**
 * The credit was used up, and what ran was stopped: which, and what each cost. Where only some were, by the order in which
 * the team wants its instances to end, also which run on and until when.
 */
export function creditsExhausted(
  about: About,
  second: number,
  { stopped, running }: { stopped: StoppedInstance[]; running: RunningInstance[] },
  runway: Runway,
): Mail {
  return running.length === 0
    ? allStopped(about, second, stopped, runway)
    : someStopped(about, second, { stopped, running }, runway);
}

const countOf = (stopped: StoppedInstance[]): string =>
  stopped.length === 1 ? 'one instance was' : `${stopped.length} instances were`;

const tableOf = (stopped: StoppedInstance[]): Block =>
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
  );

const creditNow = ({ availableMicros, asOfSecond }: Runway): Block =>
  facts(['Credit now', formatForPeople(availableMicros)], ['As of', utc(asOfSecond)]);

function allStopped({ teamName, billingUrl }: About, second: number, stopped: StoppedInstance[], runway: Runway): Mail {
  return compose('Credit used up: your instances were stopped', teamName, [
    words(`The credit of ${teamName} was used up at ${utc(second)}, and ${countOf(stopped)} stopped at that second.`),
    tableOf(stopped),
    words(
      'Your instances have not been charged beyond your credit. Add credit, then resume or start your instances again.',
    ),
    creditNow(runway),
    link('Add credit', billingUrl),
  ]);
}

function someStopped(
  { teamName, billingUrl }: About,
  second: number,
  { stopped, running }: { stopped: StoppedInstance[]; running: RunningInstance[] },
  runway: Runway,
): Mail {
  const [first] = stopped;
  const which = first && stopped.length === 1 ? `${first.instanceId} was` : `${stopped.length} instances were`;
  const until = runway.runsOutSecond;
  return compose(`Credit is running out: ${which} stopped`, teamName, [
    words(
      `At ${utc(second)} the credit of ${teamName} could not pay for another second of all that ran, and ${countOf(stopped)} stopped at that second, first in the order in which your instances end.`,
    ),
    tableOf(stopped),
    words(
      until === null
        ? 'These run on, and use no credit up:'
        : `These run on; if nothing changes, credit ends at ${utc(until)}, and the next in the order ${running.length === 1 ? 'is' : 'are'} stopped then:`,
    ),
    table(
      ['Instance', 'GPU', 'Region'],
      running.map(({ instanceId, gpuType, region }) => [instanceId, gpuType, region]),
    ),
    words(
      'Your instances have not been charged beyond your credit. Add credit to keep what runs, then resume or start again what was stopped.',
    ),
    words('You can change the order in which instances end at any time.'),
    creditNow(runway),
    link('Add credit, or change the order', billingUrl),
  ]);
}
