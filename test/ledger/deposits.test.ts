/** Tests how the ledger records deposits, auto top-ups, grants and token usage, in races and repeats. */
import { beforeEach, describe, expect, it } from 'vitest';
import { disabledReason } from '../../prisma/accounts.ts';
import { consentsOf } from '../../prisma/consents.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import { unannouncedExhaustions } from '../../prisma/exhaustions.ts';
import { noticesNotHandedOn, noticesOf } from '../../prisma/notices.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk } from './desk.ts';

const CENT = '36';
const DOLLAR = '3600';

let one: Desk;
let two: Desk;
let teams = 0;
let team: string;

useOffice((opened) => {
  ({ one, two } = opened);
});
beforeEach(() => {
  teams += 1;
  team = `t${teams}`;
});

const either = (i: number) => (i % 2 === 0 ? one : two);
const transfersOf = (teamId: string) => one.db.transfer.findMany({ where: { teamId }, orderBy: { id: 'asc' } });
const accountOf = (teamId: string) => one.db.account.findUniqueOrThrow({ where: { teamId } });
const attemptOf = async (teamId: string) => (await accountOf(teamId)).attemptDepositId;

describe('a deposit', () => {
  it('whose success is reported ten times at once is credited once', async () => {
    await one.team(team);
    await one.openDeposit(team, '15', 0, `dep_${team}`);
    const orders = await atOnce(10, (i) => either(i).credit(`dep_${team}`, 5 + i));
    expect(orders.every(({ status }) => status === 'succeeded')).toBe(true);
    expect((await transfersOf(team)).map(({ reference }) => reference)).toEqual([`deposit/dep_${team}`]);
    expect((await noticesOf(one.db, team)).map(({ kind }) => kind).sort()).toEqual([
      'deposit.succeeded',
      'deposit_receipt',
    ]);
  });

  it('takes the next receipt number of its team in concurrent credits, and a failed deposit takes none', async () => {
    await one.team(team);
    const ids = Array.from({ length: 6 }, (_, i) => `dep_${team}_${i}`);
    for (const id of ids) await one.openDeposit(team, '15', 0, id);
    await atOnce(18, (i) => {
      const id = ids[i % 6] ?? '';
      return i % 6 === 2 ? either(i).fail(id, 5) : either(i).credit(id, 5);
    });
    const rows = await one.db.deposit.findMany({ where: { teamId: team } });
    const numbers = rows.map(({ receiptNumber }) => receiptNumber).sort();
    expect(numbers.filter(Boolean)).toEqual([1, 2, 3, 4, 5].map((number) => `${team}-00000${number}`));
    expect(rows.find(({ id }) => id === ids[2])).toMatchObject({ status: 'failed', receiptNumber: null });
  });

  it('is opened once under its id by concurrent calls', async () => {
    await one.team(team);
    const orders = await atOnce(6, (i) => either(i).openDeposit(team, '15', i, `dep_${team}`));
    expect(new Set(orders.map((order) => JSON.stringify(order))).size).toBe(1);
    expect(await one.db.deposit.count({ where: { teamId: team } })).toBe(1);
  });

  it('recorded by the api is pending, once for all repeats, and an archived team’s deposit is not recorded', async () => {
    await one.team(team);
    const id = `dep_${team}`;
    const recorded = await atOnce(6, (i) => either(i).recordDeposit(team, '15', 7, id));
    for (const deposit of recorded)
      expect(deposit).toMatchObject({ id, teamId: team, status: 'pending', openedSecond: 7, amountMicros: 15_000_000 });
    expect(await one.db.deposit.count({ where: { teamId: team } })).toBe(1);
    expect(await transfersOf(team)).toEqual([]);
    await one.credit(id, 8);
    expect(await two.recordDeposit(team, '15', 9, id)).toMatchObject({ id, status: 'succeeded', closedSecond: 8 });
    const gone = await one.team(`${team}-gone`);
    await one.ledger.archiveTeam({ teamId: gone, keepsBalance: false, actor: 'me', nowSecond: 5 }, 'test');
    await expect(one.recordDeposit(gone, '15', 6, `dep_${gone}`)).rejects.toMatchObject({ code: 'team_archived' });
    expect(await one.db.deposit.count({ where: { teamId: gone } })).toBe(0);
  });

  it('whose call was answered 503 is not opened when that call runs later', async () => {
    await one.team(team);
    const callId = `deposit/dep_${team}@100-a`;
    await one.abandon(`deposit/dep_${team}`, 100);
    expect(await two.openDeposit(team, '15', 100, `dep_${team}`, callId)).toBeNull();
    expect(await one.db.deposit.count({ where: { teamId: team } })).toBe(0);
  });

  it('that was credited cannot fail afterwards', async () => {
    await one.team(team);
    const id = await one.deposit(team, '15', 5);
    const before = await getDeposit(one.db, id);
    expect(await two.fail(id, 6)).toMatchObject({ status: 'succeeded' });
    expect(await getDeposit(one.db, id)).toEqual(before);
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 15_000_000n });
  });

  it('that failed is marked failed once, and no money moves', async () => {
    await one.team(team);
    await one.openDeposit(team, '15', 0, `dep_${team}`);
    await atOnce(4, (i) => either(i).fail(`dep_${team}`, 5 + i, 'card_expired'));
    expect(await getDeposit(one.db, `dep_${team}`)).toMatchObject({ status: 'failed', failureCode: 'card_expired' });
    expect(await transfersOf(team)).toEqual([]);
  });

  it('that the provider reports as both failed and succeeded is credited, so that no payment is lost', async () => {
    await one.team(team);
    await one.openDeposit(team, '15', 0, `dep_${team}`);
    await Promise.all([one.credit(`dep_${team}`, 5), two.fail(`dep_${team}`, 5)]);
    expect(await getDeposit(one.db, `dep_${team}`)).toMatchObject({ status: 'succeeded' });
    expect(await transfersOf(team)).toHaveLength(1);
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
  });
});

