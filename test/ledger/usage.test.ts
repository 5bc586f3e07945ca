/**
 * Tests how the ledger records token usage: batches, event ids, the effects of usage, and concurrent calls that are
 * written together.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { placeHold } from '../../billing/holds.ts';
import { parseDollars } from '../../billing/money.ts';
import type { UsageResult } from '../../billing/usage-batch.ts';
import type { UsageOutcome } from '../../ledger/usage.ts';
import { createUsageLanes } from '../../ledger/usage-lanes.ts';
import type { SaidUsage } from '../../ledger/usage-prices.ts';
import { unannouncedExhaustions } from '../../prisma/exhaustions.ts';
import { getHold, insertHold } from '../../prisma/holds.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { recordFact } from '../../prisma/record.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk, type Office, SETTINGS, usageEvent } from './desk.ts';

/** $36 an hour is a cent a second. */
const CENT = '36';

let office: Office;
let one: Desk;
let two: Desk;
let teams = 0;
let team: string;

useOffice((opened) => {
  office = opened;
  ({ one, two } = office);
});
beforeEach(() => {
  teams += 1;
  team = `t${teams}`;
});

const either = (i: number) => (i % 2 === 0 ? one : two);
const event = (id: string, tokens: number, change: Partial<SaidUsage> = {}) => usageEvent(team, id, tokens, change);
const rowsOf = (teamId = team) => one.db.usageEvent.findMany({ where: { teamId }, orderBy: { eventId: 'asc' } });
const transfersOf = async (teamId = team) =>
  (await one.db.transfer.findMany({ where: { teamId }, orderBy: { id: 'asc' } }))
    .filter(({ code }) => code !== 'deposit')
    .map(({ code, reference, amountMicros }) => [code, reference, Number(amountMicros)]);
const statuses = (results: UsageResult[]) => results.map(({ status }) => status);
const chargeOf = (result: UsageResult | undefined) => (result && 'chargeMicros' in result ? result.chargeMicros : null);
const errorOf = (outcome: UsageOutcome | undefined) => outcome && 'error' in outcome && outcome.error;
const resultsOf = (outcome: UsageOutcome | undefined) => (outcome && 'answer' in outcome ? outcome.answer.results : []);

/** Each event’s charge is a part of the one row that it was charged with, the days sum the rows, and the bill from the events is the books’. */
async function expectWhole(teamId = team): Promise<void> {
  const posted = new Map<string, bigint>();
  for (const { chargedWith, chargeMicros } of await rowsOf(teamId))
    posted.set(chargedWith, (posted.get(chargedWith) ?? 0n) + chargeMicros);
  const transfers = await one.db.transfer.findMany({
    where: { teamId, code: { in: ['token_usage', 'owed_usage'] } },
  });
  const moved = new Map<string, bigint>();
  for (const { reference, amountMicros } of transfers) {
    const [, , eventId = ''] = reference.split('/');
    moved.set(eventId, (moved.get(eventId) ?? 0n) + amountMicros);
  }
  expect(new Map([...posted].filter(([, micros]) => micros > 0n))).toEqual(moved);
  const spent = new Map<bigint, bigint>();
  for (const { second, amountMicros } of transfers) {
    const day = second - (second % 86_400n);
    spent.set(day, (spent.get(day) ?? 0n) + amountMicros);
  }
  const days = await one.db.tokenDay.findMany({ where: { teamId } });
  expect(new Map(days.map(({ daySecond, micros }) => [daySecond, micros]))).toEqual(spent);
  expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
}

