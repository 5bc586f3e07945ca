/**
 * The recorded spend of a budget's scope since the start of its period: for a budget that is new, since the account keeps the
 * spend of the others. Source: docs/rules.md#budgets.
 */
import { micros } from '../billing/money.ts';
import type { RecordedSpend } from '../billing/setting-alerts.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond } from './columns.ts';
import { Prisma } from './generated/client.ts';
import { tokenUsageMicros } from './usage-sums.ts';

export interface SpendScope {
  teamId: string;
  /** Null: the whole team, with its reservations. */
  project: string | null;
  /** The first second of the period. */
  fromSecond: number;
}

/**
 * Running meters are not included: the account has them.
 * @param standsAtSecond the second at which the team's money stands: tokens posted later are returned singly. Null: money
 *   does not stand
 */
export async function recordedSpend(tx: Tx, scope: SpendScope, standsAtSecond: number | null): Promise<RecordedSpend> {
  const { teamId, project, fromSecond } = scope;
  const later = standsAtSecond === null ? [] : await tokensAfter(tx, scope, standsAtSecond);
  const [row] = await tx.$queryRaw<Array<{ spent: string }>>`
    SELECT ((${segmentCosts(scope)}) + (${project === null ? termCosts(scope) : Prisma.sql`0`}))::text AS spent`;
  const tokens =
    project === null
      ? await tokenUsageMicros(tx, teamId, fromSecond, Number.MAX_SAFE_INTEGER)
      : await projectTokensMicros(tx, scope);
  const ofLater = later.reduce((sum, { micros }) => sum + BigInt(micros), 0n);
  const spentMicros = micros(BigInt(row?.spent ?? 0) + tokens - ofLater);
  return { spentMicros, later };
}

/** The cost of ended stretches from the start of the period on. Twin: `stretchMicros` of billing/budgets.ts. */
const costs = (endColumn: string, fromSecond: number): Prisma.Sql => {
  const end = Prisma.raw(endColumn);
  return Prisma.sql`COALESCE(SUM(
    div(rate_micros_per_hour::numeric * (${end} - started), 3600)
      - div(rate_micros_per_hour::numeric * (GREATEST(started, ${fromSecond}::bigint) - started), 3600)
  ), 0)`;
};

const segmentCosts = ({ teamId, project, fromSecond }: SpendScope): Prisma.Sql => Prisma.sql`
  SELECT ${costs('ended', fromSecond)} FROM (
    SELECT segments.rate_micros_per_hour, segments.start_second AS started, segments.end_second AS ended
    FROM segments JOIN instances ON instances.id = segments.instance_id
    WHERE segments.team_id = ${teamId} AND segments.end_second > ${fromSecond}
      AND (${project}::text IS NULL OR instances.project = ${project}::text)
  ) AS ran`;

const termCosts = ({ teamId, fromSecond }: SpendScope): Prisma.Sql => Prisma.sql`
  SELECT ${costs('ended', fromSecond)} FROM (
    SELECT rate_micros_per_hour, start_second AS started, closed_second AS ended FROM reservation_terms
    WHERE team_id = ${teamId} AND closed_second > ${fromSecond}
  ) AS reserved`;

/** The tokens of a project, by the sums by quarter of an hour. @param scope `fromSecond`: 00:00 UTC, the first second of a quarter */
async function projectTokensMicros(tx: Tx, { teamId, project, fromSecond }: SpendScope): Promise<bigint> {
  const [row] = await tx.$queryRaw<Array<{ spent: string }>>`
    SELECT COALESCE(SUM(charge_micros), 0)::text AS spent FROM token_quarters
    WHERE team_id = ${teamId} AND quarter_second >= ${fromSecond} AND project = ${project}`;
  return BigInt(row?.spent ?? 0);
}

/** Tokens posted after the second at which money stands, soonest first. */
async function tokensAfter(
  tx: Tx,
  { teamId, project }: SpendScope,
  afterSecond: number,
): Promise<RecordedSpend['later']> {
  const rows = await tx.$queryRaw<Array<{ second: bigint; spent: bigint }>>`
    SELECT second, SUM(charge_micros)::bigint AS spent FROM usage_events
    WHERE team_id = ${teamId} AND second > ${afterSecond} AND (${project}::text IS NULL OR project = ${project}::text)
    GROUP BY second ORDER BY second`;
  return rows
    .filter(({ spent }) => spent > 0n)
    .map((row) => ({
      second: toSecond(row.second),
      micros: toMicros(row.spent),
    }));
}