describe('a deposit after X, with a late watch', () => {
  it('closes the meters at X in its own transaction, and leaves an end of credit for the watch to announce', async () => {
    await one.team(team, '15');
    for (const id of ['a', 'b'])
      await one.start({ teamId: team, id: `${team}-${id}`, hourly: DOLLAR, at: id === 'a' ? 0 : 3 });
    await one.deposit(team, '100', 5000);
    expect(await unannouncedExhaustions(one.db, team)).toEqual([
      { number: 1, second: 9, instanceIds: [`${team}-a`, `${team}-b`] },
    ]);
    const rows = await transfersOf(team);
    expect(rows.map(({ code, second }) => [code, second])).toEqual([
      ['deposit', 0n],
      ['instance_usage', 9n],
      ['instance_usage', 9n],
      ['deposit', 5000n],
    ]);
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 100_000_000n });

    const outlook = await two.look(team, 5001);
    expect(outlook.ended).toMatchObject({
      of: 'exhaustion',
      number: 1,
      from: 0,
      instanceIds: [`${team}-a`, `${team}-b`],
    });
    expect(outlook.notices.map(({ noticeId }) => noticeId).sort()).toEqual(
      expect.arrayContaining([`balance.exhausted/${team}/exhaustion-1`, `credits_exhausted/${team}/exhaustion-1`]),
    );
    const noticeIds = outlook.notices.map(({ noticeId }) => noticeId);
    const ended = { of: 'exhaustion' as const, number: 1, signalled: 2 };
    await two.ledger.markTold({ teamId: team, exhaustions: [], noticeIds, ended });
    expect(await two.look(team, 5002)).toMatchObject({ ended: null, notices: [] });
  });

  it('in a race with the watch ends every instance once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = `${team}-${round}`;
      await one.team(id, '15');
      await one.start({ teamId: id, id: `${id}-i`, hourly: DOLLAR, at: 0 });
      const acts = [() => one.look(id, 50), () => two.deposit(id, '100', 50), () => one.settle(`${id}-i`, 50)];
      await Promise.all((round % 2 ? acts : acts.reverse()).map((act) => act()));
      expect(await unannouncedExhaustions(one.db, id)).toMatchObject([{ number: 1, second: 15 }]);
      expect(await booksOf(one.db, id)).toMatchObject({ netMicros: 100_000_000n });
    }
  });

  it('pays the owed amount first', async () => {
    await one.team(team);
    await one.use(team, 'a', 20_000_000, 1);
    await one.deposit(team, '15', 2);
    expect(await accountOf(team)).toMatchObject({ postedMicros: 0n, owedMicros: 5_000_000n });
    await one.grant(team, `grant_${team}`, '7', 3);
    expect(await accountOf(team)).toMatchObject({ postedMicros: 2_000_000n, owedMicros: 0n });
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
  });
});

