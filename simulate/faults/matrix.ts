/**
 * Runs the cases. A fault of a whole process strikes all cases of its group at their steps at once, on their own site.
 * Other faults strike one case each, many at a time on one site. All in real time, with the product's own timeouts and
 * retries: a killed worker's charge waits its half minute, and other cases go on meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { trialBalance } from '../../prisma/transfers.ts';
import type { Case } from './cases.ts';
import { Run } from './run.ts';
import { Site } from './site.ts';
import { type Fault, isWebhookFault } from './words.ts';

export interface Outcome {
  what: Case;
  /** Each in a sentence; none when all is right. */
  differences: string[];
}

/** Called with each case at its end, and once more if a last look finds another result. */
export type OnOutcome = (outcome: Outcome) => void;

const AT_A_TIME = 40;
const ROUNDS = 3;
/** Time for forbidden effects: a charge too many, a mail too many. */
const LAST_LOOK_AFTER_MS = 2_000;
const DOWN_FOR_MS = 1_000;

export async function runMatrix(cases: readonly Case[], onOutcome: OnOutcome = () => {}): Promise<Outcome[]> {
  const underWay: Promise<Outcome[]>[] = [];
  for (const { strikes, play } of GROUPS) {
    const group = cases.filter(({ fault }) => strikes(fault));
    if (group.length === 0) continue;
    // The groups come to their steps in sequence, because each is busiest at its start. Then all groups wait together.
    await new Promise<void>((atRest) => {
      const outcomes = onSite(group, onOutcome, (site, done) => play(site, group, done, atRest));
      underWay.push(outcomes);
      outcomes.then(
        () => atRest(),
        () => atRest(),
      );
    });
  }
  return (await Promise.all(underWay)).flat();
}

type Done = (run: Run) => Promise<void>;
/** `struck` is called when the fault has struck, and only its consequences remain. */
type Play = (site: Site, cases: readonly Case[], done: Done, struck: () => void) => Promise<void>;

async function onSite(
  cases: readonly Case[],
  onOutcome: OnOutcome,
  play: (site: Site, done: Done) => Promise<void>,
): Promise<Outcome[]> {
  if (cases.length === 0) return [];
  const site = await Site.start();
  const runs: Run[] = [];
  const look = async (run: Run): Promise<Outcome> => {
    site.rows.again();
    return { what: run.what, differences: await run.differences() };
  };
  try {
    await play(site, async (run) => {
      await run.rest();
      runs.push(run);
      onOutcome(await look(run));
    });
    await sleep(LAST_LOOK_AFTER_MS);
    const wholly = await differencesOfAll(site);
    const outcomes: Outcome[] = [];
    for (const run of runs) {
      const { what, differences } = await look(run);
      outcomes.push({ what, differences: [...differences, ...wholly] });
    }
    for (const outcome of outcomes) if (outcome.differences.length > 0) onOutcome(outcome);
    return outcomes;
  } finally {
    await site.stop();
  }
}

/** Differences that belong to no single case. */
async function differencesOfAll(site: Site): Promise<string[]> {
  const { balanced, sumMicros } = await trialBalance(site.db);
  return balanced ? [] : [`the ledger does not balance: all accounts sum to ${sumMicros}`];
}

// ── the groups ───────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Holds all cases at their steps, then strikes all of them at once. On a busy machine the first may have given up
 * before the last has come. Such cases met their own timeout and not the fault, so they are played again.
 */
const together =
  (strike: (site: Site, goOn: () => void) => Promise<void>, rounds = ROUNDS): Play =>
  async (site, cases, done, struck) => {
    const runs = await Promise.all(cases.map((what) => Run.of(site, what)));
    await Promise.all(runs.map((run) => run.toStep()));
    const tooLate = rounds > 1 ? runs.filter((run) => run.isTooLate) : [];
    for (const run of runs) run.struck();
    await strike(site, () => {
      for (const run of runs) run.goOn();
    });
    if (tooLate.length === 0) struck();
    const again = tooLate.map(({ what }) => what);
    await Promise.all(runs.filter((run) => !tooLate.includes(run)).map(done));
    if (again.length > 0) await together(strike, rounds - 1)(site, again, done, struck);
  };

/**
 * The stand-ins go on to process requests of the killed worker, because providers do not know that nobody waits for the
 * answer.
 */
async function killWorker(site: Site, goOn: () => void): Promise<void> {
  await site.killWorker();
  goOn();
}

/** The answers come while the database is away. */
async function killPostgres({ postgres }: Site, goOn: () => void): Promise<void> {
  await postgres.kill();
  goOn();
  await sleep(DOWN_FOR_MS);
  await postgres.restart();
}

const eachAlone: Play = async (site, cases, done) => {
  // The longest first: a timeout is waited for, and only the poll finds a payment without a webhook.
  const waiting = [...cases].sort((a, b) => longest(b.fault) - longest(a.fault));
  const next = async (): Promise<void> => {
    for (let what = waiting.shift(); what; what = waiting.shift()) {
      const run = await Run.of(site, what);
      await run.toStep();
      await run.strike();
      await done(run);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
};

/** By the length of their waits at the end: half a minute for a killed worker's charge, a whole one for its mail. */
const GROUPS: { strikes: (fault: Fault) => boolean; play: Play }[] = [
  { strikes: (fault) => fault === 'killed', play: together(killWorker) },
  { strikes: (fault) => fault === 'postgres', play: together(killPostgres) },
  { strikes: (fault) => fault !== 'killed' && fault !== 'postgres', play: eachAlone },
];

const longest = (fault: Fault): number => (fault === 'timeout' ? 2 : isWebhookFault(fault) ? 1 : 0);
