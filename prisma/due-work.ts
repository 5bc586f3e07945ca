/**
 * Facts that are recorded and not yet seen by a workflow. A fact marks its rows in its own transaction, and the
 * workflow that has to act on the fact clears the mark in the transaction of its look. No wake is lost by a process
 * that dies between a commit and a call to the engine, because the sweeper delivers marked rows again
 * (worker/sweeper.ts).
 *
 * `accounts.look_due_second`: the team's balance watch has to look. `accounts.planned_look_second`: the watch looks by itself
 * at this second, and has to look if it has not. `instances.workflow_due_second`: the instance's
 * workflow has to be started, or to see the end. `reservations.workflow_due_second`: the reservation's workflow has to
 * be started, or to see a change of the renewal. `refunds.workflow_due_second`, `deposits.workflow_due_second`: the
 * workflow of the payment has to be started.
 */
import type { Micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond } from './columns.ts';
import type { DepositKind } from './deposits.ts';
import { Prisma } from './generated/client.ts';
import { findInstances, type Instance } from './instances.ts';
import { findReservations, type Reservation, type TermOfReservation, termsOf } from './reservations.ts';

/** A place in a list of due work, after which the next page begins. */
export interface DueAfter {
  second: number;
  id: string;
}
export const FROM_THE_FIRST: DueAfter = { second: -1, id: '' };

export interface DueLook {
  teamId: string;
  dueSecond: number;
}

/** Teams whose watch has not looked at a fact of `throughSecond` or earlier, the oldest first. */
export async function dueLooks(tx: Tx, throughSecond: number, after: DueAfter, limit: number): Promise<DueLook[]> {
  const rows = await tx.$queryRaw<Array<{ teamId: string; dueSecond: bigint }>>`
    SELECT team_id AS "teamId", look_due_second AS "dueSecond" FROM accounts
    WHERE look_due_second <= ${throughSecond} AND (look_due_second, team_id) > (${after.second}, ${after.id})
    ORDER BY look_due_second, team_id LIMIT ${limit}`;
  return rows.map(({ teamId, dueSecond }) => ({ teamId, dueSecond: toSecond(dueSecond) }));
}

/** Teams whose watch has not looked though its timer was to fire at `throughSecond` or earlier, the oldest first. */
export async function overdueLooks(tx: Tx, throughSecond: number, after: DueAfter, limit: number): Promise<DueLook[]> {
  const rows = await tx.$queryRaw<Array<{ teamId: string; dueSecond: bigint }>>`
    SELECT team_id AS "teamId", planned_look_second AS "dueSecond" FROM accounts
    WHERE planned_look_second <= ${throughSecond} AND (planned_look_second, team_id) > (${after.second}, ${after.id})
    ORDER BY planned_look_second, team_id LIMIT ${limit}`;
  return rows.map(({ teamId, dueSecond }) => ({ teamId, dueSecond: toSecond(dueSecond) }));
}

/**
 * Teams with news of `throughSecond` or earlier that the watch has not passed on: ended instances, mails and events, and charges
 * in flight. The oldest first.
 */
export async function waitingNews(tx: Tx, throughSecond: number, after: DueAfter, limit: number): Promise<DueLook[]> {
  const rows = await tx.$queryRaw<Array<{ teamId: string; dueSecond: bigint }>>`
    SELECT team_id AS "teamId", min(second) AS "dueSecond" FROM (
      SELECT team_id, second FROM exhaustions WHERE NOT announced
      UNION ALL SELECT team_id, second FROM team_stops WHERE NOT announced
      UNION ALL SELECT team_id, second FROM notices WHERE NOT handed_on
      UNION ALL SELECT team_id, attempt_opened_second FROM accounts
        WHERE attempt_deposit_id IS NOT NULL AND attempt_opened_second <= ${throughSecond}
    ) AS news
    WHERE second <= ${throughSecond} GROUP BY team_id HAVING (min(second), team_id) > (${after.second}, ${after.id})
    ORDER BY min(second), team_id LIMIT ${limit}`;
  return rows.map(({ teamId, dueSecond }) => ({ teamId, dueSecond: toSecond(dueSecond) }));
}

/** Marks that the team's watch has to look at a change that is no fact about the team's money. */
export const lookIsDue = async (tx: Tx, teamId: string, second: number): Promise<void> => {
  await tx.$executeRaw`
    UPDATE accounts SET look_due_second = COALESCE(look_due_second, GREATEST(as_of_second, ${second}))
    WHERE team_id = ${teamId}`;
};

export interface DueInstance {
  instance: Instance;
  /** The rate of the first segment. */
  rateMicrosPerHour: Micros;
  dueSecond: number;
}

/** Instances whose workflow has not seen a start or an end of `throughSecond` or earlier, the oldest first. */
export async function dueInstances(
  tx: Tx,
  throughSecond: number,
  after: DueAfter,
  limit: number,
): Promise<DueInstance[]> {
  const rows = await tx.$queryRaw<Array<{ id: string; dueSecond: bigint; rate: bigint }>>`
    SELECT instances.id, workflow_due_second AS "dueSecond", rate_micros_per_hour AS rate
    FROM instances JOIN segments ON segments.instance_id = instances.id AND segment = 1
    WHERE workflow_due_second <= ${throughSecond} AND (workflow_due_second, instances.id) > (${after.second}, ${after.id})
    ORDER BY workflow_due_second, instances.id LIMIT ${limit}`;
  const instances = await findInstances(
    tx,
    rows.map(({ id }) => id),
  );
  const byId = new Map(instances.map((instance) => [instance.id, instance]));
  return rows.flatMap(({ id, dueSecond, rate }) => {
    const instance = byId.get(id);
    return instance ? [{ instance, rateMicrosPerHour: toMicros(rate), dueSecond: toSecond(dueSecond) }] : [];
  });
}

