/**
 * Tests how the ledger records crypto deposits: credits, corrections, expiry and their notices, in races and repeats.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { mailOfNotice } from '../../activities/mail/mail-of-notice.ts';
import { DEFAULT_ISSUER } from '../../activities/papers/issuer.ts';
import { eventOfNotice, type PlatformEvent } from '../../activities/platform/event-of-notice.ts';
import { type Micros, micros, parseDollars } from '../../billing/money.ts';
import { setBillingDetails } from '../../prisma/billing-details.ts';
import { cryptoReceiptsOf } from '../../prisma/crypto-receipts.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { ABOUT, MAIL_SETTINGS } from '../activities/fixtures.ts';
import { documentedContract } from '../support/contract.ts';
import { textOf } from '../support/pdf.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk, SETTINGS, usageEvent } from './desk.ts';

const contract = documentedContract();
/** An event as receivers are told to expect it. */
const checked = (event: PlatformEvent): PlatformEvent => {
  expect(contract.faultOfEvent(event)).toBeNull();
  return event;
};

let one: Desk;
let two: Desk;
let teams = 0;
let team: string;
let dep: string;

useOffice((opened) => {
  ({ one, two } = opened);
});
beforeEach(async () => {
  teams += 1;
  team = `c${teams}`;
  dep = `dep_${team}`;
  await one.team(team);
  await open(dep);
});

const open = (depositId: string) =>
  one.ledger.openDeposit({
    depositId,
    teamId: team,
    kind: 'crypto',
    amountMicros: parseDollars('100'),
    paymentMethodId: null,
    receivedSecond: 0,
    callId: `call_${depositId}`,
    notAfterMs: 1,
    nowMs: 0,
  });
const output = (hash: string, amount: string, index = 0) => ({
  transactionHash: `0x${team}${hash}`,
  output: index,
  chain: '8453',
  currency: 'usdc',
  amountMicros: parseDollars(amount),
});
type Output = ReturnType<typeof output>;
const credit = (at: number, outputs: Output[], desk = one, depositId = dep) =>
  desk.ledger.creditCrypto({ depositId, outputs, nowSecond: at }, 'test');
const expire = (at: number) => one.ledger.expireCrypto({ depositId: dep, nowSecond: at }, 'test');
const shown = async (depositId = dep) => {
  const { status, amountMicros, receivedMicros, closedSecond, failureCode, method } = await getDeposit(
    one.db,
    depositId,
  );
  return { status, amountMicros, receivedMicros, closedSecond, failureCode, method };
};
const posted = async (): Promise<Micros> =>
  micros((await one.db.account.findUniqueOrThrow({ where: { teamId: team } })).postedMicros);
const references = async () =>
  (await one.db.transfer.findMany({ where: { teamId: team }, orderBy: { id: 'asc' } })).map(
    ({ reference }) => reference,
  );

