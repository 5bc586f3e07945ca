/**
 * Tests which mails a fact causes and their content: a team receives one mail for one cause, with the part of the
 * amount that the cause is about.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createActivities } from '../../../activities/index.ts';
import { createMailer } from '../../../activities/mail/mailer.ts';
import { type Micros, micros } from '../../../billing/money.ts';
import { type Answer, type MailInbox, startMailInbox } from '../../../embedded/mail/inbox.ts';
import type { Message } from '../../../embedded/mail/message.ts';
import { createLedger, type Ledger } from '../../../ledger/index.ts';
import { setBillingDetails } from '../../../prisma/billing-details.ts';
import { updateDeposit } from '../../../prisma/deposits.ts';
import { claimNotice, findNotice, markRefused, noticesOf, reopenRefusedMails } from '../../../prisma/notices.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../../simulate/settings.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, MAIL_SETTINGS, NOW, newDeposit, newTeam, SILENT, worldOf } from '../fixtures.ts';

let database: TestDatabase;
let inbox: MailInbox;
let ledger: Ledger;
beforeAll(async () => {
  [database, inbox] = await Promise.all([newDatabase(), startMailInbox()]);
  ledger = createLedger({ db: database.db, settings: SETTINGS });
});
afterEach(async () => {
  inbox.refuse(null);
  await inbox.clear();
});
afterAll(async () => {
  await inbox.stop();
  await database.close();
});

async function paid(amount: number): Promise<{ teamId: string; depositId: string }> {
  const { id: teamId } = await newTeam(database.db);
  const depositId = await newDeposit(database.db, { teamId, kind: 'confirmed', amountMicros: dollars(amount) });
  await updateDeposit(database.db, depositId, { cardBrand: 'visa', cardLast4: '4242' });
  await ledger.creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
  return { teamId, depositId };
}

let uses = 0;
async function use(teamId: string, amountMicros: Micros): Promise<void> {
  uses += 1;
  const price = { inputMicrosPerMillion: dollars(1), outputMicrosPerMillion: dollars(1) };
  const event = {
    teamId,
    eventId: `e${uses}`,
    model: 'm',
    project: null,
    atSecond: null,
    holdId: null,
    outputTokens: 0,
  };
  const events = [{ ...event, price, inputTokens: amountMicros }];
  await ledger.recordUsage({ events, receivedSecond: NOW, causedBy: 'test' });
}

async function refund({ teamId, depositId }: { teamId: string; depositId: string }, amountMicros: Micros | null) {
  const refundId = `ref_of_${depositId}`;
  const call = { callId: 'c', receivedSecond: NOW, notAfterMs: 1, nowMs: 0 };
  await ledger.requestRefund({ refundId, teamId, depositId, amountMicros, actor: 'me', ...call }, 'test');
  await ledger.closeRefund({ refundId, outcome: 'succeeded', failureCode: null, nowSecond: NOW }, 'test');
}

async function dispute(depositId: string, amountMicros: Micros, decided?: 'won' | 'lost'): Promise<string> {
  const disputeId = `disp_of_${depositId}`;
  const opening = { disputeId, depositId, stripeDisputeId: `du_${depositId}`, reason: 'fraudulent', amountMicros };
  await ledger.openDispute({ ...opening, nowSecond: NOW }, 'test');
  if (decided) await ledger.closeDispute({ disputeId, outcome: decided, nowSecond: NOW }, 'test');
  return disputeId;
}

const kindsOf = async (teamId: string): Promise<string[]> =>
  (await noticesOf(database.db, teamId)).map(({ kind }) => kind).filter((kind) => !kind.startsWith('deposit'));

function mailer(warnings: string[] = []) {
  const keep = (fields: object, message: string) => void warnings.push(JSON.stringify([fields, message]));
  return createMailer({
    db: database.db,
    settings: SETTINGS,
    smtpUrl: inbox.smtpUrl,
    ...MAIL_SETTINGS,
    log: { ...SILENT, warn: keep, error: keep },
  });
}

async function idOf(teamId: string, kind: string, turn?: string): Promise<string> {
  const notices = await noticesOf(database.db, teamId);
  const found = notices.findLast((each) => each.kind === kind && (turn === undefined || each.data.turn === turn));
  if (!found) throw new Error(`${teamId} has no ${kind}`);
  return found.id;
}

async function mailOf(teamId: string, kind: string, turn?: string): Promise<Message> {
  const sender = mailer();
  await sender.deliverMail({ noticeId: await idOf(teamId, kind, turn), nowSecond: NOW }).finally(() => sender.close());
  const mail = inbox.messages().at(-1);
  if (!mail) throw new Error('no mail came');
  return mail;
}

describe('low credit', () => {
  it('after usage is mailed, and sent to the platform', async () => {
    const { teamId } = await paid(20);
    await use(teamId, dollars(15));
    expect(await kindsOf(teamId)).toEqual(['balance_low', 'balance.low']);
  });

  it.each<[string, (of: { teamId: string; depositId: string }) => Promise<unknown>, string]>([
    ['a full refund', (of) => refund(of, null), 'refund'],
    ['a partial refund', (of) => refund(of, dollars(15)), 'refund'],
    ['a dispute', ({ depositId }) => dispute(depositId, dollars(20)), 'dispute'],
    ['usage that is owed', ({ teamId }) => use(teamId, dollars(21)), 'usage_owed'],
  ])('after %s is sent to the platform and mailed once, in the mail of its cause', async (_name, act, kind) => {
    const of = await paid(20);
    await act(of);
    const kinds = await kindsOf(of.teamId);
    expect(kinds).toContain(kind);
    expect(kinds).toContain('balance.low');
    expect(kinds).not.toContain('balance_low');
  });

  it('after usage is mailed even if an earlier refund of the same team was mailed', async () => {
    const of = await paid(100);
    await refund(of, dollars(50));
    await use(of.teamId, dollars(45));
    expect(await kindsOf(of.teamId)).toContain('balance_low');
  });
});

describe('an amount that was owed, used or charged', () => {
  it('is never shown as zero: usage of $0.00001 without credit', async () => {
    const { id: teamId } = await newTeam(database.db);
    await use(teamId, micros(10));
    const { text, html } = await mailOf(teamId, 'usage_owed');
    for (const face of [text, html]) {
      expect(face).toContain('$0.00001');
      expect(face).not.toMatch(/\$0\.00(?!\d)/);
    }
  });
});

describe('a part of a deposit', () => {
  it('that was disputed and lost is shown as the part, beside the whole', async () => {
    const { teamId, depositId } = await paid(100);
    await dispute(depositId, dollars(20), 'lost');
    const { text } = await mailOf(teamId, 'dispute', 'lost');
    expect(text).toContain('give $20.00 of the deposit of $100.00 by your Visa ending in 4242 back');
    expect(text).toContain('$20.00 of the credit of Acme has been taken for it');
    expect(text).toContain('Credit now: $80.00');
  });

  it('without credit left is shown separately from other debts', async () => {
    const { teamId, depositId } = await paid(100);
    await use(teamId, dollars(103));
    await dispute(depositId, dollars(20), 'lost');
    const { text } = await mailOf(teamId, 'dispute', 'lost');
    expect(text).not.toContain('has been taken for it');
    expect(text).toContain('There was no credit left for $20.00 of it');
    expect(text).toContain('In all, $23.00 is owed now');
  });

  it('after a refund is no more than the rest, whatever amount the bank names', async () => {
    const of = await paid(100);
    await refund(of, dollars(70));
    await dispute(of.depositId, dollars(100));
    const { text } = await mailOf(of.teamId, 'dispute', 'opened');
    expect(text).toContain('that $30.00 of the deposit of $100.00');
    expect(text).toContain('you can lose no more than $30.00');
  });

  it('that was lost and then won is shown as credit again', async () => {
    const { teamId, depositId } = await paid(100);
    const disputeId = await dispute(depositId, dollars(20), 'lost');
    await ledger.closeDispute({ disputeId, outcome: 'won', nowSecond: NOW + 5 }, 'test');
    const mail = await mailOf(teamId, 'dispute', 'won');
    expect(mail.subject).toBe('The dispute was decided again: your payment stands (Acme)');
    expect(mail.text).toContain('$20.00 that had been taken for it is credit of Acme again');
  });

  it('that was refunded is shown with the total refunded and the rest of the deposit', async () => {
    const of = await paid(100);
    await refund(of, dollars(20));
    const { text } = await mailOf(of.teamId, 'refund', 'sent');
    expect(text).toContain('$20.00 of the deposit of $100.00 that Acme made');
    expect(text).toContain('In all, $20.00 of the $100.00 has been refunded, and $80.00 has not.');
  });

  it('that was refunded at the provider without credit is shown as owed', async () => {
    const { teamId, depositId } = await paid(100);
    await use(teamId, dollars(90));
    const refundId = `ref_at_provider_${depositId}`;
    const found = { refundId, depositId, stripeRefundId: `re_${depositId}`, namedRefundId: null };
    await ledger.bookRefund({ ...found, amountMicros: dollars(30), nowSecond: NOW }, 'test');
    await ledger.closeRefund({ refundId, outcome: 'succeeded', failureCode: null, nowSecond: NOW }, 'test');
    const { text } = await mailOf(teamId, 'refund', 'sent');
    expect(text).toContain('$10.00 of the refund was taken from credit');
    expect(text).toContain('no credit left for $20.00 of it');
    expect(text).toContain('In all, $20.00 is owed now');
  });
});

it('an auto top-up shows the threshold that it was charged for, and not a later threshold', async () => {
  const { teamId } = await paid(30);
  const policy = { enabled: true, amountMicros: dollars(50), paymentMethodId: 'pm_1', monthlyCapMicros: null };
  const set = (threshold: number, nowSecond: number) =>
    ledger.setPolicy(
      { teamId, policy: { ...policy, thresholdMicros: dollars(threshold) }, actor: 'me', nowSecond },
      'test',
    );
  await set(35, NOW);
  await set(7, NOW + 1);
  await ledger.creditDeposit({ depositId: `dep_${teamId}_top_up_1`, nowSecond: NOW + 2, receiptUrl: null }, 'test');
  const { text } = await mailOf(teamId, 'auto_top_up_charged');
  expect(text).toContain('fell below your threshold of $35.00, so auto top-up charged $50.00');
});

describe('a mail with a copy for the address for receipts', () => {
  async function withCopy(): Promise<{ noticeId: string; teamId: string }> {
    const { teamId } = await paid(50);
    const details = { company: null, address: null, taxId: null, reference: null, email: 'books@acme.test' };
    await setBillingDetails(database.db, teamId, { details, version: undefined, second: NOW, actor: 'test' });
    return { teamId, noticeId: await idOf(teamId, 'deposit_receipt') };
  }
  const only = (to: string): Answer => ({ at: 'rcpt', code: 554, text: '5.7.1 blocked', to });
  const receivers = () => inbox.messages().map(({ to }) => to);

  it('goes to both addresses, in two separate mails', async () => {
    const sender = mailer();
    await sender.deliverMail({ noticeId: (await withCopy()).noticeId, nowSecond: NOW });
    sender.close();
    expect(receivers()).toEqual([['billing@acme.test'], ['books@acme.test']]);
  });

  it('reaches the team when the copy is refused, and the refusal is logged', async () => {
    const warnings: string[] = [];
    const sender = mailer(warnings);
    inbox.refuse(only('books@acme.test'));
    await sender.deliverMail({ noticeId: (await withCopy()).noticeId, nowSecond: NOW });
    sender.close();
    expect(receivers()).toEqual([['billing@acme.test']]);
    expect(warnings.join()).toContain('the copy of a mail was not sent');
    expect(warnings.join()).not.toContain('books@acme.test');
  });
});

describe('a permanently refused mail', () => {
  it('is started again after a change of the team’s address, unless it was sent', async () => {
    const { teamId } = await paid(50);
    await use(teamId, dollars(45));
    const refused = await idOf(teamId, 'deposit_receipt');
    const waiting = await idOf(teamId, 'balance_low');
    const ids = (await noticesOf(database.db, teamId)).map(({ id }) => id);
    await ledger.markTold({ teamId, exhaustions: [], noticeIds: ids });
    await markRefused(database.db, refused, NOW, 'mail: 550 5.1.1');
    await markRefused(database.db, waiting, NOW, 'mail: 550 5.1.1');
    await ledger.markNoticeSent({ noticeId: waiting, nowSecond: NOW });

    expect(await reopenRefusedMails(database.db, teamId)).toBe(1);
    const { notices } = await ledger.lookAhead({ teamId, nowSecond: NOW }, 'test');
    expect(notices.map(({ noticeId }) => noticeId)).toEqual([refused]);
    expect(await findNotice(database.db, refused)).toMatchObject({ refusal: null, refusedSecond: null });
  });

  it('loses its refusal when it is claimed again', async () => {
    const { teamId } = await paid(50);
    const id = await idOf(teamId, 'deposit_receipt');
    await markRefused(database.db, id, NOW, 'mail: 550 5.1.1');
    expect(await claimNotice(database.db, id, NOW + 9)).toBe(true);
    expect(await findNotice(database.db, id)).toMatchObject({ refusal: null, claimedSecond: NOW + 9 });
    await ledger.markNoticeSent({ noticeId: id, nowSecond: NOW + 10 });
    expect(await ledger.claimNotice({ noticeId: id, nowSecond: NOW + 11 })).toBe('sent');
    const { billing } = createActivities(worldOf({ ledger }));
    await expect(billing.claimNotice({ noticeId: 'none', nowSecond: NOW })).rejects.toMatchObject({
      type: 'no_such_notice',
      nonRetryable: true,
    });
  });
});