describe('usage at the list price', () => {
  /** As the api hands it on: without a price of its own. */
  const listed = (id: string, model: string, change: Partial<SaidUsage> = {}): SaidUsage => {
    const { price: _, ...said } = event(id, 1_000_000, change);
    return { ...said, model };
  };

  it('of a model that was withdrawn during a request is charged the price of the request’s hold', async () => {
    await one.team(team, '50');
    const model = `model-of-${team}`;
    await one.price(model, '2', 1);
    const { holdId } = await one.hold(team, `hold-${team}`, model, 1_000_000, 10);
    await one.ledger.withdrawModelPrice({ model, actor: 'me', nowSecond: 20 });
    const { results } = await one.useAll(
      [listed('a', model), listed('b', model, { holdId }), listed('c', model, { atSecond: 15 }), listed('d', 'never')],
      30,
    );
    expect(results).toMatchObject([
      { status: 'invalid', code: 'price_not_found', message: expect.stringContaining('send at') },
      { status: 'accepted', chargeMicros: 2_000_000 },
      { status: 'accepted', chargeMicros: 2_000_000 },
      { status: 'invalid', code: 'price_not_found' },
    ]);
    expect(await one.db.hold.findUniqueOrThrow({ where: { id: holdId } })).toMatchObject({ status: 'settled' });
    await expectWhole();
  });

  it.each([
    ['before the withdrawal’s second', 9, 10],
    ['in the withdrawal’s second', 10, 10],
  ])('of a request held %s is charged the price of the hold', async (_, heldSecond, withdrawnSecond) => {
    await one.team(team, '50');
    const model = `model-of-${team}`;
    await one.price(model, '2', 1);
    const { holdId } = await one.hold(team, `hold-${team}`, model, 1_000_000, heldSecond);
    await one.ledger.withdrawModelPrice({ model, actor: 'me', nowSecond: withdrawnSecond });
    const { results } = await one.useAll(
      [
        listed('a', model, { holdId }),
        listed('b', model),
        listed('c', model, { holdId, atSecond: withdrawnSecond }),
        listed('d', model, { atSecond: withdrawnSecond - 1 }),
      ],
      withdrawnSecond,
    );
    expect(results).toMatchObject([
      { status: 'accepted', chargeMicros: 2_000_000 },
      { status: 'invalid', code: 'price_not_found' },
      { status: 'invalid', code: 'price_not_found' },
      { status: 'accepted', chargeMicros: 2_000_000 },
    ]);
    expect(await one.db.hold.findUniqueOrThrow({ where: { id: holdId } })).toMatchObject({ status: 'settled' });
    await expectWhole();
  });

  it('of a model that was listed again at another price in the second of its withdrawal is charged the new price', async () => {
    await one.team(team, '50');
    const model = `model-of-${team}`;
    await one.price(model, '2', 1);
    await one.ledger.withdrawModelPrice({ model, actor: 'me', nowSecond: 10 });
    await one.price(model, '3', 10);
    const { holdId } = await one.hold(team, `hold-${team}`, model, 1_000_000, 10);
    await one.ledger.withdrawModelPrice({ model, actor: 'me', nowSecond: 10 });
    expect((await one.useAll([listed('a', model, { holdId })], 11)).results).toMatchObject([
      { status: 'accepted', chargeMicros: 3_000_000 },
    ]);
    await expectWhole();
  });

  it('of an unknown team is invalid, and the rest of the call is recorded, even when each team is written alone', async () => {
    await one.team(team, '50');
    const call = {
      events: [event('a', 5), { ...event('b', 5), teamId: 'nobody' }],
      receivedSecond: 5,
      causedBy: 'test',
    };
    // Two processes at once, so that the database refuses: every team goes alone then.
    const answers = await atOnce(12, (i) => either(i).ledger.recordUsage(call));
    for (const { results } of answers) {
      expect(['accepted', 'duplicate']).toContain(results[0]?.status);
      expect(results[1]).toMatchObject({ status: 'invalid', param: 'team' });
    }
    await expectWhole();
  });

  it('does not wait for a team whose row another transaction has locked', async () => {
    await one.team(team, '50');
    const other = await one.team(`${team}-other`, '50');
    let [release, isLocked] = [() => {}, () => {}];
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const locked = new Promise<void>((resolve) => {
      isLocked = resolve;
    });
    const locking = two.db.$transaction(
      async (tx) => {
        await tx.$queryRaw`SELECT 1 FROM accounts WHERE team_id = ${other} FOR UPDATE`;
        isLocked();
        await held;
      },
      { timeout: 20_000 },
    );
    await locked;
    const both = one.useAll([event('a', 5), { ...event('b', 5), teamId: other }], 5);
    await expect.poll(async () => (await rowsOf()).length).toBe(1);
    expect(await rowsOf(other)).toHaveLength(0);
    release();
    await locking;
    expect(statuses((await both).results)).toEqual(['accepted', 'accepted']);
  });
});

