/**
 * The time of sums of usage over a year of a team with 10,000 instances and 10 million token events, beside one bare
 * statement over the same rows. The goal is 300 ms.
 */
import pg from 'pg';
import { readUsageSums } from '../api/views/usage-sums.ts';
import type { GroupedBy } from '../billing/usage-groups.ts';
import type { Db } from '../prisma/client.ts';
import { createTeam } from '../prisma/teams.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../simulate/settings.ts';
import { onLedger } from './facts-under-load.ts';
import type { Measured } from './measured.ts';
import { type LoadOptions, scaled } from './options.ts';
import { quantile, rounded } from './product.ts';

const TEAM = 'a-year';
const INSTANCES = 10_000;
const EVENTS = 10_000_000;
/** The number of events that a statement inserts. */
const PIECE = 1_000_000;
const MODELS = 5;
const FROM = 1_767_225_600;
const YEAR_SECONDS = 365 * 86_400;
const READS = 15;
const WARM_UP = 3;
const GOAL_MS = 300;

const CASES: ReadonlyArray<{ by: GroupedBy[]; timeZone: string }> = [
  { by: ['day', 'gpuType'], timeZone: 'UTC' },
  { by: ['day', 'model'], timeZone: 'UTC' },
  { by: ['day', 'model'], timeZone: 'Asia/Kathmandu' },
  { by: ['day', 'model'], timeZone: 'Europe/Berlin' },
];

export async function usageSums(options: LoadOptions): Promise<Measured[]> {
  const [instances, events] = [scaled(INSTANCES, options), scaled(EVENTS, options)];
  return onLedger([], async ({ db, ownerUrl }) => {
    await createTeam(db, { id: TEAM, name: 'Bench', email: 'bench@teams.example' }, FROM);
    await fill(ownerUrl, instances, events);
    const measured: Measured[] = [];
    for (const each of CASES) {
      const { read, bare } = await measure(db, each);
      measured.push({
        bench: 'usage-sums',
        what: `a year by ${each.by.join(' and ')} in ${each.timeZone}, ${instances} instances, ${events} events, p50`,
        figure: rounded(quantile(read, 0.5)),
        unit: 'ms',
        lessIsBetter: true,
        reference: 'one bare statement that sums the same rows by UTC day, p50',
        referenceFigure: rounded(quantile(bare, 0.5)),
        counts: { goalMs: GOAL_MS },
      });
    }
    return measured;
  });
}

/** Instances that run two days each, and events at every second or so, over the year. */
async function fill(url: string, instances: number, events: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO instances (id, team_id, gpu_type, region, pricing, request_hash, start_second, end_second, reason)
       SELECT 'i-' || n, $1, (ARRAY['h100', 'a100', 'l40s', 'h200'])[1 + n % 4], 'eu', 'on_demand', 'bench', started, started + 172800, 'stopped'
       FROM generate_series(1, $2::bigint) AS n, LATERAL (SELECT $3 + n * 7919 * 13 % ($4::bigint - 172800) AS started) AS of`,
      [TEAM, instances, FROM, YEAR_SECONDS],
    );
    await client.query(
      `INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, start_second, end_second, posted_micros,
         list_micros_per_hour, given)
       SELECT id, 1, team_id, 2490001, start_second, end_second, 119520048, 2490001, true FROM instances`,
    );
    for (let from = 0; from < events; from += PIECE)
      await client.query(
        `INSERT INTO usage_events (team_id, event_id, model, project, input_tokens, output_tokens, cost, second, charge_micros, charged_with)
         SELECT $1, 'e-' || n, 'model-' || n % $2, NULL, 1000, 100, 1234567, $3 + n * $4 / $5, 1, 'e-' || n
         FROM generate_series($6::bigint, $7::bigint) AS n`,
        [TEAM, MODELS, FROM, YEAR_SECONDS, events, from, Math.min(from + PIECE, events) - 1],
      );
    await client.query('VACUUM ANALYZE');
  } finally {
    await client.end();
  }
}

const BARE = `
  SELECT quarter_second / 86400 AS day, model, SUM(charge_micros) FROM token_quarters WHERE team_id = '${TEAM}' GROUP BY 1, 2
  UNION ALL
  SELECT start_second / 86400, gpu_type, SUM(rate_micros_per_hour)
  FROM segments JOIN (SELECT id, gpu_type FROM instances) AS of ON id = instance_id
  WHERE team_id = '${TEAM}' GROUP BY 1, 2`;

async function measure(
  db: Db,
  { by, timeZone }: { by: readonly GroupedBy[]; timeZone: string },
): Promise<{ read: number[]; bare: number[] }> {
  const team = { teamId: TEAM, nowSecond: FROM + YEAR_SECONDS };
  const asked = { by, timeZone, fromSecond: FROM, toSecond: FROM + YEAR_SECONDS };
  const [read, bare]: [number[], number[]] = [[], []];
  // In turns, so both meet the same machine.
  for (let index = -WARM_UP; index < READS; index += 1) {
    const times: number[] = [];
    for (const act of [() => db.$queryRawUnsafe(BARE), () => readUsageSums(db, SETTINGS, team, asked)]) {
      const beganMs = performance.now();
      await act();
      times.push(performance.now() - beganMs);
    }
    if (index < 0) continue;
    bare.push(times[0] ?? 0);
    read.push(times[1] ?? 0);
  }
  return { read, bare };
}
