/**
 * Calls whose fact is recorded first and whose workflow is started after the commit: starts of instances and reservations.
 * The row says that its workflow is due, so the sweeper of the worker starts what is not started here (prisma/due-work.ts).
 */

import type { Call } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import type { ApiWorld } from './world.ts';

/**
 * Refuses a call while Temporal does not answer, before anything is recorded.
 * @throws BillingError `engine_unavailable`
 */
export async function mustBeReachable({ engine }: ApiWorld): Promise<void> {
  if (!(await engine.reachable())) throw engineUnavailable();
}

/** Starts the workflow of what is recorded. A failure is no failure of the call: the sweeper starts the workflow. */
export async function giveToWorkflow(call: Call, about: object, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    call.log.warn({ ...about, err: error }, 'a workflow was not started at once; the sweeper starts it');
  }
}