describe('a batch of usage', () => {
  it('is one ledger row, named by its first event, and each event keeps its own charge', async () => {
    await one.team(team, '50');
    const { results, teams } = await one.useAll([event('a', 1_000_000), event('b', 2), event('c', 0)], 7);
    expect(results).toEqual([1_000_000, 2, 0].map((chargeMicros) => ({ status: 'accepted', chargeMicros })));
    expect(teams.get(team)).toMatchObject({ urgent: false, account: { postedMicros: 48_999_998, asOfSecond: 7 } });
    expect(await transfersOf()).toEqual([['token_usage', `usage/${team}/a`, 1_000_002]]);
    expect(await rowsOf()).toMatchObject([
      { eventId: 'a', chargeMicros: 1_000_000n, chargedWith: 'a', second: 7n },
      { eventId: 'b', chargeMicros: 2n, chargedWith: 'a', second: 7n },
      { eventId: 'c', chargeMicros: 0n, chargedWith: 'a', second: 7n },
    ]);
    await expectWhole();
  });

  it('of a thousand events with fractions posts the floor of the exact total, and the charges of the events add up to it', async () => {
    await one.team(team, '50');
    const price = { inputMicrosPerMillion: parseDollars('0.333333'), outputMicrosPerMillion: parseDollars('0.000001') };
    const events = Array.from({ length: 1_000 }, (_, i) => event(`e${i}`, 7 + i, { price, outputTokens: i }));
    const { results } = await one.useAll(events, 9);
    expect(results.every(({ status }) => status === 'accepted')).toBe(true);
    const exactly = events.reduce(
      (sum, { inputTokens, outputTokens }) => sum + inputTokens * 333_333 + outputTokens,
      0,
    );
    const charged = results.reduce((sum, result) => sum + (chargeOf(result) ?? 0), 0);
    expect(charged).toBe(Math.floor(exactly / 1_000_000));
    expect(await transfersOf()).toEqual([['token_usage', `usage/${team}/e0`, charged]]);
    await expectWhole();
  });

  it('keeps all fields of an event, with any characters in them', async () => {
    await one.team(team, '5');
    const said = { model: 'a "quoted", {odd} \\ model', project: 'null', atSecond: 3, outputTokens: 2 };
    await one.useAll([event('NULL', 1, said), event('plain', 1)], 5);
    expect(await rowsOf()).toMatchObject([
      { eventId: 'NULL', model: said.model, project: 'null', atSecond: 3n, inputTokens: 1n, outputTokens: 2n },
      { eventId: 'plain', model: 'a-model', project: null, atSecond: null, holdId: null },
    ]);
    expect(statuses((await two.useAll([event('NULL', 1, said)], 6)).results)).toEqual(['duplicate']);
  });

  it('that costs nothing is kept, and moves no money', async () => {
    await one.team(team);
    expect(await one.use(team, 'free', 0, 5)).toBe('accepted');
    expect(await one.use(team, 'free', 0, 6)).toBe('duplicate');
    expect(await transfersOf()).toEqual([]);
  });

  it('is posted at the second of its receipt, or at the last fact’s second if that is later, whatever its own time', async () => {
    await one.team(team, '5', 100);
    await one.useAll([event('late', 10, { atSecond: 1 })], 120);
    await one.useAll([event('later', 10, { atSecond: 119 })], 110);
    expect((await rowsOf()).map(({ second, atSecond }) => [second, atSecond])).toEqual([
      [120n, 1n],
      [120n, 119n],
    ]);
    await expectWhole();
  });
});

