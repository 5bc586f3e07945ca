/**
 * Runs the cases. What strikes a whole process strikes all cases of its group at their steps at once, on a site of their
 * own; the other faults strike one case each, many at a time on one site. All in real time, with the product's own
 * timeouts and retries: a killed worker's charge waits its half minute, and everything else goes on meanwhile.
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

/** Told of each case when it has come to rest, and once more if a last look at the end finds otherwise. */
export type OnOutcome = (outcome: Outcome) => void;

const AT_A_TIME = 40;
/** For what should not happen to happen: a charge too many, a mail too many. */
const LAST_LOOK_AFTER_MS = 2_000;
const DOWN_FOR_MS = 1_000;

export async function runMatrix(cases: readonly Case[], onOutcome: OnOutcome = () => {}): Promise<Outcome[]> {
  const group = (is: (fault: Fault) => boolean) => cases.filter(({ fault }) => is(fault));
  const outcomes = await Promise.all([
    onSite(
      group((fault) => fault === 'killed'),
      onOutcome,
      (site, of, done) => together(site, of, done, killWorker),
    ),
    onSite(
      group((fault) => fault === 'postgres'),
      onOutcome,
      (site, of, done) => together(site, of, done, killPostgres),
    ),
    onSite(
      group((fault) => fault !== 'killed' && fault !== 'postgres'),
      onOutcome,
      eachAlone,
    ),
  ]);
  return outcomes.flat();
}

type Done = (run: Run) => Promise<void>;

async function onSite(
  cases: readonly Case[],
  onOutcome: OnOutcome,
  play: (site: Site, cases: readonly Case[], done: Done) => Promise<void>,
): Promise<Outcome[]> {
  if (cases.length === 0) return [];
  const site = await Site.start();
  const runs: Run[] = [];
  const look = async (run: Run): Promise<Outcome> => {
    site.books.again();
    return { what: run.what, differences: await run.differences() };
  };
  try {
    await play(site, cases, async (run) => {
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

/** What cannot be laid to one case. */
async function differencesOfAll(site: Site): Promise<string[]> {
  const { balanced, sumMicros } = await trialBalance(site.db);
  return balanced ? [] : [`the ledger does not balance: all accounts sum to ${sumMicros}`];
}

// ── the groups ───────────────────────────────────────────────────────────────────────────────────────────────────

/** All cases come to their steps and are held there; then it strikes all of them at once. */
async function together(
  site: Site,
  cases: readonly Case[],
  done: Done,
  strike: (site: Site, goOn: () => void) => Promise<void>,
): Promise<void> {
  const runs = await Promise.all(cases.map((what) => Run.begin(site, what)));
  await Promise.all(runs.map((run) => run.atStep()));
  for (const run of runs) run.checkIsHeld();
  await strike(site, () => {
    for (const run of runs) run.goOn();
  });
  await Promise.all(runs.map(done));
}

/** What was asked by the dead is processed by the living: the providers do not know that nobody waits for the answer. */
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

async function eachAlone(site: Site, cases: readonly Case[], done: Done): Promise<void> {
  // The longest first: a timeout is waited for, and a payment of which no webhook tells is found by the poll.
  const waiting = [...cases].sort((a, b) => longest(b.fault) - longest(a.fault));
  const next = async (): Promise<void> => {
    for (let what = waiting.shift(); what; what = waiting.shift()) {
      const run = await Run.begin(site, what);
      await run.atStep();
      await run.strike();
      await done(run);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
}

const longest = (fault: Fault): number => (fault === 'timeout' ? 2 : isWebhookFault(fault) ? 1 : 0);
