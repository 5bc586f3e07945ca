/** Tests how the ledger records refunds and disputes, in races, repeats and late changes. */
import { beforeEach, describe, expect, it } from 'vitest';
import { parseDollars } from '../../billing/money.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import { getDispute } from '../../prisma/disputes.ts';
import { unannouncedExhaustions } from '../../prisma/exhaustions.ts';
import { listPayments } from '../../prisma/history.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { getRefund } from '../../prisma/refunds.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk } from './desk.ts';

const CENT = '36';

let one: Desk;
let two: Desk;
let teams = 0;
let team: string;
let deposit: string;

useOffice((opened) => {
  ({ one, two } = opened);
});
/** A team that has paid in $50. */
beforeEach(async () => {
  teams += 1;
  team = await one.team(`back${teams}`);
  deposit = await one.deposit(team, '50', 0, `dep_${team}`);
});

const either = (i: number) => (i % 2 === 0 ? one : two);
const codesOf = async () =>
  (await one.db.transfer.findMany({ where: { teamId: team }, orderBy: { id: 'asc' } })).map(({ code }) => code);
/** Those of money back; that credit is low is told besides. */
const mails = async () =>
  (await noticesOf(one.db, team))
    .filter(({ channel, kind }) => channel === 'mail' && ['refund', 'dispute', 'usage_owed'].includes(kind))
    .map(({ kind, data }) => [kind, ...(data.turn ? [data.turn] : [])].join(' '));
const accountOf = () => one.db.account.findUniqueOrThrow({ where: { teamId: team } });

/** What the rows say a second time over, without looking at a balance. */
const agrees = async () => expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));

