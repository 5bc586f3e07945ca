/**
 * Counts the statements that each act sends, with the beginning and the end of its transaction: each statement is a
 * round trip.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { balanceBySums, readBalance } from '../../api/views/balance.ts';
import { noteStatements, type Statements } from '../../bench/statements.ts';
import { micros } from '../../billing/money.ts';
import { recordFact } from '../../prisma/record.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { addRunning } from '../support/running-instances.ts';
import { useOffice } from '../support/use-office.ts';
import { Desk, type Office, SETTINGS } from './desk.ts';

const TIERED = { ...SETTINGS, volumeTiers: [{ spendMicros: micros(1_000_000_000_000), basisPoints: 200 }] };

let office: Office;
let desk: Desk;
let statements: Statements;
useOffice(async (opened) => {
  office = opened;
  desk = new Desk(office.one.db, TIERED);
  await desk.list('listed', '2', 0);
  statements = noteStatements();
});
afterAll(() => {
  statements.stop();
});

let teams = 0;
/** A team with credit and something that runs beside what is counted. */
async function newTeam(deposit = '1000'): Promise<string> {
  teams += 1;
  const team = await desk.team(`team-${teams}`, deposit, 1);
  await desk.start({ teamId: team, id: `${team}-other`, hourly: '3.6', at: 1 });
  await desk.look(team, 2);
  return team;
}

async function sentBy(act: () => Promise<unknown>): Promise<string[]> {
  statements.taken();
  await act();
  return statements.taken();
}
const countOf = async (act: () => Promise<unknown>): Promise<number> => (await sentBy(act)).length;

const start = (team: string, id: string, at: number, hourly: number | null = 3_600_000) => {
  const spec = { id, teamId: team, project: null, gpuType: 'listed', region: 'eu', pricing: 'on_demand' as const };
  const hourlyMicros = hourly === null ? null : micros(hourly);
  const rest = { hourlyMicros, shedOrder: null, resumedFrom: null, requestHash: 'hash' };
  return desk.ledger.startInstance({ spec: { ...spec, ...rest }, receivedSecond: at }, 'test');
};

interface ActCost {
  statements: number;
  rows: number;
  /** The answer without its numbers. A workflow sees the team only by such answers. */
  form: string;
}

/** The costs of each act of a team, beside so many running instances. */
async function costsOf(running: number): Promise<Record<string, ActCost>> {
  const team = await desk.team(`running-${running}`, '400', 1);
  // The same rate in all, so that the next crossing is of the same kind.
  const hourlyMicros = running === 1 ? [60_000_000] : [10_000, 20_000, 30_000];
  const spread = { hourlyMicros, startSecond: 3_600, spreadSeconds: 3_600 };
  await addRunning(desk.db, { teamId: team, count: running, ...spread });
  await desk.look(team, 3_601);
  const costOf = async (act: () => Promise<unknown>): Promise<ActCost> => {
    let answer: unknown;
    statements.rowsTaken();
    const sent = await countOf(async () => {
      answer = await act();
    });
    return {
      statements: sent,
      rows: statements.rowsTaken(),
      form: JSON.stringify(answer ?? null).replace(/\d+/g, '0'),
    };
  };
  const id = `${team}-new`;
  const policy = { threshold: '450', amount: '50' };
  return {
    balance: await costOf(() => readBalance(desk.db, TIERED, team, 3_602)),
    start: await costOf(() => start(team, id, 3_603)),
    'start at the list price': await costOf(() => start(team, `${id}-listed`, 3_604, null)),
    settlement: await costOf(() => desk.settle(id, 3_605)),
    usage: await costOf(() => desk.use(team, 'e1', 1_000, 3_606)),
    hold: await costOf(() => desk.hold(team, `${id}-h`, 'llama-3.3-70b-instruct', 1_000, 3_607)),
    look: await costOf(() => desk.look(team, 3_608)),
    grant: await costOf(() => desk.grant(team, `${id}-g`, '5', 3_609)),
    policy: await costOf(() => desk.policy(team, policy, 3_610)),
    stop: await costOf(() => desk.stop(id, 3_611)),
    'settlement after the stop': await costOf(() => desk.settle(id, 3_612)),
    'look after the stop': await costOf(() => desk.look(team, 3_613)),
  };
}