describe('an event id', () => {
  it('is accepted once, is a duplicate with the same body and a conflict with another body, within a batch too', async () => {
    await one.team(team, '50');
    const first = await one.useAll([event('a', 5), event('a', 5), event('a', 6), event('b', 1)], 5);
    expect(statuses(first.results)).toEqual(['accepted', 'duplicate', 'conflict', 'accepted']);
    const again = await two.useAll([event('a', 5), event('b', 2), event('c', 9), event('c', 9)], 6);
    expect(statuses(again.results)).toEqual(['duplicate', 'conflict', 'accepted', 'duplicate']);
    expect(again.results.map(chargeOf)).toEqual([5, null, 9, 9]);
    expect(await transfersOf()).toEqual([
      ['token_usage', `usage/${team}/a`, 6],
      ['token_usage', `usage/${team}/c`, 9],
    ]);
    await expectWhole();
  });

  it('stays accepted when its model is withdrawn: a repeat is a duplicate, another body a conflict, and a new id invalid', async () => {
    await one.team(team, '50');
    const model = `model-of-${team}`;
    await one.price(model, '2', 1);
    const listed = (id: string, tokens = 1_000_000): SaidUsage => {
      const { price: _, ...said } = event(id, tokens);
      return { ...said, model };
    };
    await one.useAll([listed('a'), listed('b')], 5);
    await one.ledger.withdrawModelPrice({ model, actor: 'me', nowSecond: 20 });
    const again = await two.useAll([listed('a'), listed('b', 7), listed('c'), event('d', 3)], 30);
    expect(statuses(again.results)).toEqual(['duplicate', 'conflict', 'invalid', 'accepted']);
    expect(chargeOf(again.results[0])).toBe(2_000_000);
    expect(statuses((await one.useAll([listed('a')], 31)).results)).toEqual(['duplicate']);
    await expectWhole();
  });

  it('stays accepted when the owed amount is too large to be charged again', async () => {
    await one.team(team, '50');
    const dearest = { inputMicrosPerMillion: parseDollars('1000'), outputMicrosPerMillion: parseDollars('1000') };
    const batch = ['a', 'b', 'c', 'd', 'e'].map((id) =>
      event(id, 10 ** 12, { outputTokens: 10 ** 12, price: dearest }),
    );
    const sent = ['accepted', 'accepted', 'accepted', 'accepted', 'invalid'];
    expect(statuses((await one.useAll(batch, 5)).results)).toEqual(sent);
    expect(statuses((await two.useAll(batch.slice(0, 1), 6)).results)).toEqual(['duplicate']);
    await expectWhole();
  });

  it('repeated as a duplicate answers its first charge, with the fractions carried at that time', async () => {
    await one.team(team, '50');
    const half = { inputMicrosPerMillion: parseDollars('0.5'), outputMicrosPerMillion: parseDollars('0') };
    const batch = [event('a', 1, { price: half }), event('b', 1, { price: half })];
    expect((await one.useAll(batch, 5)).results.map(chargeOf)).toEqual([0, 1]);
    expect((await one.useAll(batch.reverse(), 6)).results.map(chargeOf)).toEqual([1, 0]);
    await expectWhole();
  });

  it('sent by twenty processes at once is charged once, whichever arrives first', async () => {
    await one.team(team, '50');
    const batch = Array.from({ length: 30 }, (_, i) => event(`e${i}`, 100 + i));
    const answers = await atOnce(20, (i) => either(i).useAll(batch.slice(i, i + 11), 5 + i));
    const accepted = answers.flatMap(({ results }) => results.filter(({ status }) => status === 'accepted'));
    expect(accepted).toHaveLength(30);
    expect(answers.flatMap(({ results }) => statuses(results)).filter((status) => status === 'duplicate')).toHaveLength(
      20 * 11 - 30,
    );
    expect(await rowsOf()).toHaveLength(30);
    await expectWhole();
    expect((await billOf(one.db, team)).netMicros).toBe(50_000_000n - BigInt(30 * 100 + (30 * 29) / 2));
  });

  it('of another team is another event, in the same flush too', async () => {
    await one.team(team, '5');
    await one.team(`${team}-x`, '5');
    const { results, teams } = await one.useAll([event('a', 1), usageEvent(`${team}-x`, 'a', 2)], 5);
    expect(results.map(chargeOf)).toEqual([1, 2]);
    expect([...teams.keys()]).toEqual([team, `${team}-x`]);
    await expectWhole();
    await expectWhole(`${team}-x`);
  });
});