describe('a refund', () => {
  it('requested ten times at once under its id is taken once', async () => {
    const answers = await atOnce(10, (i) => either(i).refund(team, deposit, '20', 5 + i, `ref_${team}`));
    expect(answers.every(({ status }) => status === 'taken')).toBe(true);
    expect(await codesOf()).toEqual(['deposit', 'refund']);
    expect(await getDeposit(one.db, deposit)).toMatchObject({ refundedMicros: 20_000_000, status: 'succeeded' });
    await agrees();
  });

  it('of the whole deposit, requested by two callers at once, is given once, and the other caller is refused', async () => {
    const answers = await atOnce(2, (i) => either(i).refund(team, deposit, null, 5, `ref_${team}_${i}`));
    expect(answers.map(({ status }) => status).sort()).toEqual(['refused', 'taken']);
    expect(answers.find(({ status }) => status === 'refused')).toMatchObject({ refusal: { code: 'not_refundable' } });
    await agrees();
  });

  it('in a race with usage never spends the same dollar twice', async () => {
    await atOnce<unknown>(12, (i) =>
      i % 3 === 0
        ? either(i).refund(team, deposit, '10', 5, `ref_${team}_${i}`)
        : either(i).use(team, `u${i}`, 4_000_000, 5),
    );
    expect((await accountOf()).postedMicros).toBeGreaterThanOrEqual(0n);
    await agrees();
  });

  it('recorded by the api is taken once for all repeats, and a refusal records nothing', async () => {
    const ask = (amount: string | null, refundId: string, by = one, depositId = deposit) =>
      by.ledger.takeRefund(
        {
          ...{ refundId, depositId, teamId: team, amountMicros: amount === null ? null : parseDollars(amount) },
          ...{ actor: 'me', requestHash: `${amount}`, receivedSecond: 5 },
        },
        'test',
      );
    await expect(ask('50.01', `ref_${team}_a`)).rejects.toMatchObject({ code: 'amount_out_of_range' });
    await expect(ask('20', `ref_${team}_a`, two, 'dep_none')).rejects.toMatchObject({ code: 'not_found' });
    expect(await codesOf()).toEqual(['deposit']);
    expect(await one.db.refund.count({ where: { teamId: team } })).toBe(0);
    const taken = await atOnce(8, (i) => ask('20', `ref_${team}_a`, either(i)));
    for (const refund of taken)
      expect(refund).toMatchObject({
        id: `ref_${team}_a`,
        status: 'pending',
        takenMicros: 20_000_000,
        requestHash: '20',
      });
    expect(await codesOf()).toEqual(['deposit', 'refund']);
    const other = await two.team(`${team}-other`);
    const paid = await two.deposit(other, '50', 0, `dep_${other}`);
    const stolen = { refundId: `ref_${team}_a`, depositId: paid, teamId: other, amountMicros: null, actor: 'me' };
    await expect(two.ledger.takeRefund({ ...stolen, receivedSecond: 6 }, 'test')).rejects.toMatchObject({
      code: 'id_taken',
    });
    await agrees();
  });

  it('that was answered 503 is not taken when it runs later', async () => {
    const callId = `refund/ref_${team}@100-a`;
    await one.abandon(`refund/ref_${team}`, 100);
    expect(await two.refund(team, deposit, null, 100, `ref_${team}`, callId)).toEqual({ status: 'too_late' });
    expect(await codesOf()).toEqual(['deposit']);
  });

  it.each(['pending', 'failed'])('of a deposit that is %s takes nothing', async (status) => {
    await one.openDeposit(team, '15', 0, `${deposit}_2`);
    if (status === 'failed') await one.fail(`${deposit}_2`, 1);
    expect(await one.refund(team, `${deposit}_2`, null, 5, `ref_${team}`)).toMatchObject({
      refusal: { code: 'not_refundable', message: `the deposit is ${status}` },
    });
    expect(await codesOf()).toEqual(['deposit']);
  });

  it('that succeeded is closed once, with one mail, and the deposit reads refunded', async () => {
    await one.refund(team, deposit, null, 5, `ref_${team}`);
    await atOnce(4, (i) => either(i).closeRefund(`ref_${team}`, 'succeeded', 6 + i));
    expect(await getRefund(one.db, `ref_${team}`)).toMatchObject({ status: 'succeeded' });
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'refunded', refundedMicros: 50_000_000 });
    expect(await mails()).toEqual(['refund sent']);
    await agrees();
  });

  it('that the provider refuses is credited again once, without a mail', async () => {
    await one.refund(team, deposit, null, 5, `ref_${team}`);
    await atOnce(4, (i) => either(i).closeRefund(`ref_${team}`, 'failed', 6 + i));
    expect(await codesOf()).toEqual(['deposit', 'refund', 'refund_returned']);
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'succeeded', refundedMicros: 0 });
    expect(await mails()).toEqual([]);
    await agrees();
  });

  it('that the bank returns later is credited again with a notice to the team, and is taken again if it is sent later', async () => {
    await one.refund(team, deposit, null, 5, `ref_${team}`);
    await one.closeRefund(`ref_${team}`, 'succeeded', 6);
    await two.closeRefund(`ref_${team}`, 'failed', 900);
    expect(await getRefund(one.db, `ref_${team}`)).toMatchObject({ status: 'failed', takenMicros: 0 });
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'succeeded', refundedMicros: 0 });
    expect((await mails()).sort()).toEqual(['refund returned', 'refund sent']);
    await one.use(team, 'u', 30_000_000, 901);
    await atOnce(4, (i) => either(i).closeRefund(`ref_${team}`, 'succeeded', 902 + i));
    expect(await getRefund(one.db, `ref_${team}`)).toMatchObject({ status: 'succeeded', takenMicros: 50_000_000 });
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'refunded', refundedMicros: 50_000_000 });
    expect(await accountOf()).toMatchObject({ postedMicros: 0n, owedMicros: 30_000_000n });
    await two.closeRefund(`ref_${team}`, 'failed', 950);
    expect(await accountOf()).toMatchObject({ postedMicros: 20_000_000n, owedMicros: 0n });
    expect((await mails()).filter((mail) => mail.startsWith('refund'))).toHaveLength(4);
    await agrees();
  });

  it('made at the provider is posted once, and the part without credit is owed', async () => {
    await one.use(team, 'u', 30_000_000, 1);
    await atOnce(6, (i) => either(i).foundRefund(deposit, '50', 5 + i, `re_${team}`));
    expect(await codesOf()).toEqual(['deposit', 'token_usage', 'refund', 'owed_refund']);
    expect(await accountOf()).toMatchObject({ owedMicros: 30_000_000n });
    expect(await mails()).toContain('usage_owed');
    await one.grant(team, `grant_${team}`, '40', 20);
    expect(await accountOf()).toMatchObject({ owedMicros: 0n, postedMicros: 10_000_000n });
    await agrees();
  });

  it('made by Burnrate is not posted again as a refund made at the provider, under either of its names', async () => {
    await one.refund(team, deposit, '20', 5, `ref_${team}`);
    expect(await two.foundRefund(deposit, '20', 6, `re_${team}`, `ref_${team}`)).toMatchObject({
      refundId: `ref_${team}`,
    });
    await one.ledger.noteRefund({ refundId: `ref_${team}`, stripeRefundId: `re_${team}` });
    expect(await two.foundRefund(deposit, '20', 7, `re_${team}`)).toMatchObject({ refundId: `ref_${team}` });
    expect(await codesOf()).toEqual(['deposit', 'refund']);
  });

  it('made at the provider waits for a Burnrate refund of the same money that may be refused', async () => {
    await one.refund(team, deposit, null, 5, `ref_${team}`);
    expect(await two.foundRefund(deposit, '50', 6, `re_${team}`)).toBeNull();
    await one.closeRefund(`ref_${team}`, 'failed', 7);
    expect(await two.foundRefund(deposit, '50', 8, `re_${team}`)).toMatchObject({ status: 'pending' });
    await agrees();
  });

  it('prevents a second credit of its deposit by a success that is reported late', async () => {
    await one.refund(team, deposit, null, 5, `ref_${team}`);
    await one.closeRefund(`ref_${team}`, 'succeeded', 6);
    expect(await two.credit(deposit, 7)).toMatchObject({ status: 'refunded' });
    expect(await codesOf()).toEqual(['deposit', 'refund']);
  });

  it('ends the instances that the remaining credit does not pay for, at its second, for the watch to announce', async () => {
    await one.start({ teamId: team, id: `${team}-a`, hourly: CENT, at: 0 });
    await one.refund(team, deposit, null, 1000, `ref_${team}`);
    const { ended } = await two.look(team, 1001);
    expect(ended).toMatchObject({ of: 'exhaustion', from: 0, instanceIds: [`${team}-a`] });
    expect(await unannouncedExhaustions(one.db, team)).toMatchObject([{ second: 1000, instanceIds: [`${team}-a`] }]);
    await agrees();
  });
});

