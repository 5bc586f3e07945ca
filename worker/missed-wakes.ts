/**
 * Wakes watches at the start of a worker, for facts that were recorded and not announced. The sweeper delivers due
 * looks. This also finds announcements without a due look, such as those of a terminated watch. A superfluous wake
 * changes nothing.
 */
import type { Log, WorkflowWakes } from '../activities/world.ts';
import type { Db } from '../prisma/client.ts';
import { teamsWithMissedWakes } from '../prisma/unannounced.ts';

/**
 * Wakes the watch of every team with something to announce. Logs a failure and never throws, because the worker can run
 * without these wakes.
 */
export async function resendMissedWakes(db: Db, wake: Pick<WorkflowWakes, 'watch'>, log: Log): Promise<void> {
  try {
    const teamIds = await teamsWithMissedWakes(db);
    for (const teamId of teamIds) await wake.watch(teamId);
    if (teamIds.length > 0) log.info({ teams: teamIds.length }, 'watches were woken for unannounced facts');
  } catch (error) {
    log.warn({ err: error }, 'the watches of unannounced facts could not all be woken');
  }
}