describe('usage of several calls', () => {
  const call = (events: SaidUsage[], receivedSecond = 5, causedBy = 'test') => ({ events, receivedSecond, causedBy });

  it('is recorded together, with an answer for each call, and a row caused by the first call', async () => {
    await one.team(team, '50');
    await one.team(`${team}-x`, '50');
    const outcomes = await one.ledger.recordUsageOf([
      call([event('a', 1), usageEvent(`${team}-x`, 'a', 2)], 5, 'req_1'),
      call([event('b', 3), event('a', 1)], 7, 'req_2'),
      call([event('a', 4)], 6, 'req_3'),
    ]);
    expect(outcomes.map((outcome) => statuses(resultsOf(outcome)))).toEqual([
      ['accepted', 'accepted'],
      ['accepted', 'duplicate'],
      ['conflict'],
    ]);
    const rows = await one.db.transfer.findMany({ where: { teamId: team, code: 'token_usage' } });
    expect(rows).toMatchObject([{ reference: `usage/${team}/a`, amountMicros: 4n, causedBy: 'req_1', second: 7n }]);
    await expectWhole();
    await expectWhole(`${team}-x`);
  });

  it('for an unknown team is invalid, and the usage of the other calls is recorded', async () => {
    await one.team(team, '50');
    const [outcome] = await one.ledger.recordUsageOf([call([usageEvent('nobody', 'a', 1), event('a', 1)])]);
    expect(resultsOf(outcome)).toMatchObject([
      { status: 'invalid', code: 'not_found', param: 'team' },
      { status: 'accepted' },
    ]);
  });

  it('that the database refuses for one team leaves no row of that team, and fails only the calls that name it', async () => {
    await one.team(team, '50');
    await one.team(`${team}-x`, '50');
    await office.owner.$executeRaw`CREATE FUNCTION refuse_boom() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.event_id = 'boom' THEN RAISE check_violation; END IF; RETURN NEW; END $$`;
    await office.owner
      .$executeRaw`CREATE TRIGGER boom BEFORE INSERT ON usage_events FOR EACH ROW EXECUTE FUNCTION refuse_boom()`;
    try {
      const outcomes = await one.ledger.recordUsageOf([
        call([event('a', 1), event('boom', 1)]),
        call([usageEvent(`${team}-x`, 'a', 2)]),
      ]);
      expect(errorOf(outcomes[0])).toBeInstanceOf(Error);
      expect(statuses(resultsOf(outcomes[1]))).toEqual(['accepted']);
    } finally {
      await office.owner.$executeRaw`DROP TRIGGER boom ON usage_events`;
      await office.owner.$executeRaw`DROP FUNCTION refuse_boom`;
    }
    expect(await rowsOf()).toEqual([]);
    expect(await transfersOf()).toEqual([]);
    await expectWhole(`${team}-x`);
    expect(statuses((await one.useAll([event('a', 1), event('boom', 1)], 6)).results)).toEqual([
      'accepted',
      'accepted',
    ]);
  });

  it('whose answer was lost is answered as duplicates on the retry', async () => {
    await one.team(team, '50');
    const batch = Array.from({ length: 100 }, (_, i) => event(`e${i}`, i));
    await one.useAll(batch, 5);
    const again = await two.useAll([...batch, event('new', 1)], 9);
    expect(new Set(statuses(again.results).slice(0, 100))).toEqual(new Set(['duplicate']));
    expect(again.results.at(-1)).toEqual({ status: 'accepted', chargeMicros: 1 });
    await expectWhole();
  });
});