describe('a dispute', () => {
  it('reported six times at once is opened once, and holds once', async () => {
    await atOnce(6, (i) => either(i).dispute(deposit, '50', 5 + i, `disp_${team}`));
    expect(await accountOf()).toMatchObject({ heldMicros: 50_000_000n, postedMicros: 50_000_000n, openDisputes: 1 });
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'disputed' });
    expect(await mails()).toEqual(['dispute opened']);
    await agrees();
  });

  it('is not opened before its deposit is credited', async () => {
    await one.openDeposit(team, '15', 0, `${deposit}_2`);
    expect(await one.dispute(`${deposit}_2`, '15', 5, `disp_${team}`)).toBeNull();
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, openDisputes: 0 });
  });

  it('of credit that was used holds later credit, in any transaction', async () => {
    await one.use(team, 'u', 50_000_000, 1);
    await one.dispute(deposit, '50', 2, `disp_${team}`);
    await two.grant(team, `grant_${team}`, '20', 3);
    expect(await getDispute(one.db, `disp_${team}`)).toMatchObject({ heldMicros: 20_000_000 });
    const start = await one.start({ teamId: team, id: `${team}-a`, hourly: CENT, at: 4 });
    expect(start).toMatchObject({ status: 'refused', code: 'insufficient_credit' });
    await agrees();
  });

  it('that is lost takes the held credit and owes the rest, and a repeat takes nothing more', async () => {
    await one.use(team, 'u', 30_000_000, 1);
    await one.dispute(deposit, '50', 2, `disp_${team}`);
    await atOnce(5, (i) => either(i).decide(`disp_${team}`, 'lost', 3 + i));
    expect(await codesOf()).toEqual(['deposit', 'token_usage', 'dispute_lost', 'owed_dispute']);
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, owedMicros: 30_000_000n, postedMicros: 0n });
    // What was held in the end stays on its row.
    expect(await getDispute(one.db, `disp_${team}`)).toMatchObject({ status: 'lost', heldMicros: 20_000_000 });
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'disputed' });
    await agrees();
  });

  it('that is won releases the credit, then takes it when it is lost later, and gives it back when it is won again', async () => {
    await one.dispute(deposit, '50', 2, `disp_${team}`);
    await one.decide(`disp_${team}`, 'won', 3);
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, postedMicros: 50_000_000n, openDisputes: 0 });
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'succeeded' });
    expect(await mails()).toEqual(['dispute opened', 'dispute won']);
    await one.use(team, 'u', 30_000_000, 4);
    await atOnce(4, (i) => either(i).decide(`disp_${team}`, 'lost', 5 + i));
    expect(await accountOf()).toMatchObject({ postedMicros: 0n, owedMicros: 30_000_000n });
    expect(await getDeposit(one.db, deposit)).toMatchObject({ status: 'disputed' });
    await agrees();
    await atOnce(4, (i) => either(i).decide(`disp_${team}`, 'won', 10 + i));
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, postedMicros: 20_000_000n, owedMicros: 0n });
    expect(await getDispute(one.db, `disp_${team}`)).toMatchObject({ status: 'won', takenMicros: 0, turn: 3 });
    expect((await mails()).filter((mail) => mail.startsWith('dispute'))).toEqual([
      'dispute opened',
      'dispute won',
      'dispute lost',
      'dispute won',
    ]);
    await agrees();
  });

  it('whose amount changes while it is open holds the new amount, and a loss takes no more', async () => {
    await one.dispute(deposit, '50', 2, `disp_${team}`);
    await atOnce(3, (i) => either(i).claim(`disp_${team}`, '20', 3 + i));
    expect(await accountOf()).toMatchObject({ heldMicros: 20_000_000n, postedMicros: 50_000_000n });
    await one.claim(`disp_${team}`, '70', 9);
    expect(await accountOf()).toMatchObject({ heldMicros: 50_000_000n });
    await one.claim(`disp_${team}`, '20', 10);
    await two.decide(`disp_${team}`, 'lost', 11);
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, postedMicros: 30_000_000n, owedMicros: 0n });
    await one.decide(`disp_${team}`, 'lost', 12, '35');
    expect(await accountOf()).toMatchObject({ postedMicros: 15_000_000n });
    await one.decide(`disp_${team}`, 'lost', 13, '5');
    expect(await accountOf()).toMatchObject({ postedMicros: 45_000_000n });
    await agrees();
  });

  it('that the bank opens again after a loss returns the taken credit, and holds it', async () => {
    await one.use(team, 'u', 30_000_000, 1);
    await one.dispute(deposit, '50', 2, `disp_${team}`);
    await one.decide(`disp_${team}`, 'lost', 3);
    await one.grant(team, `grant_${team}`, '40', 4);
    expect(await accountOf()).toMatchObject({ postedMicros: 10_000_000n, owedMicros: 0n });
    await atOnce(3, (i) => either(i).claim(`disp_${team}`, '50', 5 + i));
    expect(await getDispute(one.db, `disp_${team}`)).toMatchObject({ status: 'open', heldMicros: 50_000_000 });
    expect(await accountOf()).toMatchObject({ postedMicros: 60_000_000n, heldMicros: 50_000_000n, openDisputes: 1 });
    expect(await mails()).toContain('dispute reopened');
    await one.decide(`disp_${team}`, 'won', 9);
    expect(await accountOf()).toMatchObject({ postedMicros: 60_000_000n, heldMicros: 0n, openDisputes: 0 });
    await agrees();
  });

  it('that was lost takes more when a refund of the same deposit is returned, and less when a refund is found', async () => {
    await one.refund(team, deposit, '20', 1, `ref_${team}`);
    await one.closeRefund(`ref_${team}`, 'succeeded', 2);
    await one.dispute(deposit, '50', 3, `disp_${team}`);
    await one.decide(`disp_${team}`, 'lost', 4);
    expect(await getDispute(one.db, `disp_${team}`)).toMatchObject({ takenMicros: 30_000_000 });
    await two.closeRefund(`ref_${team}`, 'failed', 5);
    expect(await getDispute(one.db, `disp_${team}`)).toMatchObject({ takenMicros: 50_000_000 });
    await agrees();
    await two.foundRefund(deposit, '15', 6, `re_${team}`);
    expect(await getDispute(one.db, `disp_${team}`)).toMatchObject({ takenMicros: 35_000_000 });
    expect(await accountOf()).toMatchObject({ postedMicros: 0n, owedMicros: 0n });
    await agrees();
  });

  it('beside another dispute of the same deposit claims no more than the other leaves', async () => {
    await one.dispute(deposit, '40', 2, `disp_${team}_1`);
    await one.dispute(deposit, '30', 3, `disp_${team}_2`);
    expect(await accountOf()).toMatchObject({ heldMicros: 50_000_000n });
    await one.decide(`disp_${team}_2`, 'lost', 4);
    expect(await getDispute(one.db, `disp_${team}_1`)).toMatchObject({ heldMicros: 20_000_000 });
    expect(await accountOf()).toMatchObject({ heldMicros: 20_000_000n, postedMicros: 20_000_000n });
    await one.decide(`disp_${team}_1`, 'lost', 5);
    await one.decide(`disp_${team}_2`, 'won', 6);
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, postedMicros: 10_000_000n, owedMicros: 0n });
    await agrees();
  });

  it('is decided only without a pending refund of the same money', async () => {
    await one.refund(team, deposit, '20', 1, `ref_${team}`);
    await one.dispute(deposit, '50', 2, `disp_${team}`);
    expect(await accountOf()).toMatchObject({ heldMicros: 30_000_000n });
    expect(await one.decide(`disp_${team}`, 'lost', 3)).toMatchObject({ status: 'open' });
    // Stripe refuses to refund a charge that is disputed: the $20 are held as well.
    await one.closeRefund(`ref_${team}`, 'failed', 4);
    expect(await accountOf()).toMatchObject({ heldMicros: 50_000_000n });
    expect(await one.decide(`disp_${team}`, 'lost', 5)).toMatchObject({ status: 'lost' });
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, postedMicros: 0n, owedMicros: 0n });
    await agrees();
  });
});