/** True if an instance of the team started at `throughSecond` or earlier runs without its workflow. */
export async function runsUnwatched(tx: Tx, teamId: string, throughSecond: number): Promise<boolean> {
  const [row] = await tx.$queryRaw<Array<{ unwatched: boolean }>>`
    SELECT EXISTS (
      SELECT FROM instances
      WHERE team_id = ${teamId} AND workflow_due_second <= ${throughSecond} AND end_second IS NULL
    ) AS unwatched`;
  return row?.unwatched ?? false;
}

export interface DueReservation {
  reservation: Reservation;
  firstTerm: TermOfReservation;
  dueSecond: number;
}

/** Reservations whose workflow has not seen the beginning or a change of `throughSecond` or earlier, the oldest first. */
export async function dueReservations(
  tx: Tx,
  throughSecond: number,
  after: DueAfter,
  limit: number,
): Promise<DueReservation[]> {
  const rows = await tx.$queryRaw<Array<{ id: string; dueSecond: bigint }>>`
    SELECT id, workflow_due_second AS "dueSecond" FROM reservations
    WHERE workflow_due_second <= ${throughSecond} AND (workflow_due_second, id) > (${after.second}, ${after.id})
    ORDER BY workflow_due_second, id LIMIT ${limit}`;
  const ids = rows.map(({ id }) => id);
  const reservations = await findReservations(tx, ids);
  const terms = ids.length === 0 ? [] : await termsOf(tx, ids);
  return rows.flatMap(({ id, dueSecond }) => {
    const reservation = reservations.find((each) => each.id === id);
    const firstTerm = terms.find((term) => term.reservationId === id);
    return reservation && firstTerm ? [{ reservation, firstTerm, dueSecond: toSecond(dueSecond) }] : [];
  });
}

/** Marks that the reservation's workflow has to see a change of this second. */
export const reservationIsDue = async (tx: Tx, reservationId: string, second: number): Promise<void> => {
  await tx.$executeRaw`
    UPDATE reservations SET workflow_due_second = COALESCE(workflow_due_second, ${second}) WHERE id = ${reservationId}`;
};

export interface DueRefund {
  refundId: string;
  teamId: string;
  depositId: string;
  dueSecond: number;
}

/** Refunds of `throughSecond` or earlier, not yet seen by the workflow, oldest first. */
export async function dueRefunds(tx: Tx, throughSecond: number, after: DueAfter, limit: number): Promise<DueRefund[]> {
  const rows = await tx.$queryRaw<Array<Omit<DueRefund, 'dueSecond'> & { dueSecond: bigint }>>`
    SELECT id AS "refundId", team_id AS "teamId", deposit_id AS "depositId", workflow_due_second AS "dueSecond" FROM refunds
    WHERE workflow_due_second <= ${throughSecond} AND (workflow_due_second, id) > (${after.second}, ${after.id})
    ORDER BY workflow_due_second, id LIMIT ${limit}`;
  return rows.map((row) => ({ ...row, dueSecond: toSecond(row.dueSecond) }));
}

export interface DueDeposit {
  depositId: string;
  teamId: string;
  kind: DepositKind;
  dueSecond: number;
}

/** Deposits of `throughSecond` or earlier, not yet seen by the workflow, oldest first. */
export async function dueDeposits(
  tx: Tx,
  throughSecond: number,
  after: DueAfter,
  limit: number,
): Promise<DueDeposit[]> {
  const rows = await tx.$queryRaw<Array<Omit<DueDeposit, 'dueSecond'> & { dueSecond: bigint }>>`
    SELECT id AS "depositId", team_id AS "teamId", kind, workflow_due_second AS "dueSecond" FROM deposits
    WHERE workflow_due_second <= ${throughSecond} AND (workflow_due_second, id) > (${after.second}, ${after.id})
    ORDER BY workflow_due_second, id LIMIT ${limit}`;
  return rows.map((row) => ({ ...row, dueSecond: toSecond(row.dueSecond) }));
}

/** True if a payment of the team recorded at `throughSecond` or earlier still waits for its workflow. */
export async function paymentsWait(tx: Tx, teamId: string, throughSecond: number): Promise<boolean> {
  const [row] = await tx.$queryRaw<Array<{ waits: boolean }>>`
    SELECT EXISTS (
      SELECT FROM deposits WHERE team_id = ${teamId} AND workflow_due_second <= ${throughSecond}
    ) OR EXISTS (
      SELECT FROM refunds WHERE team_id = ${teamId} AND workflow_due_second <= ${throughSecond}
    ) AS waits`;
  return row?.waits ?? false;
}

/** Tables whose rows have a workflow each. A settlement marks its instance with its other writes: see instances.ts. */
const SEEN_BY_WORKFLOW = {
  reservations: Prisma.sql`reservations`,
  deposits: Prisma.sql`deposits`,
  refunds: Prisma.sql`refunds`,
};

/** The workflow of a row has seen the row. */
export const markSeenByWorkflow = async (tx: Tx, table: keyof typeof SEEN_BY_WORKFLOW, id: string): Promise<void> => {
  await tx.$executeRaw`
    UPDATE ${SEEN_BY_WORKFLOW[table]} SET workflow_due_second = NULL WHERE id = ${id} AND workflow_due_second IS NOT NULL`;
};
