/**
 * A fact and the wake that follows it are two steps, and a process can die between them. What was recorded and not told
 * stands in the rows, so whoever starts has those watches look again; a wake too many changes nothing.
 */
import type { Log, Tell } from '../activities/world.ts';
import type { Db } from '../prisma/client.ts';
import { teamsWithUntold } from '../prisma/untold.ts';

/** Wakes the watch of every team of which something is not told yet. Never fails: it is help, and work goes on without. */
export async function tellUntold(db: Db, tell: Pick<Tell, 'watch'>, log: Log): Promise<void> {
  try {
    const teamIds = await teamsWithUntold(db);
    for (const teamId of teamIds) await tell.watch(teamId);
    if (teamIds.length > 0) log.info({ teams: teamIds.length }, 'watches were woken for what was not told yet');
  } catch (error) {
    log.warn({ err: error }, 'not every watch could be woken for what was not told yet');
  }
}
