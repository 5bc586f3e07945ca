import { add, formatForPeople, type Micros, ZERO } from '../../billing/money.ts';
import { type Block, button, facts, heading, items, words } from './blocks.ts';
import { type About, creditRows, duration, type Runway, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

export interface StoppedInstance {
  instanceId: string;
  gpuType: string;
  region: string;
  startSecond: number;
  endSecond: number;
  costMicros: Micros;
  /** The cost of one more second. */
  nextSecondMicros: Micros;
}

/** An instance that was running and runs on, because of the team's order. */
export interface RunningInstance {
  instanceId: string;
  gpuType: string;
  region: string;
}

/** The minimums for going on. Both are settings. */
export interface Minimums {
  startMicros: Micros;
  depositMicros: Micros;
}

export interface Exhausted {
  second: number;
  stopped: StoppedInstance[];
  running: RunningInstance[];
  minimums: Minimums;
}

/**
 * Keeps the mail readable, and below the size at which mail programs cut mails off. The sum includes the unlisted
 * instances.
 */
const MOST_LISTED = 40;

/**
 * The credit was used up, and instances were stopped: the list of instances with their costs. Where the team's order
 * spared some, also the running instances and their ends.
 */
export const creditsExhausted = (about: About, exhausted: Exhausted, runway: Runway): Mail =>
  exhausted.running.length === 0 ? allStopped(about, exhausted, runway) : someStopped(about, exhausted, runway);

const countOf = (stopped: StoppedInstance[]): string =>
  stopped.length === 1 ? 'one instance was' : `${stopped.length} instances were`;

/** The stopped instances, their total cost, and the present credit. */
function listOf(stopped: StoppedInstance[], runway: Runway): Block[] {
  const listed = stopped
    .slice(0, MOST_LISTED)
    .map(({ instanceId, gpuType, region, startSecond, endSecond, costMicros }) => ({
      name: instanceId,
      amount: formatForPeople(costMicros),
      lines: [
        `${gpuType} in ${region}`,
        `from ${utc(startSecond)}`,
        `to ${utc(endSecond)}`,
        `ran for ${duration(endSecond - startSecond)}`,
      ],
    }));
  const total = formatForPeople(add(ZERO, ...stopped.map(({ costMicros }) => costMicros)));
  return [
    heading(
      stopped.length === 1 ? 'The instance that was stopped' : `The ${stopped.length} instances that were stopped`,
    ),
    items([...listed, ...moreThan(stopped.length)]),
    facts(
      ...(stopped.length === 1 ? [] : ([['Cost of all', total]] as Array<[string, string]>)),
      ...creditRows(runway),
    ),
  ];
}

const moreThan = (count: number) =>
  count > MOST_LISTED
    ? [{ name: `and ${count - MOST_LISTED} more`, lines: ['All of them are in the list of instances.'] }]
    : [];

/**
 * The reason for a rest of credit: instances are charged whole seconds, and the next second cost more than the rest.
 */
function restInWords(stopped: StoppedInstance[], { availableMicros }: Runway): Block[] {
  const nextMicros = add(ZERO, ...stopped.map(({ nextSecondMicros }) => nextSecondMicros));
  if (availableMicros <= 0 || availableMicros >= nextMicros) return [];
  return [
    words(
      `${formatForPeople(availableMicros)} of credit is left, because one more second would have cost ${formatForPeople(nextMicros)}.`,
    ),
  ];
}

function goOnInWords({ startMicros, depositMicros }: Minimums, { availableMicros }: Runway): string {
  const least = `At least ${formatForPeople(startMicros)} of credit is needed to start an instance`;
  return availableMicros >= startMicros
    ? `${least}, and there is ${formatForPeople(availableMicros)} now: resume or start your instances again.`
    : `${least}. Add credit, then resume or start your instances again. The smallest deposit is ${formatForPeople(depositMicros)}.`;
}

const NOT_BEYOND = 'Your instances have not been charged beyond your credit.';

function allStopped(about: About, { second, stopped, minimums }: Exhausted, runway: Runway): Mail {
  return compose('Credit used up: your instances were stopped', about, [
    words(
      `The credit of ${about.teamName} was used up at ${utc(second)}, and ${countOf(stopped)} stopped at that second. ${NOT_BEYOND}`,
    ),
    ...restInWords(stopped, runway),
    words(goOnInWords(minimums, runway)),
    button('Add credit', about.billingUrl),
    ...listOf(stopped, runway),
  ]);
}

function someStopped(about: About, { second, stopped, running, minimums }: Exhausted, runway: Runway): Mail {
  const [first] = stopped;
  const which = first && stopped.length === 1 ? `${first.instanceId} was` : `${stopped.length} instances were`;
  const until = runway.runsOutSecond;
  const listed = running.slice(0, MOST_LISTED).map(({ instanceId, gpuType, region }) => ({
    name: instanceId,
    lines: [`${gpuType} in ${region}`],
  }));
  return compose(`Credit is running out: ${which} stopped`, about, [
    words(
      `At ${utc(second)} the credit of ${about.teamName} could not pay another second of everything that was running, and ${countOf(stopped)} stopped at that second, first in the order in which your instances end. ${NOT_BEYOND}`,
    ),
    words(
      until === null
        ? 'These run on and use no credit:'
        : `These run on; if nothing changes, credit ends at ${utc(until)}, and the next in the order ${running.length === 1 ? 'is' : 'are'} stopped then:`,
    ),
    items([...listed, ...moreThan(running.length)]),
    words(`Add credit to keep these running. ${goOnInWords(minimums, runway)}`),
    words('You can change the order in which instances end at any time.'),
    button('Add credit, or change the order', about.billingUrl),
    ...listOf(stopped, runway),
  ]);
}
