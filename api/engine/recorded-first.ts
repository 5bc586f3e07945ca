/**
 * Calls that record a fact and start its workflow after the commit: starts of instances, reservations, deposits and
 * refunds. The row marks the workflow as due, so the sweeper of the worker starts each workflow that the call does not
 * start (prisma/due-work.ts).
 */
import { BillingError } from '../../billing/errors.ts';
import type { Tx } from '../../prisma/client.ts';
import { paymentsWait } from '../../prisma/due-work.ts';
import type { Call } from '../http/calls.ts';
import type { ApiWorld } from '../world.ts';
import { engineUnavailable } from './engine.ts';

/**
 * Refuses a call while Temporal does not answer, before anything is recorded.
 * @throws BillingError `engine_unavailable`
 */
export async function mustBeReachable({ engine }: ApiWorld): Promise<void> {
  if (!(await engine.reachable())) throw engineUnavailable();
}

/** New instances or payments of a team are refused while an earlier one waits longer than this for its workflow. */
const WAITS_AT_MOST_SECONDS = 10;

/** True if an object of the team, recorded at the given second or earlier, still waits for its workflow. */
type Waits = (tx: Tx, teamId: string, throughSecond: number) => Promise<boolean>;

/**
 * Refuses a call whose workflow would not run soon, before anything is recorded.
 * @param what the kind of calls that wait, in the words of the refusal
 * @throws BillingError `engine_unavailable` where Temporal does not answer, or earlier calls of the team still wait for
 *   Temporal
 */
export async function mustBeServedSoon(
  world: ApiWorld,
  call: Call,
  teamId: string,
  what: 'starts' | 'payments',
  waits: Waits,
): Promise<void> {
  const [isWaiting] = await Promise.all([
    waits(world.db, teamId, call.receivedSecond - WAITS_AT_MOST_SECONDS),
    mustBeReachable(world),
  ]);
  if (isWaiting)
    throw new BillingError(
      'engine_unavailable',
      `earlier ${what} of this team are still waiting for the engine; nothing was recorded`,
    );
}

/** Refuses a payment whose workflow would not run soon. @throws BillingError `engine_unavailable` */
export const mustBePaidSoon = (world: ApiWorld, call: Call, teamId: string): Promise<void> =>
  mustBeServedSoon(world, call, teamId, 'payments', paymentsWait);

/**
 * Starts the workflow of a recorded fact. A failure does not fail the call, because the sweeper starts the workflow.
 */
export async function giveToWorkflow(call: Call, about: object, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    call.log.warn({ ...about, err: error }, 'a workflow was not started at once; the sweeper starts it');
  }
}