describe('the statements of an act', () => {
  it('are of a constant number through the life of an instance', async () => {
    const team = await newTeam();
    const id = `${team}-a`;
    const counts = {
      start: await countOf(() => start(team, id, 10)),
      'start again': await countOf(() => start(team, id, 10)),
      'look after the start': await countOf(() => desk.look(team, 10)),
      'first settlement': await countOf(() => desk.settle(id, 10)),
      settlement: await countOf(() => desk.settle(id, 3_610)),
      'settlement in the same second': await countOf(() => desk.settle(id, 3_610)),
      reprice: await countOf(() => desk.reprice(id, '7.2', 3_620)),
      stop: await countOf(() => desk.stop(id, 3_700)),
      'look after the stop': await countOf(() => desk.look(team, 3_700)),
      'settlement after the stop': await countOf(() => desk.settle(id, 3_701)),
      'stop again': await countOf(() => desk.stop(id, 3_702)),
      confirmation: await countOf(() => desk.ledger.confirmTerminated({ instanceId: id, nowSecond: 3_703 })),
    };
    expect(counts).toEqual({
      start: 4,
      'start again': 4,
      'look after the start': 4,
      'first settlement': 4,
      settlement: 4,
      'settlement in the same second': 4,
      reprice: 4,
      stop: 4,
      'look after the stop': 4,
      'settlement after the stop': 4,
      'stop again': 4,
      confirmation: 1,
    });
  });

  it('are two more for a start at the list price: the lock of the price, and the spending that earns a volume discount', async () => {
    const team = await newTeam();
    expect(await countOf(() => start(team, `${team}-a`, 10, null))).toBe(6);
    expect(await countOf(() => desk.settle(`${team}-a`, 20))).toBe(4);
    expect(await countOf(() => desk.stop(`${team}-a`, 30, { backTo: 25 }))).toBe(4);
  });

  it('are more for a start whose first second ends the credit, and the end is kept', async () => {
    const team = await newTeam('5');
    const sent = await sentBy(() => start(team, `${team}-a`, 10, 36_000_000_000));
    expect(sent.length).toBeLessThanOrEqual(11);
    const row = await desk.db.instance.findUniqueOrThrow({ where: { id: `${team}-a` } });
    expect([row.startSecond, row.endSecond, row.reason]).toEqual([10n, 10n, 'out_of_credits']);
    const settled = await desk.settle(`${team}-a`, 11);
    expect(settled.status === 'ended' && settled.receipt.seconds).toBe(0);
  });

  it('are as many with a budget of the whole team, and one more, for the meters, with a budget of a project', async () => {
    const budget = { period: 'day' as const, action: 'stop' as const, amountMicros: micros(500_000_000) };
    const set = (team: string, project: string | null, at: number) =>
      desk.ledger.setAlerts(
        {
          teamId: team,
          budgets: [{ ...budget, project }],
          lowLevelsMicros: null,
          burnLimitMicros: null,
          nowSecond: at,
        },
        'test',
      );
    const lifeOf = async (team: string, at: number) => ({
      start: await countOf(() => start(team, `${team}-${at}`, at)),
      settlement: await countOf(() => desk.settle(`${team}-${at}`, at + 1)),
      usage: await countOf(() => desk.use(team, `${team}-e-${at}`, 1_000, at + 2)),
      stop: await countOf(() => desk.stop(`${team}-${at}`, at + 3)),
      look: await countOf(() => desk.look(team, at + 3)),
    });
    const team = await newTeam();
    const without = await lifeOf(team, 10);
    await set(team, null, 20);
    expect(await lifeOf(team, 30)).toEqual(without);
    await set(team, 'x', 40);
    const oneMore = Object.fromEntries(Object.entries(without).map(([act, count]) => [act, count + 1]));
    expect(await lifeOf(team, 50)).toEqual(oneMore);
  });

  it('are two for usage, four for a grant, and five for its reversal', async () => {
    const team = await newTeam();
    expect(await countOf(() => desk.use(team, 'e1', 1_000, 10))).toBe(2);
    expect(await countOf(() => desk.grant(team, `${team}-g`, '5', 11))).toBe(4);
    expect(await countOf(() => desk.grant(team, `${team}-g`, '5', 12))).toBe(4);
    const revoke = () => desk.ledger.revokeGrant({ grantId: `${team}-g`, note: null, nowSecond: 13 }, 'test');
    expect(await countOf(revoke)).toBe(5);
  });

  it('are a few more for a read at the end of credit, and one for each mark of an announcement', async () => {
    const team = await newTeam('5');
    const sent = await sentBy(() => desk.look(team, 100_000));
    // A look that the sums of the meters do not decide is begun again with all meters.
    expect(sent.length).toBeLessThanOrEqual(11);
    const { ended, notices } = await desk.look(team, 100_001);
    expect(ended?.instanceIds).toEqual([`${team}-other`]);
    expect(notices.length).toBeGreaterThan(0);
    const nothingElse = { teamId: team, exhaustions: [], noticeIds: [] };
    const noticeIds = notices.map(({ noticeId }) => noticeId);
    expect(await countOf(() => desk.ledger.markTold({ ...nothingElse, noticeIds }))).toBe(1);
    const signalled = { of: 'exhaustion' as const, number: 1, signalled: 1 };
    expect(await countOf(() => desk.ledger.markTold({ ...nothingElse, ended: signalled }))).toBe(1);
  });

  it('are one for a balance, with and without running instances, list prices, holds and usage', async () => {
    const team = await newTeam();
    const balance = (at: number) => countOf(() => readBalance(desk.db, TIERED, team, at));
    expect(await balance(5)).toBe(1);
    await start(team, `${team}-given`, 10);
    await start(team, `${team}-listed`, 11, null);
    await desk.use(team, `${team}-e`, 1_000, 12);
    await desk.hold(team, `${team}-h`, 'llama-3.3-70b-instruct', 1_000, 13);
    expect(await balance(20)).toBe(1);
    await desk.stop(`${team}-given`, 30);
    expect(await balance(100_000)).toBe(1);
    const idle = await desk.team('idle', '5', 1);
    expect(await countOf(() => readBalance(desk.db, TIERED, idle, 20))).toBe(1);
  });

  it('are one more for a balance of many different rates that are so low that the floors decide a crossing', async () => {
    const team = await desk.team('low-rates', '5', 1);
    // After each second, these rates leave almost an hour's remainder.
    for (let index = 0; index < 120; index += 1) await start(team, `${team}-${index}`, 1, 3_599 - index);
    const balance = () => readBalance(desk.db, TIERED, team, 20);
    expect(await countOf(balance)).toBe(2);
    expect(await balance()).toEqual(await inSnapshot(desk.db, (tx) => balanceBySums(tx, TIERED, team, 20)));
  });

  it('are several for a balance at which totals do not decide: after an end of credit that no fact has recorded', async () => {
    const team = await newTeam('5');
    const { activeInstances, available } = await readBalance(desk.db, TIERED, team, 100_000);
    expect([activeInstances, available]).toEqual([0, '0.000000']);
    expect(await countOf(() => readBalance(desk.db, TIERED, team, 100_000))).toBeGreaterThan(1);
  });

  it('are as many for a team with three thousand running instances as with one, and so are their rows; workflows get answers of the same form', async () => {
    const [one, many] = [await costsOf(1), await costsOf(3_000)];
    expect(many).toEqual(one);
  });

  it('are prepared statements, except the beginning and the end of a transaction', async () => {
    const team = await newTeam();
    await start(team, `${team}-a`, 10);
    await desk.stop(`${team}-a`, 11);
    const names = await desk.db.pool.query<{ statement: string }>('SELECT statement FROM pg_prepared_statements');
    const prepared = new Set(names.rows.map(({ statement }) => statement));
    await start(team, `${team}-b`, 12);
    const sent = await sentBy(() => desk.stop(`${team}-b`, 13));
    expect(sent.filter((statement) => !prepared.has(statement))).toEqual(['BEGIN', 'COMMIT']);
  });
});

