/** Holds: credit set aside for requests under way. */
import type { HoldExpiry } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import type { Micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { type InJson, toMicros, toSecond, toSecondOrNull } from './columns.ts';
import type { Hold as HoldRow } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

export type HoldStatus = 'pending' | 'settled' | 'voided' | 'expired';

export interface HoldOfTeam {
  holdId: string;
  teamId: string;
  model: string;
  project: string | null;
  maxInputTokens: number;
  maxOutputTokens: number;
  amountMicros: Micros;
  placedSecond: number;
  expiresSecond: number;
  status: HoldStatus;
  closedSecond: number | null;
  settledBy: string | null;
}

const toHold = ({ id, ...row }: HoldRow): HoldOfTeam => ({
  ...row,
  holdId: id,
  maxInputTokens: Number(row.maxInputTokens),
  maxOutputTokens: Number(row.maxOutputTokens),
  amountMicros: toMicros(row.amountMicros),
  placedSecond: toSecond(row.placedSecond),
  expiresSecond: toSecond(row.expiresSecond),
  status: row.status as HoldStatus,
  closedSecond: toSecondOrNull(row.closedSecond),
});

interface ExpiryRow {
  second: bigint;
  held: bigint;
}

const toExpiries = (rows: ReadonlyArray<InJson<ExpiryRow>>): HoldExpiry[] =>
  rows.filter(({ held }) => held > 0).map(({ second, held }) => ({ second: toSecond(second), micros: toMicros(held) }));

/** The held amounts of teams for requests under way, by second of release, soonest first. */
export async function holdExpiriesOf(tx: Tx, teamIds: string[]): Promise<Map<string, HoldExpiry[]>> {
  const rows = await tx.$queryRaw<Array<ExpiryRow & { team_id: string }>>`
    SELECT team_id, expires_second AS second, SUM(amount_micros)::bigint AS held FROM holds
    WHERE team_id = ANY(${teamIds}) AND status = 'pending' AND amount_micros > 0 GROUP BY team_id, expires_second ORDER BY expires_second`;
  return new Map(teamIds.map((teamId) => [teamId, toExpiries(rows.filter(({ team_id }) => team_id === teamId))]));
}

/** The held amounts of one team as a JSON value. @param teamId how the statement names the team */
export const holdExpiriesInJson = (teamId: string): string => `
  SELECT json_agg(row_to_json(expiry) ORDER BY second)
  FROM (SELECT expires_second AS second, SUM(amount_micros)::bigint AS held FROM holds
    WHERE team_id = ${teamId} AND status = 'pending' AND amount_micros > 0 GROUP BY expires_second) AS expiry`;

export const holdExpiriesFromJson = (value: unknown): HoldExpiry[] =>
  toExpiries((value ?? []) as Array<InJson<ExpiryRow>>);

export const insertHold = async (
  tx: Tx,
  { holdId, ...hold }: Omit<HoldOfTeam, 'status' | 'closedSecond' | 'settledBy'>,
): Promise<void> => {
  await tx.hold.create({ data: { ...hold, id: holdId, status: 'pending' } });
};

export async function findHold(tx: Tx, id: string): Promise<HoldOfTeam | null> {
  const row = await tx.hold.findUnique({ where: { id } });
  return row && toHold(row);
}

/** @throws BillingError `not_found` */
export async function getHold(tx: Tx, id: string): Promise<HoldOfTeam> {
  const hold = await findHold(tx, id);
  if (!hold) throw new BillingError('not_found', 'no such hold', 'hold');
  return hold;
}

/** The holds with the given ids that exist. */
export async function findHolds(tx: Tx, ids: string[]): Promise<HoldOfTeam[]> {
  if (ids.length === 0) return [];
  return (await tx.hold.findMany({ where: { id: { in: ids } } })).map(toHold);
}

export async function listHolds(tx: Tx, teamId: string, page: PageRequest): Promise<Page<HoldOfTeam>> {
  const { data, nextCursor } = await pageOf(page, 'placedSecond', (where, take) =>
    tx.hold.findMany({ where: { teamId, ...where }, orderBy: [{ placedSecond: 'desc' }, { id: 'desc' }], take }),
  );
  return { data: data.map(toHold), nextCursor };
}

/** Ends holds that are still pending. A hold ends once. */
export async function closeHolds(
  tx: Tx,
  closed: ReadonlyArray<{ holdId: string; settledBy?: string }>,
  status: 'settled' | 'voided',
  second: number,
): Promise<void> {
  if (closed.length === 0) return;
  await tx.$executeRaw`
    UPDATE holds SET status = ${status}, closed_second = ${second}, settled_by = closing.event
    FROM unnest(${closed.map(({ holdId }) => holdId)}::text[], ${closed.map(({ settledBy }) => settledBy ?? null)}::text[])
      AS closing (id, event)
    WHERE holds.id = closing.id AND holds.status = 'pending'`;
}

/** Ends the holds whose second has come, each at its own second. */
export const expireHolds = async (tx: Tx, teamId: string, throughSecond: number): Promise<void> => {
  await tx.$executeRaw`
    UPDATE holds SET status = 'expired', closed_second = expires_second
    WHERE team_id = ${teamId} AND status = 'pending' AND expires_second <= ${throughSecond}`;
};

/** Ends expired holds of zero, for which the account has no crossing. */
export const expireFreeHolds = async (tx: Tx, teamId: string, throughSecond: number): Promise<void> => {
  await tx.$executeRaw`
    UPDATE holds SET status = 'expired', closed_second = expires_second
    WHERE team_id = ${teamId} AND status = 'pending' AND expires_second <= ${throughSecond} AND amount_micros = 0`;
};
