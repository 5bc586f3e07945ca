/**
 * The cost of a team's size: a start, a settlement, a stop, a usage event and a balance of teams with 1 to 10,000
 * running instances, through the ledger's own functions on an embedded Postgres. The goal is to serve the largest team
 * at no less than a third of the speed of the smallest.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBalance } from '../api/views/balance.ts';
import type { BillingSettings } from '../billing/account.ts';
import { micros } from '../billing/money.ts';
import { RUNTIME_ROLE, startPostgres } from '../embedded/postgres.ts';
import { createLedger, type Ledger } from '../ledger/index.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import { migrate } from '../prisma/migrate.ts';
import { createTeam } from '../prisma/teams.ts';
import { SCENARIO_SETTINGS } from '../simulate/settings.ts';
import type { Measured } from './measured.ts';
import { noteStatements } from './statements.ts';

const SIZES = [1, 100, 1_000, 10_000];
const WARM_UP_ROUNDS = 5;
const ROUNDS = 25;
const SECOND = 1_800_000_000;
/** Instances have started at any second of the last three days. */
const SPREAD_SECONDS = 3 * 86_400;
const CREDIT = micros(1_000_000_000_000_000);
const SETTINGS: BillingSettings = {
  ...SCENARIO_SETTINGS,
  volumeTiers: [{ spendMicros: micros(1_000_000_000_000_000), basisPoints: 200 }],
};
/** `given`: the platform names the rate. `listed`: the rate comes from the price list. */
const PRICES = ['given', 'listed'] as const;
type Price = (typeof PRICES)[number];
const LISTED = { gpuType: 'h100-80gb', region: 'eu-west-1', hourlyMicros: micros(2_490_000) };

interface Subject {
  teamId: string;
  price: Price;
  size: number;
}