describe('a fact that has waited for the lock of its team', () => {
  it('reads again the rows that were written meanwhile', async () => {
    const team = await newTeam();
    const id = `${team}-a`;
    await start(team, id, 10);
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let hold = () => {};
    const held = new Promise<void>((resolve) => {
      hold = resolve;
    });
    // Another process stops the instance, and keeps the lock until the settlement waits for it.
    const about = { teamId: team, causedBy: 'test', throughSecond: 20, instanceIds: [id] };
    const stopping = recordFact(office.two.db, about, async (account, tx, { segments }) => {
      hold();
      await released;
      const [segment] = segments;
      await tx.$executeRaw`UPDATE segments SET end_second = 20 WHERE instance_id = ${id}`;
      await tx.$executeRaw`UPDATE instances SET end_second = 20, reason = 'stopped' WHERE id = ${id}`;
      return {
        outcome: { account: { ...account, asOfSecond: 20 }, effects: [] },
        answer: async () => segment?.startSecond,
      };
    });
    await held;
    const settling = desk.settle(id, 30);
    await untilOneWaits();
    release();
    expect(await stopping).toBe(10);
    const settled = await settling;
    expect(settled.status === 'ended' && settled.receipt.endSecond).toBe(20);
  });
});

/** Until a statement of this database waits for a lock. */
async function untilOneWaits(): Promise<void> {
  for (;;) {
    const [row] = await office.two.db.$queryRaw<Array<{ waits: boolean }>>`
      SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
      ) AS waits`;
    if (row?.waits) return;
  }
}
