/**
 * Sums of token usage over parts of a range: from the rows by quarter of an hour, and from single events where a part begins
 * or ends within a quarter.
 */
import type { TokenSum } from '../billing/usage-groups.ts';
import type { Tx } from './client.ts';
import { Prisma } from './generated/client.ts';

const QUARTER_SECONDS = 900;

interface SumRow {
  part: number;
  model: string | null;
  project: string | null;
  charge: string;
  input: string;
  output: string;
}

interface Asked {
  teamId: string;
  /** The first second of each part, in order, and the first second after the last part. */
  boundarySeconds: readonly number[];
  /** The dimensions that the sums are kept apart by. */
  by: { model: boolean; project: boolean };
}

/** The quarters of an hour that a boundary cuts, each by its first second. */
const cutQuarters = (boundarySeconds: readonly number[]): number[] => [
  ...new Set(
    boundarySeconds
      .filter((second) => second % QUARTER_SECONDS !== 0)
      .map((second) => second - (second % QUARTER_SECONDS)),
  ),
];

/** The amounts that a team's token events posted in each part of a range, by the second of their posting. */
export async function tokenSumsIn(tx: Tx, { teamId, boundarySeconds, by }: Asked): Promise<TokenSum[]> {
  const cut = cutQuarters(boundarySeconds);
  const columns = Prisma.raw(`${by.model ? 'model' : 'NULL'} AS model, ${by.project ? 'project' : 'NULL'} AS project`);
  const single = Prisma.sql`
    UNION ALL
    SELECT model, COALESCE(project, ''), charge_micros, input_tokens::numeric, output_tokens::numeric
    FROM usage_events JOIN unnest(${cut}::bigint[]) AS cut (quarter) ON second >= quarter AND second < quarter + ${QUARTER_SECONDS}
    WHERE team_id = ${teamId} AND second >= begins AND second < ends`;
  // Each part is one range of the primary key, so no row is compared with all boundaries.
  const rows = await tx.$queryRaw<SumRow[]>`
    SELECT part::int, of_part.* FROM unnest(${boundarySeconds.slice(0, -1)}::bigint[], ${boundarySeconds.slice(1)}::bigint[])
      WITH ORDINALITY AS parts (begins, ends, part)
    CROSS JOIN LATERAL (
      SELECT ${columns}, SUM(charge)::text AS charge, SUM(input)::text AS input, SUM(output)::text AS output
      FROM (
        SELECT model, project, charge_micros AS charge, input_tokens AS input, output_tokens AS output
        FROM token_quarters
        WHERE team_id = ${teamId} AND quarter_second >= begins AND quarter_second < ends
          AND quarter_second <> ALL (${cut}::bigint[])
        ${cut.length > 0 ? single : Prisma.empty}
      ) AS posted
      GROUP BY 1, 2
    ) AS of_part`;
  return rows.map(({ part, model, project, charge, input, output }) => ({
    part: part - 1,
    chargeMicros: BigInt(charge),
    inputTokens: BigInt(input),
    outputTokens: BigInt(output),
    values: { ...(model !== null && { model }), ...(project !== null && project !== '' && { project }) },
  }));
}
