/** Tests the mails about refunds, disputes and owed amounts. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMailer } from '../../../activities/mail/mailer.ts';
import { eventOfNotice } from '../../../activities/platform/event-of-notice.ts';
import { type MailInbox, startMailInbox } from '../../../embedded/mail/inbox.ts';
import type { Message } from '../../../embedded/mail/message.ts';
import { createLedger, type Ledger } from '../../../ledger/index.ts';
import { updateDeposit } from '../../../prisma/deposits.ts';
import { findNotice, noticesOf } from '../../../prisma/notices.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../../simulate/settings.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, MAIL_SETTINGS, NOW, newDeposit, newTeam, SILENT } from '../fixtures.ts';

let database: TestDatabase;
let inbox: MailInbox;
let ledger: Ledger;

beforeAll(async () => {
  [database, inbox] = await Promise.all([newDatabase(), startMailInbox()]);
  ledger = createLedger({ db: database.db, settings: SETTINGS });
});
afterEach(() => inbox.clear());
afterAll(async () => {
  await inbox.stop();
  await database.close();
});

/** A team that has paid in $100 by a Visa. */
async function paid() {
  const { id: teamId } = await newTeam(database.db);
  const depositId = await newDeposit(database.db, { teamId, kind: 'confirmed' });
  await updateDeposit(database.db, depositId, { cardBrand: 'visa', cardLast4: '4242' });
  await ledger.creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
  return { teamId, depositId };
}

const use = (teamId: string, amount: number) =>
  ledger.recordUsage({
    events: [
      {
        ...{ teamId, eventId: `e${amount}`, model: 'm', project: null, atSecond: null, holdId: null, outputTokens: 0 },
        price: { inputMicrosPerMillion: dollars(1), outputMicrosPerMillion: dollars(1) },
        inputTokens: amount * 1_000_000,
      },
    ],
    receivedSecond: NOW,
    causedBy: 'test',
  });

async function refunded({ teamId, depositId }: { teamId: string; depositId: string }): Promise<string> {
  const refundId = `ref_of_${depositId}`;
  const call = { callId: 'c', receivedSecond: NOW, notAfterMs: 1, nowMs: 0 };
  await ledger.requestRefund({ refundId, teamId, depositId, amountMicros: null, actor: 'me', ...call }, 'test');
  await ledger.closeRefund({ refundId, outcome: 'succeeded', failureCode: null, nowSecond: NOW }, 'test');
  return refundId;
}

async function disputed({ depositId }: { depositId: string }, decided?: 'won' | 'lost') {
  const disputeId = `disp_of_${depositId}`;
  const dispute = { disputeId, depositId, stripeDisputeId: `du_${depositId}`, reason: 'fraudulent' };
  await ledger.openDispute({ ...dispute, amountMicros: dollars(100), nowSecond: NOW }, 'test');
  if (decided) await ledger.closeDispute({ disputeId, outcome: decided, nowSecond: NOW }, 'test');
}

/** The mail of the notice of a kind, and of a turn where the kind has several. */
async function mailOf(teamId: string, kind: string, turn?: string): Promise<Message> {
  const notices = await noticesOf(database.db, teamId);
  const notice = notices.find((each) => each.kind === kind && (turn === undefined || each.data.turn === turn));
  if (!notice) throw new Error(`there is no ${kind}`);
  const mailer = createMailer({
    db: database.db,
    settings: SETTINGS,
    smtpUrl: inbox.smtpUrl,
    ...MAIL_SETTINGS,
    log: SILENT,
  });
  await mailer.sendMail({ noticeId: notice.id, nowSecond: NOW });
  mailer.close();
  const mail = inbox.messages().at(-1);
  if (!mail) throw new Error('no mail came');
  return mail;
}

/** Both faces say it: the text, and the HTML without its tags. */
function says({ text, html }: Message, ...sentences: string[]): void {
  const plain = html
    .replace(/<head>[\s\S]*?<\/head>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&#39;', "'");
  for (const face of [text, plain].map((each) => each.replace(/\s+/g, ' ')))
    for (const sentence of sentences) expect(face).toContain(sentence);
}

describe('the mail of a refund', () => {
  it('shows the amount, the card, the expected arrival and the reason for a partial amount', async () => {
    const of = await paid();
    await use(of.teamId, 30);
    await refunded(of);
    const mail = await mailOf(of.teamId, 'refund', 'sent');
    expect(mail.subject).toBe('Refund of $70.00 (Acme)');
    says(
      mail,
      'your Visa ending in 4242',
      '5 to 10 business days',
      '$70.00 of the $100.00',
      'not been used',
      of.depositId,
    );
  });

  it('of the whole deposit says so', async () => {
    const of = await paid();
    await refunded(of);
    const mail = await mailOf(of.teamId, 'refund', 'sent');
    says(mail, 'The whole deposit has now been refunded.');
    expect(mail.text).not.toContain('not been used');
  });

  it('that was returned by the bank says that the amount is credit again', async () => {
    const of = await paid();
    const refundId = await refunded(of);
    const sentBack = { refundId, outcome: 'failed' as const, failureCode: 'expired_or_canceled_card' };
    await ledger.closeRefund({ ...sentBack, nowSecond: NOW + 9 }, 'test');
    says(await mailOf(of.teamId, 'refund', 'returned'), 'did not take the refund of $100.00', 'credit of Acme again');
  });
});

describe('the mail of a dispute', () => {
  it('that was opened shows the held amount and its effect', async () => {
    const of = await paid();
    await use(of.teamId, 40);
    await disputed(of);
    const mail = await mailOf(of.teamId, 'dispute', 'opened');
    says(
      mail,
      '$60.00 of the credit of Acme is held',
      "still belongs to Acme, and it can't be spent",
      'Credit that comes in is held first',
    );
  });

  it('that was won says that the credit is available again', async () => {
    const of = await paid();
    await disputed(of, 'won');
    says(await mailOf(of.teamId, 'dispute', 'won'), '$100.00 that was held of the credit of Acme is free again');
  });

  it('that was lost shows the taken and the owed amount', async () => {
    const of = await paid();
    await use(of.teamId, 40);
    await disputed(of, 'lost');
    says(
      await mailOf(of.teamId, 'dispute', 'lost'),
      '$60.00 of the credit of Acme has been taken',
      '$40.00 is owed now',
    );
  });
});

describe('an owed amount', () => {
  it('is mailed, and sent to the platform', async () => {
    const { teamId } = await paid();
    await use(teamId, 103);
    const mail = await mailOf(teamId, 'usage_owed');
    says(mail, '$3.00 is owed now', 'The next credit that comes in pays it first');
    const event = (await noticesOf(database.db, teamId)).find(({ kind }) => kind === 'usage.owed');
    const notice = await findNotice(database.db, event?.id ?? '');
    expect(notice && (await eventOfNotice(database.db, SETTINGS, notice))).toMatchObject({
      type: 'usage.owed',
      data: { team: teamId, owed: '3.000000' },
    });
  });
});