export async function bigTeams(): Promise<Measured[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-bench-'));
  const postgres = await startPostgres({ dataDir });
  await postgres.createDatabase('bench');
  await migrate(postgres.databaseUrl('bench'), RUNTIME_ROLE);
  const owner = connectDb(postgres.databaseUrl('bench'));
  const db = connectDb(postgres.runtimeUrl('bench'));
  try {
    const ledger = createLedger({ db, settings: SETTINGS });
    const subjects: Subject[] = [];
    for (const price of PRICES)
      for (const size of SIZES) {
        const subject = { teamId: `${price}-${size}`, price, size };
        await fill(owner, ledger, subject);
        subjects.push(subject);
      }
    await owner.$executeRaw`VACUUM ANALYZE`;
    return report(subjects, await measure(db, ledger, subjects));
  } finally {
    await Promise.all([db.$disconnect(), owner.$disconnect()]);
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** A team with credit and running instances, at several rates. */
async function fill(owner: Db, ledger: Ledger, { teamId, price, size }: Subject): Promise<void> {
  await createTeam(owner, { id: teamId, name: 'Bench', email: 'bench@teams.example' }, SECOND);
  const grant = { teamId, grantId: `grant-${teamId}`, amountMicros: CREDIT, note: 'bench', nowSecond: SECOND };
  await ledger.grant(grant, 'bench');
  const given = price === 'given';
  await owner.$executeRaw`
    INSERT INTO instances (id, team_id, gpu_type, region, pricing, hourly_micros, request_hash, start_second)
    SELECT ${teamId} || '-' || n, ${teamId}, ${LISTED.gpuType}, ${LISTED.region}, 'on_demand',
      CASE WHEN ${given} THEN (1 + n % 5) * 590000 END, 'bench', ${SECOND}::bigint - (n * 7919) % ${SPREAD_SECONDS}::bigint
    FROM generate_series(1, ${size}::bigint) AS n`;
  await owner.$executeRaw`
    INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, start_second, posted_micros,
      list_micros_per_hour, given)
    SELECT id, 1, team_id, COALESCE(hourly_micros, ${LISTED.hourlyMicros}), start_second, 0,
      COALESCE(hourly_micros, ${LISTED.hourlyMicros}), ${given}
    FROM instances WHERE team_id = ${teamId}`;
}

type Act = (subject: Subject, nowSecond: number, round: number) => Promise<unknown>;

function actsOf(db: Db, ledger: Ledger): Record<string, Act> {
  const idOf = ({ teamId }: Subject, round: number) => `${teamId}-new-${round}`;
  return {
    start: (subject, receivedSecond, round) => {
      const { teamId, price } = subject;
      const spec = {
        id: idOf(subject, round),
        teamId,
        project: null,
        gpuType: LISTED.gpuType,
        region: LISTED.region,
        pricing: 'on_demand' as const,
        hourlyMicros: price === 'given' ? LISTED.hourlyMicros : null,
        shedOrder: null,
        resumedFrom: null,
        requestHash: 'bench',
      };
      return ledger.startInstance({ spec, receivedSecond }, 'bench');
    },
    settlement: (subject, nowSecond, round) =>
      ledger.settleInstance({ instanceId: idOf(subject, round), nowSecond }, 'bench'),
    usage: ({ teamId }, receivedSecond, round) => {
      const event = {
        eventId: `event-${round}`,
        teamId,
        model: 'llama-3.3-70b-instruct',
        project: null,
        inputTokens: 100_000,
        outputTokens: 100,
        atSecond: null,
        holdId: null,
      };
      return ledger.recordUsage({ events: [event], receivedSecond, causedBy: 'bench' });
    },
    balance: ({ teamId }, nowSecond) => readBalance(db, SETTINGS, teamId, nowSecond),
    stop: (subject, nowSecond, round) =>
      ledger.stopInstance(
        { instanceId: idOf(subject, round), reason: 'stopped', nowSecond, platformAsked: true },
        'bench',
      ),
  };
}

/** The time of an act. */
interface Took {
  ms: number;
  statements: number;
}

/** The time of each act with each subject. Subjects take turns, so all meet the same machine. */
async function measure(db: Db, ledger: Ledger, subjects: readonly Subject[]): Promise<Map<string, Took[]>> {
  const statements = noteStatements();
  const times = new Map<string, Took[]>();
  const acts = actsOf(db, ledger);
  let nowSecond = SECOND;
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1)
    for (const [name, act] of Object.entries(acts)) {
      nowSecond += 60;
      for (const subject of subjects) {
        statements.taken();
        const beganMs = performance.now();
        await act(subject, nowSecond, round);
        const took = { ms: performance.now() - beganMs, statements: statements.taken().length };
        const key = keyOf(name, subject);
        if (round >= WARM_UP_ROUNDS) times.set(key, [...(times.get(key) ?? []), took]);
      }
    }
  statements.stop();
  return times;
}

const keyOf = (act: string, { teamId }: Subject): string => `${act} ${teamId}`;

function report(subjects: readonly Subject[], times: ReadonlyMap<string, Took[]>): Measured[] {
  const quantile = (act: string, subject: Subject, share: number): number => {
    const sorted = (times.get(keyOf(act, subject)) ?? []).map(({ ms }) => ms).sort((a, b) => a - b);
    return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  };
  const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
  return ['start', 'settlement', 'usage', 'balance', 'stop'].flatMap((act) =>
    subjects.map((subject) => {
      const smallest = subjects.find(({ price, size }) => price === subject.price && size === 1) ?? subject;
      return {
        bench: 'load big-teams',
        what: `${act}, ${subject.size} running, ${subject.price} price`,
        figure: rounded(1_000 / quantile(act, subject, 0.5), 1),
        unit: 'acts/s',
        reference: `${act}, 1 running, ${subject.price} price`,
        referenceFigure: rounded(1_000 / quantile(act, smallest, 0.5), 1),
        ...(subject.size > 1 && { atLeast: 0.3333 }),
        counts: { statements: Math.max(...(times.get(keyOf(act, subject)) ?? []).map((took) => took.statements)) },
        msPerCall: { p50: rounded(quantile(act, subject, 0.5), 2), p90: rounded(quantile(act, subject, 0.9), 2) },
      };
    }),
  );
}