describe('a crypto deposit', () => {
  it('is credited with the amount that CopperX received, and keeps both amounts', async () => {
    expect(await credit(5, [output('a', '100')])).toMatchObject({ status: 'succeeded', kind: 'crypto' });
    expect(await shown()).toEqual({
      status: 'succeeded',
      amountMicros: 100_000_000,
      receivedMicros: 100_000_000,
      closedSecond: 5,
      failureCode: null,
      method: 'crypto',
    });
    const [transfer] = await one.db.transfer.findMany({ where: { teamId: team } });
    expect(transfer).toMatchObject({
      debitAccount: 'platform/copperx',
      creditAccount: `team/${team}/credit`,
      amountMicros: 100_000_000n,
      code: 'deposit',
      depositId: dep,
      reference: `deposit/${dep}/0x${team}a/0`,
      second: 5n,
    });
  });

  it('whose payment is corrected is credited with the difference, or owes it, once for each change', async () => {
    await credit(5, [output('a', '100')]);
    const receipts = (await cryptoReceiptsOf(one.db, [dep])).get(dep);
    const follow = (at: number, amount: string, desk = one) =>
      desk.ledger.correctCrypto({ depositId: dep, changed: [output('a', amount)], nowSecond: at }, 'test');
    await Promise.all([follow(6, '90'), follow(6, '90', two)]);
    expect([await posted(), await shown()]).toEqual([
      90_000_000,
      expect.objectContaining({ status: 'succeeded', receivedMicros: 90_000_000, closedSecond: 5 }),
    ]);
    await one.ledger.grant(
      { teamId: team, grantId: `g_${team}`, amountMicros: parseDollars('1'), note: 'x', nowSecond: 7 },
      'test',
    );
    await follow(8, '0');
    await follow(9, '95.5');
    await follow(9, '95.5');
    expect(await posted()).toBe(96_500_000);
    const rows = await one.db.transfer.findMany({
      where: { teamId: team, code: 'deposit_correction' },
      orderBy: { id: 'asc' },
    });
    const corrected = `deposit/${dep}/0x${team}a/0`;
    expect(rows.map((row) => [Number(row.amountMicros) / 1_000_000, row.correctsReference, row.debitAccount])).toEqual([
      [10, corrected, `team/${team}/credit`],
      [90, corrected, `team/${team}/credit`],
      [95.5, corrected, 'platform/copperx'],
    ]);
    expect((await cryptoReceiptsOf(one.db, [dep])).get(dep)).toEqual(receipts);
    expect(await one.db.depositCorrection.count({ where: { depositId: dep, actor: 'provider' } })).toBe(3);
  });

  it('that is open succeeds when a correction completes it', async () => {
    await credit(5, [output('a', '60')]);
    const changed = [output('a', '100'), output('never_credited', '7')];
    expect(await one.ledger.correctCrypto({ depositId: dep, changed, nowSecond: 6 }, 'test')).toMatchObject({
      status: 'succeeded',
    });
    expect([await posted(), (await shown()).closedSecond]).toEqual([100_000_000, 6]);
  });

  it('that is paid in parts is open until every part has arrived', async () => {
    expect(await credit(5, [output('a', '60')])).toMatchObject({ status: 'pending' });
    expect(await shown()).toMatchObject({ status: 'pending', receivedMicros: 60_000_000, closedSecond: null });
    expect(await posted()).toBe(60_000_000);
    await credit(9, [output('b', '40')]);
    expect(await shown()).toMatchObject({ status: 'succeeded', receivedMicros: 100_000_000, closedSecond: 9 });
  });

  it('that is overpaid is credited with the whole amount, and later coins leave its second unchanged', async () => {
    await credit(5, [output('a', '150')]);
    await credit(50, [output('b', '1')]);
    expect(await shown()).toMatchObject({ status: 'succeeded', receivedMicros: 151_000_000, closedSecond: 5 });
    expect(await posted()).toBe(151_000_000);
  });

  it('whose output is reported ten times at once, with different letter case of its hash, is credited once', async () => {
    const both = [output('a', '60'), output('a', '40', 1)];
    const shouted = both.map((seen) => ({
      ...seen,
      transactionHash: seen.transactionHash.toUpperCase().replace('X', 'x'),
    }));
    await atOnce(10, (i) => credit(5 + i, i % 3 === 0 ? shouted : both.slice(0, 1 + (i % 2)), i % 2 ? two : one));
    await credit(30, both);
    expect((await references()).toSorted()).toEqual([`deposit/${dep}/0x${team}a/0`, `deposit/${dep}/0x${team}a/1`]);
    expect(await posted()).toBe(100_000_000);
    expect((await cryptoReceiptsOf(one.db, [dep])).get(dep)).toHaveLength(2);
    expect((await noticesOf(one.db, team)).map(({ kind }) => kind).toSorted()).toEqual([
      'deposit.succeeded',
      'deposit.succeeded',
      'deposit_receipt',
      'deposit_receipt',
    ]);
  });

  it('cannot be credited with an output that was credited to another deposit', async () => {
    await open(`${dep}_other`);
    const tries = await Promise.allSettled([
      credit(5, [output('a', '100')], one),
      credit(5, [output('a', '100')], two, `${dep}_other`),
    ]);
    expect(tries.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    await credit(6, [output('a', '100')], two, `${dep}_other`);
    await credit(6, [output('a', '100')]);
    expect(await posted()).toBe(100_000_000);
    expect(await references()).toHaveLength(1);
  });

  it('that received nothing expires once, and credits no team', async () => {
    expect(await expire(3600)).toMatchObject({ status: 'expired' });
    await expire(4000);
    expect(await shown()).toMatchObject({
      status: 'expired',
      closedSecond: 3600,
      failureCode: 'expired',
      receivedMicros: null,
    });
    expect(await references()).toEqual([]);
    expect(await noticesOf(one.db, team)).toEqual([]);
  });

  it('that is partly paid succeeds with the amount received when its page expires', async () => {
    await credit(5, [output('a', '60')]);
    await expire(3600);
    expect(await shown()).toMatchObject({ status: 'succeeded', receivedMicros: 60_000_000, closedSecond: 5 });
  });

  it('that has expired is credited with any late amount, at the second of that credit', async () => {
    await expire(3600);
    await credit(90_000, [output('a', '1')]);
    expect(await shown()).toMatchObject({
      status: 'succeeded',
      receivedMicros: 1_000_000,
      closedSecond: 90_000,
      failureCode: null,
    });
    await expire(90_001);
    expect(await shown()).toMatchObject({ status: 'succeeded', closedSecond: 90_000 });
  });

  it('pays the owed amount first', async () => {
    await one.deposit(team, '15', 1);
    const price = { inputMicrosPerMillion: parseDollars('1'), outputMicrosPerMillion: parseDollars('1') };
    const used = { model: 'm', project: null, inputTokens: 18_000_000, outputTokens: 0, atSecond: null, holdId: null };
    const events = [{ teamId: team, eventId: 'e', price, ...used }];
    await one.ledger.recordUsage({ events, receivedSecond: 2, causedBy: 'test' });
    await credit(5, [output('a', '100')]);
    expect(await posted()).toBe(97_000_000);
    expect((await billOf(one.db, team)).netMicros).toBe(97_000_000n);
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
  });
});

describe('notices of a crypto deposit', () => {
  const heard = async () => {
    const notices = await noticesOf(one.db, team);
    const about = { ...ABOUT, teamName: 'A team' };
    const sending = { db: one.db, settings: SETTINGS, about, nowSecond: 99 };
    const settings = { issuer: DEFAULT_ISSUER, minDepositMicros: MAIL_SETTINGS.minDepositMicros };
    const mails = notices.filter(({ channel }) => channel === 'mail');
    const events = notices.filter(({ channel }) => channel === 'event');
    return {
      mails: await Promise.all(
        mails.map(async (notice) => (await mailOfNotice({ ...sending, ...settings, notice }))?.text),
      ),
      events: await Promise.all(
        events.map(async (notice) => checked(await eventOfNotice(one.db, SETTINGS, notice)).data),
      ),
    };
  };

  it('are one for each receipt, with the requested amount where the received amount differs', async () => {
    await credit(5, [output('a', '60')]);
    const { mails, events } = await heard();
    expect(mails).toHaveLength(1);
    expect(mails[0]).toContain('$60.00 has been added');
    expect(mails[0]).toContain('asked for $100.00; $60.00 has arrived in all');
    expect(mails[0]).toContain('stays open for the rest');
    expect(mails[0]).toContain('USDC, by CopperX');
    expect(events).toMatchObject([
      {
        deposit: dep,
        status: 'pending',
        amount: '60.000000',
        expected: '100.000000',
        received: '60.000000',
        transaction: { hash: `0x${team}a`, output: 0 },
      },
    ]);
  });

  it('carry the stored receipt of their part, and go to the address for receipts too', async () => {
    const details = { company: null, address: null, taxId: null, reference: null, email: 'books@acme.example' };
    await setBillingDetails(one.db, team, { details, version: undefined, second: 1, actor: 'test' });
    await credit(5, [output('a', '60.50')]);
    await credit(9, [output('b', '39.50')]);
    const mails = (await noticesOf(one.db, team)).filter(({ channel }) => channel === 'mail');
    const { minDepositMicros } = MAIL_SETTINGS;
    const settings = { issuer: DEFAULT_ISSUER, minDepositMicros };
    const sending = { db: one.db, settings: SETTINGS, about: ABOUT, ...settings, nowSecond: 99 };
    const sent = await Promise.all(mails.map((notice) => mailOfNotice({ ...sending, notice })));
    expect(sent.map((mail) => mail?.attachments?.map(({ filename }) => filename))).toEqual([
      [`receipt-${team}-000001.pdf`],
      [`receipt-${team}-000002.pdf`],
    ]);
    expect(sent.map((mail) => mail?.cc)).toEqual(Array(2).fill({ name: '', address: 'books@acme.example' }));
    const [first, second] = sent.map((mail) => textOf(mail?.attachments?.[0]?.content ?? Buffer.of()));
    expect(first).toContain('USD 60.50');
    expect(second).toContain('USD 39.50');
    const kept = await one.db.paperFile.findUnique({ where: { paperId: `receipt/${team}-000001` } });
    expect(Buffer.from(kept?.content ?? []).equals(sent[0]?.attachments?.[0]?.content ?? Buffer.of())).toBe(true);
  });

  it('are one mail for each change by the provider, and none for a repeat or an operator’s change', async () => {
    await credit(5, [output('a', '100')]);
    await credit(5, [output('b', '20')]);
    const follow = (at: number, amount: string) =>
      one.ledger.correctCrypto({ depositId: dep, changed: [output('a', amount)], nowSecond: at }, 'test');
    const price = { inputMicrosPerMillion: parseDollars('1'), outputMicrosPerMillion: parseDollars('1') };
    const used = { ...usageEvent(team, `e_${team}`, 0), price, inputTokens: 90_000_000 };
    await one.ledger.recordUsage({ events: [used], receivedSecond: 5, causedBy: 'test' });
    for (const at of [6, 7]) await follow(at, '60');
    await follow(8, '70.5');
    const operators = { correctionId: `cor_${dep}`, depositId: dep, teamId: null, correctsReference: null };
    const of = { ...operators, amountMicros: micros(-1_000_000), note: 'by hand', actor: 'platform', nowSecond: 9 };
    await one.ledger.correctDeposit(of, 'test');

    const notices = (await noticesOf(one.db, team)).filter(({ kind }) => kind === 'deposit_corrected');
    expect(notices.map(({ channel, second }) => [channel, second])).toEqual([
      ['mail', 6],
      ['mail', 8],
    ]);
    const { minDepositMicros } = MAIL_SETTINGS;
    const sending = {
      db: one.db,
      settings: SETTINGS,
      about: ABOUT,
      issuer: DEFAULT_ISSUER,
      minDepositMicros,
      nowSecond: 99,
    };
    const [taken, added] = await Promise.all(notices.map((notice) => mailOfNotice({ ...sending, notice })));
    expect(taken?.subject).toContain('$40.00 of a deposit was taken back');
    expect(taken?.text).toContain('the payment provider reports another amount for the transaction');
    expect(taken?.text).toContain('There was no credit left for $10.00 of it');
    expect(taken?.attachments ?? []).toEqual([]);
    expect(added?.subject).toContain('$10.50 was added to a deposit');
    expect(added?.text).toContain('In all, $90.50 has been received for the deposit');
  });

  it('show no difference when there is none', async () => {
    await credit(5, [output('a', '100')]);
    const { mails } = await heard();
    expect(mails[0]).toContain('$100.00 has been added');
    expect(mails[0]).not.toContain('asked for');
  });

  it('say for an overpaid deposit that the whole amount is credit', async () => {
    await credit(5, [output('a', '150')]);
    const { mails } = await heard();
    expect(mails[0]).toContain('asked for $100.00; $150.00 has arrived in all, and all of it is credit');
    expect(mails[0]).not.toContain('stays open');
  });
});