describe('the effects of usage are recorded with it:', () => {
  it('the part beyond the credit is owed, the team is notified, and later credit pays it', async () => {
    await one.team(team, '15');
    const { teams } = await one.useAll([event('a', 14_000_000), event('b', 3_000_000)], 5);
    expect(teams.get(team)).toMatchObject({ urgent: true, account: { postedMicros: 0, owedMicros: 2_000_000 } });
    expect(await transfersOf()).toEqual([
      ['token_usage', `usage/${team}/a`, 15_000_000],
      ['owed_usage', `usage/${team}/a/owed`, 2_000_000],
    ]);
    expect((await noticesOf(one.db, team)).map(({ kind }) => kind)).toContain('usage_owed');
    await expectWhole();
    await one.deposit(team, '15', 9);
    await expectWhole();
    expect((await billOf(one.db, team)).netMicros).toBe(13_000_000n);
  });

  it('the end of credit, at its own second', async () => {
    await one.team(team, '5');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 0 });
    const { teams } = await one.useAll([event('a', 4_500_000), event('b', 500_000)], 10);
    expect(teams.get(team)?.urgent).toBe(true);
    expect(await unannouncedExhaustions(one.db, team)).toMatchObject([{ second: 10, instanceIds: [`${team}-i`] }]);
    expect(await rowsOf()).toHaveLength(2);
    await expectWhole();
  });

  it('an end of credit at an earlier second, whatever the usage costs', async () => {
    await one.team(team, '5');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 0 });
    await one.useAll([event('a', 1_000_000)], 600);
    expect(await unannouncedExhaustions(one.db, team)).toMatchObject([{ second: 500 }]);
    expect((await billOf(one.db, team)).netMicros).toBe(-1_000_000n);
    await expectWhole();
  });

  it('the attempt to charge, when credit falls below the threshold', async () => {
    await one.team(team, '50');
    await one.policy(team, { threshold: '20', amount: '50' }, 1);
    expect((await one.useAll([event('a', 30_000_000)], 5)).teams.get(team)?.urgent).toBe(false);
    const { teams } = await one.useAll([event('b', 1)], 7);
    expect(teams.get(team)).toMatchObject({ urgent: true, account: { attempt: { openedSecond: 7 } } });
    expect(await one.db.deposit.count({ where: { teamId: team, kind: 'auto_top_up' } })).toBe(1);
    await expectWhole();
  });

  it('the warning of a low balance, once', async () => {
    await one.team(team, '50');
    expect((await one.useAll([event('a', 41_000_000)], 5)).teams.get(team)?.urgent).toBe(true);
    expect((await one.useAll([event('b', 1_000_000)], 6)).teams.get(team)?.urgent).toBe(false);
    expect((await noticesOf(one.db, team)).filter(({ kind }) => kind === 'balance_low')).toHaveLength(1);
    await expectWhole();
  });

  it('the end of the hold that it names, which pays for it', async () => {
    await one.team(team, '5');
    const hold = { amountMicros: parseDollars('4'), ttlSeconds: 60 };
    await recordFact(one.db, { teamId: team, causedBy: 'test', throughSecond: 5 }, async (account) => ({
      outcome: placeHold(account, SETTINGS, hold, 5),
      answer: (tx) =>
        insertHold(tx, {
          ...{ holdId: `h-${team}`, teamId: team, model: 'a-model', project: null },
          ...{ maxInputTokens: 1, maxOutputTokens: 1 },
          ...{ amountMicros: hold.amountMicros, placedSecond: 5, expiresSecond: 65 },
        }),
    }));
    const named = { holdId: `h-${team}` };
    const { results, teams } = await one.useAll([event('a', 3_500_000, named), event('b', 1, { holdId: 'none' })], 9);
    expect(results).toMatchObject([{ status: 'accepted' }, { status: 'invalid', code: 'not_found', param: 'hold' }]);
    expect(teams.get(team)?.account).toMatchObject({ heldMicros: 0, postedMicros: 1_500_000, owedMicros: 0 });
    expect(await getHold(one.db, `h-${team}`)).toMatchObject({ status: 'settled', settledBy: 'a', closedSecond: 9 });
    expect(statuses((await two.useAll([event('c', 1, named), event('a', 3_500_000, named)], 10)).results)).toEqual([
      'accepted',
      'duplicate',
    ]);
    await expectWhole();
  });
});

