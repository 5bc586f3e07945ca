/**
 * Calls whose fact is recorded first and whose workflow is started after the commit: starts of instances, reservations,
 * deposits and refunds.
 * The row says that its workflow is due, so the sweeper of the worker starts what is not started here (prisma/due-work.ts).
 */

import { BillingError } from '../billing/errors.ts';
import { paymentsWait } from '../prisma/due-work.ts';
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

/** A team whose earlier payments wait longer than this for their workflows makes no other. */
const WAITS_AT_MOST_SECONDS = 10;

/**
 * Refuses a payment whose workflow would not run soon, before anything is recorded.
 * @throws BillingError `engine_unavailable` where Temporal does not answer, or the team's earlier payments still wait for it
 */
export async function mustBePaidSoon(world: ApiWorld, call: Call, teamId: string): Promise<void> {
  const [waits] = await Promise.all([
    paymentsWait(world.db, teamId, call.receivedSecond - WAITS_AT_MOST_SECONDS),
    mustBeReachable(world),
  ]);
  if (waits)
    throw new BillingError(
      'engine_unavailable',
      'earlier payments of this team are still waiting for the engine; nothing was recorded',
    );
}

/** Starts the workflow of what is recorded. A failure is no failure of the call: the sweeper starts the workflow. */
export async function giveToWorkflow(call: Call, about: object, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    call.log.warn({ ...about, err: error }, 'a workflow was not started at once; the sweeper starts it');
  }
}
