/**
 * Wakes watches when a worker starts, for what was recorded and not announced yet. The sweeper delivers the looks that are
 * due; this also finds announcements that no due look stands for, such as those of a terminated watch. A wake too many
 * changes nothing.
 */
import type { Log, Tell } from '../activities/world.ts';
import type { Db } from '../prisma/client.ts';
import { teamsWithUntold } from '../prisma/untold.ts';

/** Wakes the watch of every team with something to announce. Logs a failure and never throws: the worker runs without it. */
export async function tellUntold(db: Db, tell: Pick<Tell, 'watch'>, log: Log): Promise<void> {
  try {
    const teamIds = await teamsWithUntold(db);
    for (const teamId of teamIds) await tell.watch(teamId);
    if (teamIds.length > 0) log.info({ teams: teamIds.length }, 'watches were woken for what was not told yet');
  } catch (error) {
    log.warn({ err: error }, 'not every watch could be woken for what was not told yet');
  }
}