describe('a process that receives much usage at once', () => {
  it('writes waiting calls together, and answers each call with its own results', async () => {
    await one.team(team, '50');
    const flushes: number[] = [];
    const lanes = createUsageLanes((calls) => {
      flushes.push(calls.length);
      return one.ledger.recordUsageOf(calls);
    });
    const answers = await atOnce(50, (i) =>
      lanes({ events: [event(`e${i}`, i)], receivedSecond: 5, causedBy: `req_${i}` }),
    );
    expect(answers.map(({ results }) => chargeOf(results[0]))).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(flushes).toEqual([1, 49]);
    await expectWhole();
  });

  it('limits the size of a flush, and keeps the order of the calls', async () => {
    const flushes: string[][] = [];
    const lanes = createUsageLanes(async (calls) => {
      flushes.push(calls.map(({ causedBy }) => causedBy));
      return calls.map(({ events }) => ({
        answer: { results: events.map(() => ({ status: 'conflict' as const })), teams: new Map() },
      }));
    });
    const sizes = [1, 900, 900, 900, 5_000, 1];
    await Promise.all(
      sizes.map((size, i) =>
        lanes({ events: Array(size).fill(event('e', 1)), receivedSecond: 5, causedBy: `req_${i}` }),
      ),
    );
    expect(flushes).toEqual([['req_0'], ['req_1', 'req_2'], ['req_3'], ['req_4'], ['req_5']]);
  });

  it('fails only the calls of a failed flush, and not the calls that wait for the next flush', async () => {
    let flushes = 0;
    const lanes = createUsageLanes(async (calls) => {
      flushes += 1;
      if (flushes === 1) throw new Error('away');
      return one.ledger.recordUsageOf(calls);
    });
    await one.team(team, '50');
    const answers = await Promise.allSettled(
      [0, 1, 2].map((i) => lanes({ events: [event(`e${i}`, 1)], receivedSecond: 5, causedBy: 'test' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect((await rowsOf()).map(({ eventId }) => eventId)).toEqual(['e1', 'e2']);
  });

  it('answers a call of several teams in the order of its events', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `${team}-${i}`);
    for (const id of ids) await one.team(id, '5');
    const lanes = createUsageLanes(one.ledger.recordUsageOf);
    const events = Array.from({ length: 60 }, (_, i) => usageEvent(ids[i % 12] ?? '', `e${i}`, i));
    const { results, teams } = await lanes({ events, receivedSecond: 5, causedBy: 'test' });
    expect(results.map(chargeOf)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(new Set(teams.keys())).toEqual(new Set(ids));
    for (const id of ids) await expectWhole(id);
  });

  it('gives the same bill as calls in sequence, while other facts of the team are recorded', async () => {
    await one.team(team, '50');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 0 });
    const lanes = [one, two].map((desk) => createUsageLanes(desk.ledger.recordUsageOf));
    const price = { inputMicrosPerMillion: parseDollars('0.7'), outputMicrosPerMillion: parseDollars('0') };
    await Promise.all([
      ...Array.from({ length: 60 }, (_, i) =>
        lanes[i % 2]?.({ events: [event(`e${i % 40}`, 101, { price })], receivedSecond: 10 + i, causedBy: 'test' }),
      ),
      ...Array.from({ length: 10 }, (_, i) => either(i).settle(`${team}-i`, 20 + i)),
      ...Array.from({ length: 10 }, (_, i) => either(i).look(team, 30 + i)),
      one.deposit(team, '15', 33),
    ]);
    expect(await rowsOf()).toHaveLength(40);
    await expectWhole();
  });
});