describe('an auto top-up', () => {
  const POLICY = { threshold: '10', amount: '20' };

  it('opens one attempt when concurrent reads find it due', async () => {
    await one.team(team, '10');
    await one.policy(team, POLICY, 1);
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 1 });
    await atOnce(9, async (i) => {
      const desk = either(i);
      if (i % 3 === 0) await desk.look(team, 50);
      if (i % 3 === 1) await desk.settle(`${team}-i`, 50);
      if (i % 3 === 2) await desk.ledger.openAttempt({ teamId: team, nowSecond: 50 }, 'test');
    });
    const attempts = await one.db.deposit.findMany({ where: { teamId: team, kind: 'auto_top_up' } });
    expect(attempts).toMatchObject([{ id: `dep_${team}_top_up_1`, attempt: 1n, openedSecond: 2n, status: 'pending' }]);
  });

  it('that succeeds is credited once, from the second of its success', async () => {
    await one.team(team, '15');
    await one.start({ teamId: team, id: `${team}-i`, hourly: DOLLAR, at: 0 });
    await one.policy(team, { threshold: '10', amount: '100' }, 0);
    await two.look(team, 40); // due at 6, X = 15
    expect(await accountOf(team)).toMatchObject({ attemptOpenedSecond: 6n, standsAtSecond: 15n });
    await atOnce(5, (i) => either(i).credit(`dep_${team}_top_up_1`, 45));
    expect(await one.settle(`${team}-i`, 45)).toMatchObject({ status: 'running', availableMicros: 70_000_000 });
    expect((await transfersOf(team)).filter(({ code }) => code === 'auto_top_up')).toHaveLength(1);
    expect(await unannouncedExhaustions(one.db, team)).toEqual([]);
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
  });

  it('that succeeds after the grace is credited, and the end at X is kept', async () => {
    await one.team(team, '15');
    await one.start({ teamId: team, id: `${team}-i`, hourly: DOLLAR, at: 0 });
    await one.policy(team, { threshold: '10', amount: '100' }, 0);
    await two.look(team, 40);
    await one.credit(`dep_${team}_top_up_1`, 76);
    expect(await one.stop(`${team}-i`, 80)).toMatchObject({ endSecond: 15, reason: 'out_of_credits' });
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 100_000_000n });
  });

  it('that fails switches the policy off once, with the reason in its consent', async () => {
    await one.team(team, '9');
    await one.policy(team, POLICY, 5);
    const depositId = (await attemptOf(team))!;
    await atOnce(4, (i) => either(i).fail(depositId, 7 + i, 'insufficient_funds'));
    expect(await disabledReason(one.db, team)).toBe('insufficient_funds');
    const consents = await consentsOf(one.db, team);
    expect(consents).toHaveLength(2);
    expect(consents[1]).toMatchObject({ cause: `insufficient_funds of ${depositId}`, actor: 'test' });
    expect(consents[1]).toMatchObject({ oldPolicy: { enabled: true }, newPolicy: { enabled: false } });
    expect(await getDeposit(one.db, depositId)).toMatchObject({ status: 'failed', openedSecond: 5, closedSecond: 5 });
    const kinds = (await noticesOf(one.db, team)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'auto_top_up_failed')).toHaveLength(1);
  });

  it('that succeeded is unchanged by a later failure, and its policy stays on', async () => {
    await one.team(team, '9');
    await one.policy(team, POLICY, 5);
    const depositId = (await attemptOf(team))!;
    await one.credit(depositId, 6);
    await one.fail(depositId, 7);
    expect(await accountOf(team)).toMatchObject({ policyEnabled: true, policyDisabledReason: null });
    expect(await getDeposit(one.db, depositId)).toMatchObject({ status: 'succeeded', failureCode: null });
  });

  it('that succeeds after its failure was recorded is credited once, and the policy stays off', async () => {
    await one.team(team, '9');
    await one.policy(team, POLICY, 5);
    const depositId = (await attemptOf(team))!;
    await one.fail(depositId, 6);
    await atOnce(3, (i) => either(i).credit(depositId, 7));
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 29_000_000n });
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
    expect(await accountOf(team)).toMatchObject({ policyEnabled: false, policyDisabledReason: 'declined' });
  });

  it('can be switched on again before the notice of its failure is sent', async () => {
    await one.team(team, '9');
    await one.policy(team, POLICY, 5);
    await one.fail((await attemptOf(team))!, 6);
    const unsent = await noticesNotHandedOn(one.db, team);
    expect(unsent.map(({ kind }) => kind)).toContain('auto_top_up_failed');
    await two.policy(team, POLICY, 8);
    expect(await accountOf(team)).toMatchObject({
      policyEnabled: true,
      policyDisabledReason: null,
      attemptDepositId: null,
    });
    // The notice is there still, of the attempt that failed; the next attempt waits for the cooldown.
    expect(await noticesNotHandedOn(one.db, team)).toEqual(unsent);
    const asked = await one.ledger.openAttempt({ teamId: team, nowSecond: 9 }, 'test');
    expect(asked).toEqual({ policyOn: true, attemptDepositId: null, lookAgainSecond: 305, state: 'cooling_down' });
    expect(await one.ledger.openAttempt({ teamId: team, nowSecond: 305 }, 'test')).toMatchObject({
      attemptDepositId: `dep_${team}_top_up_2`,
      state: 'charging',
    });
    await one.fail(`dep_${team}_top_up_2`, 306);
    const failures = (await noticesOf(one.db, team)).filter(({ kind }) => kind === 'auto_top_up_failed');
    expect(failures.map(({ data }) => data.depositId)).toEqual([`dep_${team}_top_up_1`, `dep_${team}_top_up_2`]);
  });

  it('refuses a policy outside the limits, and keeps no consent to such a policy', async () => {
    await one.team(team, '9');
    await expect(one.policy(team, { threshold: '4.99', amount: '20' }, 5)).rejects.toMatchObject({
      code: 'amount_out_of_range',
    });
    expect(await consentsOf(one.db, team)).toEqual([]);
    expect(await attemptOf(team)).toBeNull();
  });
});

