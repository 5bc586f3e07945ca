/** The work of a scenario that is still to be done: charges in flight, due looks, announcements, mails and workflows. */
import { nextLook } from '../billing/looks.ts';
import { readAccounts } from '../prisma/accounts.ts';
import type { Db } from '../prisma/client.ts';
import type { ScenarioClock } from './clock.ts';
import { SCENARIO_SETTINGS } from './settings.ts';

/** The longest real time of work before the work counts as lost. */
const QUIET_WITHIN_MS = 30_000;
/** Short at first, then longer, because each look takes processor time from the awaited work. */
const LOOK_AGAIN_MS = 5;
const LOOK_AGAIN_AT_MOST_MS = 40;

/**
 * Waits, in real time, until the product has done all work that is due by now: no charge in flight, nothing due,
 * nothing unannounced, every mail sent. Fails when work remains for too long, because the work was lost.
 */
export async function untilQuiet(db: Db, clock: ScenarioClock, teamIds: string[]): Promise<void> {
  const deadline = Date.now() + QUIET_WITHIN_MS;
  let waitMs = LOOK_AGAIN_MS;
  for (;;) {
    const open = await openWork(db, clock, teamIds);
    if (open.length === 0) return;
    if (Date.now() > deadline) throw new Error(`still open after ${QUIET_WITHIN_MS} ms: ${open.join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    waitMs = Math.min(2 * waitMs, LOOK_AGAIN_AT_MOST_MS);
  }
}

/** A read for each table over all teams, because with many teams a scenario spends most of its time on looks. */
async function openWork(db: Db, clock: ScenarioClock, teamIds: string[]): Promise<string[]> {
  const [accounts, exhaustions, notices, unstarted] = await Promise.all([
    readAccounts(db, teamIds, { throughSecond: clock.now }),
    db.exhaustion.findMany({ where: { teamId: { in: teamIds }, announced: false } }),
    db.notice.findMany({ where: { teamId: { in: teamIds }, sentSecond: null } }),
    db.instance.findMany({
      where: { teamId: { in: teamIds }, workflowDueSecond: { not: null } },
      select: { id: true },
    }),
  ]);
  const ofAccounts = [...accounts.values()].flatMap((account) => {
    const next = nextLook(account, SCENARIO_SETTINGS);
    const due = next && next.second <= clock.now;
    return [
      ...(account.attempt ? [`the charge ${account.attempt.depositId}`] : []),
      ...(due ? [`${next.what} of ${account.teamId} at ${clock.offset(next.second)}`] : []),
    ];
  });
  return [
    ...ofAccounts,
    ...exhaustions.map(({ teamId }) => `an exhaustion of ${teamId}`),
    ...notices.map(({ id }) => `the notice ${id}`),
    ...unstarted.map(({ id }) => `the workflow of ${id}`),
  ];
}
