/**
 * Calls whose fact is recorded first and whose workflow is started after the commit: starts of instances, reservations,
 * deposits and refunds.
 * The row says that its workflow is due, so the sweeper of the worker starts what is not started here (prisma/due-work.ts).
 */
import { BillingError } from '../billing/errors.ts';
import type { Tx } from '../prisma/client.ts';
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

/** Instances and payments of a team that wait longer than this for their workflows let no other of their kind in. */
const WAITS_AT_MOST_SECONDS = 10;

/** Whether something of the team that was recorded at a second or earlier still waits for its workflow. */
type Waits = (tx: Tx, teamId: string, throughSecond: number) => Promise<boolean>;

/**
 * Refuses a call whose workflow would not run soon, before anything is recorded.
 * @param what the kind of calls that wait, as the refusal names them
 * @throws BillingError `engine_unavailable` where Temporal does not answer, or earlier calls of the team still wait for it
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

/** Starts the workflow of what is recorded. A failure is no failure of the call: the sweeper starts the workflow. */
export async function giveToWorkflow(call: Call, about: object, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    call.log.warn({ ...about, err: error }, 'a workflow was not started at once; the sweeper starts it');
  }
}