describe('a grant', () => {
  it('is posted once under its id, and a repeat receives the same grant', async () => {
    await one.team(team);
    const id = `grant_${team}`;
    const [first, ...repeats] = await Promise.all([0, 1, 2].map((i) => either(i).grant(team, id, '7', 5)));
    expect(repeats).toEqual([first, first]);
    await expect(one.grant(team, id, '8', 6)).rejects.toMatchObject({ code: 'id_taken' });
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 7_000_000n });
    expect((await transfersOf(team)).map(({ code, debitAccount }) => [code, debitAccount])).toEqual([
      ['grant', 'platform/grants'],
    ]);
  });
});

describe('token usage', () => {
  it('is recorded once under its id, however many times and processes report it', async () => {
    await one.team(team, '15');
    const inOne = await atOnce(5, () => one.use(team, 'e1', 1_000_000, 5));
    expect(inOne.sort()).toEqual(['accepted', 'duplicate', 'duplicate', 'duplicate', 'duplicate']);
    const inTwo = await atOnce(6, (i) => either(i).use(team, 'e2', 1_000_000, 5 + i));
    expect(inTwo.filter((status) => status === 'accepted')).toHaveLength(1);
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 13_000_000n });
    expect(await one.db.usageEvent.count({ where: { teamId: team } })).toBe(2);
  });

  it('with another body under the same id is refused, and the same id of another team is another event', async () => {
    await one.team(team, '15');
    await one.team(`${team}-other`, '15');
    expect(await one.use(team, 'e', 100, 5)).toBe('accepted');
    expect(await two.use(team, 'e', 101, 6)).toBe('conflict');
    expect(await two.use(team, 'e', 100, 7)).toBe('duplicate');
    expect(await two.use(`${team}-other`, 'e', 101, 7)).toBe('accepted');
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 14_999_900n });
  });

  it('reported concurrently carries every fraction, and takes no more credit than there is', async () => {
    await one.team(team, '3');
    const price = { inputMicrosPerMillion: 1, outputMicrosPerMillion: 333_333 } as never;
    await atOnce(30, (i) =>
      either(i).ledger.recordUsage({
        events: [
          {
            ...{ teamId: team, eventId: `e${i}`, model: 'a-model', project: null, atSecond: null, holdId: null },
            ...{ price, inputTokens: 999_999, outputTokens: 333_331 + i },
          },
        ],
        receivedSecond: i,
        causedBy: 'test',
      }),
    );
    const bill = await billOf(one.db, team);
    expect(bill.netMicros).toBeLessThan(0n);
    expect(await booksOf(one.db, team)).toEqual(bill);
  });
});