describe('the history of payments', () => {
  it('is one list, newest first, whose pages neither repeat nor omit a row', async () => {
    await one.refund(team, deposit, '20', 5, `ref_${team}`);
    await one.deposit(team, '15', 6, `${deposit}_2`);
    await one.dispute(`${deposit}_2`, '15', 7, `disp_${team}`);
    const seen: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page: Awaited<ReturnType<typeof listPayments>> = await listPayments(one.db, team, {
        limit: 1,
        ...(cursor && { cursor }),
      });
      seen.push(...page.data.map((row) => (row.kind === 'deposit' ? row.deposit.id : row.kind)));
      cursor = page.nextCursor;
    } while (cursor);
    expect(seen).toEqual(['dispute', `${deposit}_2`, 'refund', deposit]);
  });
});

describe('the database', () => {
  it('refuses to hold more than is available, and to refund more than was paid', async () => {
    const hold = one.db.account.update({ where: { teamId: team }, data: { heldMicros: 50_000_001n } });
    await expect(hold).rejects.toThrow(/credit_never_negative/);
    const refunded = one.db.deposit.update({ where: { id: deposit }, data: { refundedMicros: 50_000_001n } });
    await expect(refunded).rejects.toThrow(/deposits_refunded_within/);
  });

  it('refuses a second dispute with the same provider id, and a dispute that holds more than the disputed amount', async () => {
    await one.dispute(deposit, '50', 2, `disp_${team}`);
    const row = await one.db.dispute.findUniqueOrThrow({ where: { id: `disp_${team}` } });
    const { openedOrder: _, ...again } = row;
    await expect(one.db.dispute.create({ data: { ...again, id: `disp_${team}_2` } })).rejects.toThrow(/[Uu]nique/);
    const held = one.db.dispute.update({ where: { id: row.id }, data: { heldMicros: 50_000_001n } });
    await expect(held).rejects.toThrow(/disputes_held_within/);
  });
});
