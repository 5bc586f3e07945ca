/**
 * The time of a balance read, beside `SELECT 1` through the same pool: for teams with few and with many running
 * instances, in an empty table of transfers and in a large one.
 */
import pg from 'pg';
import { readBalance } from '../api/views/balance.ts';
import { applyFact } from '../billing/clock.ts';
import { openMeters } from '../billing/instances.ts';
import { micros } from '../billing/money.ts';
import { createLedger } from '../ledger/index.ts';
import type { Db } from '../prisma/client.ts';
import { recordFact } from '../prisma/record.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../simulate/settings.ts';
import { onLedger, SECOND } from './facts-under-load.ts';
import type { Measured } from './measured.ts';
import { type LoadOptions, scaled } from './options.ts';
import { names, quantile, rounded } from './product.ts';

const INSTANCES = [1, 100, 1_000, 10_000];
const READS = 500;
const WARM_UP = 20;
/** The number of instances that a fact opens. */
const PIECE = 1_000;
/** The number of rows that a statement inserts. */
const ROWS = 1_000_000;
const DAY = 86_400;

export async function balance(options: LoadOptions): Promise<Measured[]> {
  const sizes = [...new Set(INSTANCES.map((count) => scaled(count, options)))];
  const teamOf = (size: number) => `team-of-${size}`;
  return onLedger(sizes.map(teamOf), async ({ db, ownerUrl }) => {
    const ledger = createLedger({ db, settings: SETTINGS });
    for (const size of sizes) {
      const teamId = teamOf(size);
      const grant = { teamId, grantId: teamId, amountMicros: micros(1_000_000_000_000), note: 'bench' };
      await ledger.grant({ ...grant, nowSecond: SECOND }, 'bench');
      for (let from = 0; from < size; from += PIECE)
        await openInstances(db, teamId, names(`${teamId}-${from}`, Math.min(PIECE, size - from)));
    }
    const figures: Measured[] = [];
    const measureAll = async (transfers: number) => {
      for (const size of sizes)
        figures.push(
          ...(await besideSelect1(db, { teamId: teamOf(size), size, transfers, reads: scaled(READS, options, 20) })),
        );
    };
    await measureAll(0);
    await addTransfers(ownerUrl, sizes.map(teamOf), options.transfers);
    await measureAll(options.transfers);
    return figures;
  });
}

/** Records the starts of instances in a single fact, by the writes of the product. */
const openInstances = (db: Db, teamId: string, ids: readonly string[]): Promise<void> =>
  recordFact<void>(db, { teamId, causedBy: 'bench', throughSecond: SECOND }, async (account, tx) => {
    const orders = ids.map((instanceId, index) => ({
      ...{ instanceId, pricing: 'on_demand' as const, gpuType: 'h100', region: 'eu', given: true, shedOrder: null },
      listMicrosPerHour: micros(10_000 + index),
    }));
    const outcome = applyFact(account, SETTINGS, SECOND, (change) => {
      openMeters(change, orders);
    });
    const spec = { teamId, gpuType: 'h100', region: 'eu', pricing: 'on_demand', requestHash: 'bench' };
    await tx.instance.createMany({ data: ids.map((id) => ({ ...spec, id, startSecond: SECOND })) });
    return { outcome, answer: async () => {} };
  });

/** Adds settlements of the days before, of the teams in turn. */
async function addTransfers(url: string, teams: readonly string[], count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (let from = 0; from < count; from += ROWS)
      await client.query(
        `INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
         SELECT uuidv7(), team, 'team/' || team || '/credit', 'platform/revenue', 1, 'instance_usage', 'filled/' || n,
           $3 - n % ${60 * DAY}, 'bench'
         FROM generate_series($1::bigint, $2::bigint) AS n, LATERAL (SELECT ($4::text[])[1 + n % $5] AS team) AS of`,
        [from + 1, Math.min(from + ROWS, count), SECOND, teams, teams.length],
      );
    await client.query('VACUUM ANALYZE transfers');
  } finally {
    await client.end();
  }
}

interface Case {
  teamId: string;
  size: number;
  transfers: number;
  reads: number;
}

async function besideSelect1(db: Db, { teamId, size, transfers, reads }: Case): Promise<Measured[]> {
  const timeOf = async (act: () => Promise<unknown>): Promise<number> => {
    const beganMs = performance.now();
    await act();
    return performance.now() - beganMs;
  };
  const select: number[] = [];
  const read: number[] = [];
  // In turns, so both meet the same machine.
  for (let index = -WARM_UP; index < reads; index += 1) {
    const selectMs = await timeOf(() => db.$queryRaw`SELECT 1`);
    const readMs = await timeOf(() => readBalance(db, SETTINGS, teamId, SECOND + 60));
    if (index < 0) continue;
    select.push(selectMs);
    read.push(readMs);
  }
  return [0.5, 0.99].map((share) => ({
    bench: 'load balance',
    what: `balance, ${size} running instances, ${transfers} transfers, p${share * 100}`,
    figure: rounded(quantile(read, share)),
    unit: 'ms',
    lessIsBetter: true,
    reference: `SELECT 1 through the same pool, p${share * 100}`,
    referenceFigure: rounded(quantile(select, share)),
    atLeast: 0.25,
  }));
}
