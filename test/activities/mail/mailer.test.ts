/** Tests the mails: their content for each notice, and their delivery by SMTP with retries. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMailer, type MailerWorld } from '../../../activities/mail/mailer.ts';
import { micros } from '../../../billing/money.ts';
import { type MailInbox, startMailInbox } from '../../../embedded/mail/inbox.ts';
import type { Message } from '../../../embedded/mail/message.ts';
import { createLedger } from '../../../ledger/index.ts';
import { updateDeposit } from '../../../prisma/deposits.ts';
import type { InstanceSpec } from '../../../prisma/instances.ts';
import { type MailKind, noticesOf } from '../../../prisma/notices.ts';
import { savePaymentMethod } from '../../../prisma/payment-methods.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../../simulate/settings.ts';
import { onAttempt, untilAnswered } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, MAIL_SETTINGS, NOW, newDeposit, newTeam } from '../fixtures.ts';

let database: TestDatabase;
let inbox: MailInbox;
let logged: string[];
let senders: ReturnType<typeof createMailer>[] = [];

beforeAll(async () => {
  [database, inbox] = await Promise.all([newDatabase(), startMailInbox()]);
});
afterEach(async () => {
  inbox.refuse(null);
  for (const sender of senders) sender.close();
  senders = [];
  await inbox.clear();
});
afterAll(async () => {
  await inbox.stop();
  await database.close();
});

function mailer(smtpUrl = inbox.smtpUrl, change: Pick<MailerWorld, 'replyTo'> = {}) {
  logged = [];
  const keep = (fields: object, message: string) => void logged.push(JSON.stringify([fields, message]));
  const sender = createMailer({
    db: database.db,
    settings: SETTINGS,
    smtpUrl,
    ...MAIL_SETTINGS,
    ...change,
    log: { debug: keep, info: keep, warn: keep, error: keep },
  });
  senders.push(sender);
  return sender;
}

const ledger = () => createLedger({ db: database.db, settings: SETTINGS });

async function funded(amount: number, about: { name?: string; email?: string } = {}) {
  const team = await newTeam(database.db, about);
  const depositId = await newDeposit(database.db, {
    teamId: team.id,
    kind: 'confirmed',
    amountMicros: dollars(amount),
  });
  const receiptUrl = 'https://pay.stripe.test/receipts/1';
  await updateDeposit(database.db, depositId, { cardBrand: 'visa', cardLast4: '4242' });
  await ledger().creditDeposit({ depositId, nowSecond: NOW, receiptUrl }, 'test');
  return { ...team, depositId };
}

async function start(teamId: string, id: string, hourly: number, change: Partial<InstanceSpec> = {}, at = NOW) {
  const spec = {
    id,
    teamId,
    project: null,
    gpuType: 'H100',
    region: 'us-east-1',
    pricing: 'on_demand' as const,
    hourlyMicros: micros(hourly * 1_000_000),
    shedOrder: null,
    resumedFrom: null,
    requestHash: id,
    ...change,
  };
  const call = { callId: id, notAfterMs: Number.MAX_SAFE_INTEGER, nowMs: 0, receivedSecond: at };
  await ledger().admitInstance({ spec, rateMicrosPerHour: micros(hourly * 1_000_000), ...call }, 'test');
}

async function noticeId(teamId: string, kind: string): Promise<string> {
  const found = (await noticesOf(database.db, teamId)).find((notice) => notice.kind === kind);
  if (!found) throw new Error(`${teamId} has no ${kind}`);
  return found.id;
}

async function mailOf(teamId: string, kind: MailKind, nowSecond = NOW): Promise<Message> {
  const id = await noticeId(teamId, kind);
  const sender = mailer();
  await sender.sendMail({ noticeId: id, nowSecond });
  sender.close();
  const mail = inbox.messages().at(-1);
  if (!mail) throw new Error('no mail came');
  return mail;
}

/** Both faces of a mail, the HTML without its tags: each must say everything. */
function faces({ text, html }: Message): string[] {
  const plain = html
    .replace(/<head>[\s\S]*?<\/head>/, '')
    .replace(/<a href="([^"]+)"/g, '$1 <a')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&amp;', '&')
    .replaceAll('&#39;', "'");
  return [text, plain].map((face) => face.replace(/\s+/g, ' '));
}

const header = (mail: Message, name: string) =>
  mail.headers.find((header) => header.name.toLowerCase() === name.toLowerCase())?.value;

describe('the mails contain, in text and HTML alike,', () => {
  it('for a receipt: the amount, time, payment method, new balance, receipt and its link', async () => {
    const { id, depositId } = await funded(100);
    const mail = await mailOf(id, 'deposit_receipt');
    expect(mail.to).toEqual(['billing@acme.test']);
    expect(mail.from).toContain('billing@burnrate.test');
    expect(mail.subject).toBe('Receipt for your deposit of $100.00 (Acme)');
    for (const face of faces(mail))
      for (const fact of [
        '$100.00',
        '2026-03-01 00:00:00 UTC',
        'Visa ending in 4242',
        depositId,
        'https://pay.stripe.test/receipts/1',
        'https://burnrate.test/billing',
        'nothing is running',
      ])
        expect(face).toContain(fact);
  });

  async function attempt(card: { brand: string; last4: string } | null, failureCode: string | null) {
    const { id: teamId } = await funded(20);
    await start(teamId, `inst_${teamId}`, 2);
    const { db } = database;
    await db.account.update({
      where: { teamId },
      data: {
        policyEnabled: true,
        policyThresholdMicros: dollars(50),
        policyAmountMicros: dollars(100),
      },
    });
    const { attemptDepositId: depositId } = await ledger().openAttempt({ teamId, nowSecond: NOW }, 'test');
    const outcome = { depositId: depositId ?? '', nowSecond: NOW };
    if (card) await updateDeposit(db, outcome.depositId, { cardBrand: card.brand, cardLast4: card.last4 });
    if (failureCode === null) await ledger().creditDeposit({ ...outcome, receiptUrl: null }, 'test');
    else await ledger().failDeposit({ ...outcome, status: 'failed', failureCode }, 'test');
    return { teamId, depositId: depositId ?? '' };
  }

  it('for a charged auto top-up: the amount, new balance and card', async () => {
    const { teamId, depositId } = await attempt({ brand: 'mastercard', last4: '4444' }, null);
    const mail = await mailOf(teamId, 'auto_top_up_charged');
    expect(mail.subject).toBe('Auto top-up charged $100.00 (Acme)');
    for (const face of faces(mail))
      for (const fact of ['$100.00', '$120.00', 'Mastercard ending in 4444', depositId, '2026-03-03 12:00:00 UTC'])
        expect(face).toContain(fact);
  });

  it('for a failed auto top-up: the amount, card, reason, next step, and the end of credit', async () => {
    const { teamId, depositId } = await attempt({ brand: 'visa', last4: '0341' }, 'insufficient_funds');
    const mail = await mailOf(teamId, 'auto_top_up_failed');
    expect(mail.subject).toBe('Auto top-up failed and is now off (Acme)');
    for (const face of faces(mail))
      for (const fact of [
        '$100.00',
        'Visa ending in 0341',
        'does not have enough funds',
        'You have not been charged',
        'is now off',
        'Add credit with another card',
        'runs out at 2026-03-01 10:00:00 UTC, in 10 h',
        depositId,
        'https://burnrate.test/billing',
      ])
        expect(face).toContain(fact);
  });

  it('for a failure without a fault of the card: that the card is not the cause', async () => {
    const { teamId } = await attempt(null, 'provider_rejected');
    for (const face of faces(await mailOf(teamId, 'auto_top_up_failed')))
      expect(face).toContain('the cause is not your card');
  });

  it('for low credit: how long the credit lasts', async () => {
    const { id: teamId } = await funded(13);
    await start(teamId, `inst_${teamId}`, 3);
    await ledger().lookAhead({ teamId, nowSecond: NOW + 3601 }, 'test');
    const mail = await mailOf(teamId, 'balance_low', NOW + 3700);
    expect(mail.subject).toBe('Credit is below $10.00 (Acme)');
    for (const face of faces(mail))
      for (const fact of ['2026-03-01 01:00:01 UTC', '$3.00 an hour', 'runs out at 2026-03-01 04:20:00 UTC', '$9.91'])
        expect(face).toContain(fact);
  });

  it('for used-up credit: every stopped instance with its time and its cost', async () => {
    const { id: teamId } = await funded(5);
    await start(teamId, `inst_a_${teamId}`, 2);
    await start(teamId, `inst_b_${teamId}`, 3);
    await ledger().lookAhead({ teamId, nowSecond: NOW + 9000 }, 'test');
    const mail = await mailOf(teamId, 'credits_exhausted', NOW + 9000);
    for (const face of faces(mail))
      for (const fact of [
        `inst_a_${teamId}`,
        `inst_b_${teamId}`,
        'H100',
        'us-east-1',
        '2026-03-01 00:00:00 UTC',
        '2026-03-01 01:00:00 UTC',
        '1 h',
        '$2.00',
        '$3.00',
        '2 instances were stopped',
      ])
        expect(face).toContain(fact);
  });

  it('for credit that is running out: the stopped instance, the running instances with their end, and the link to the order', async () => {
    const { id: teamId } = await funded(5);
    // $1 a second and $3.60 an hour: after 4 of those $0.996 are left, 996 seconds of the cheap one.
    await start(teamId, `render_${teamId}`, 3600, { shedOrder: 1 });
    await start(teamId, `serve_${teamId}`, 3.6);
    await ledger().lookAhead({ teamId, nowSecond: NOW + 5 }, 'test');
    const mail = await mailOf(teamId, 'credits_exhausted', NOW + 10);
    expect(mail.subject).toBe(`Credit is running out: render_${teamId} was stopped (Acme)`);
    for (const face of faces(mail)) {
      for (const fact of [
        `render_${teamId}`,
        '2026-03-01 00:00:04 UTC',
        'one instance was stopped',
        '$4.00',
        `serve_${teamId}`,
        'credit ends at 2026-03-01 00:16:40 UTC',
        '$0.99',
        'order in which instances end',
        'https://burnrate.test/billing',
      ])
        expect(face).toContain(fact);
      expect(face.indexOf(`render_${teamId}`)).toBeLessThan(face.indexOf('run on'));
      expect(face.indexOf(`serve_${teamId}`)).toBeGreaterThan(face.indexOf('run on'));
    }
  });

  it('for several instances stopped by the order: their number, and that free instances run on without an end', async () => {
    const { id: teamId } = await funded(5);
    await start(teamId, `a_${teamId}`, 1800, { shedOrder: 1 });
    await start(teamId, `b_${teamId}`, 1800, { shedOrder: 1 });
    await start(teamId, `free_${teamId}`, 0);
    await ledger().lookAhead({ teamId, nowSecond: NOW + 10 }, 'test');
    const mail = await mailOf(teamId, 'credits_exhausted', NOW + 10);
    expect(mail.subject).toBe('Credit is running out: 2 instances were stopped (Acme)');
    for (const face of faces(mail)) expect(face).toContain('These run on and use no credit');
  });

  it('for instances that the order spared and that have ended since: that credit is used up, without instances started later', async () => {
    const { id: teamId } = await funded(5);
    await start(teamId, `render_${teamId}`, 3600, { shedOrder: 1 });
    await start(teamId, `serve_${teamId}`, 360);
    await ledger().lookAhead({ teamId, nowSecond: NOW + 5 }, 'test');
    await ledger().lookAhead({ teamId, nowSecond: NOW + 50 }, 'test');
    const grant = { teamId, grantId: `grant_${teamId}`, amountMicros: dollars(50), note: 'more' };
    await ledger().grant({ ...grant, nowSecond: NOW + 60 }, 'test');
    await start(teamId, `new_${teamId}`, 1, {}, NOW + 60);
    const mail = await mailOf(teamId, 'credits_exhausted', NOW + 70);
    expect(mail.subject).toBe('Credit used up: your instances were stopped (Acme)');
    for (const face of faces(mail)) expect(face).not.toContain(`new_${teamId}`);
  });

  it('for a reclaimed spot instance: its id, the time, the cost until then, and the next step', async () => {
    const { id: teamId } = await funded(50);
    const instanceId = `spot_${teamId}`;
    await start(teamId, instanceId, 1, { pricing: 'spot' });
    await ledger().announceReclaim({ instanceId, reclaimSecond: NOW + 3_725, nowSecond: NOW + 5 }, 'test');
    const mail = await mailOf(teamId, 'spot_reclaim', NOW + 6);
    expect(mail.to).toEqual(['billing@acme.test']);
    expect(mail.subject).toBe(`Spot instance ${instanceId} will be reclaimed (Acme)`);
    for (const face of faces(mail))
      for (const fact of [
        instanceId,
        'H100',
        'us-east-1',
        'ends at 2026-03-01 01:02:05 UTC',
        'charged to that second and no further',
        'Save what you need',
        'on-demand instances are not reclaimed',
        `https://burnrate.test/billing?team=${teamId}`,
      ])
        expect(face).toContain(fact);
  });

  it('for a reached cap: the cap, the amount and the end of the month', async () => {
    const { id: teamId } = await funded(20);
    const policy = {
      enabled: true,
      thresholdMicros: dollars(10),
      amountMicros: dollars(100),
      paymentMethodId: 'pm_1',
      monthlyCapMicros: dollars(150),
    };
    const set = (nowSecond: number, cap = policy.monthlyCapMicros) =>
      ledger().setPolicy({ teamId, policy: { ...policy, monthlyCapMicros: cap }, actor: 'me', nowSecond }, 'test');
    await set(NOW);
    await start(teamId, `inst_${teamId}`, 60);
    await ledger().lookAhead({ teamId, nowSecond: NOW + 601 }, 'test');
    const depositId = `dep_${teamId}_top_up_1`;
    expect((await noticesOf(database.db, teamId)).map(({ kind }) => kind)).not.toContain('auto_top_up_capped');
    await ledger().creditDeposit({ depositId, nowSecond: NOW + 602, receiptUrl: null }, 'test');
    // Put in force once more it is the same month and cap, and so the same mail.
    await set(NOW + 603);
    await set(NOW + 604, dollars(500));
    const kinds = (await noticesOf(database.db, teamId)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'auto_top_up_capped')).toHaveLength(1);
    for (const face of faces(await mailOf(teamId, 'auto_top_up_capped')))
      for (const fact of ['$150.00', '$100.00', '2026-04-01 00:00:00 UTC']) expect(face).toContain(fact);
  });

  it('for a default card that is about to expire: its expiry and the effect', async () => {
    const { id: teamId } = await funded(20);
    const card = { id: `pm_${teamId}`, teamId, stripePaymentMethodId: `pm_at_${teamId}`, fingerprint: null };
    const seen = { brand: 'visa', last4: '4242', expMonth: 3, expYear: 2026, createdSecond: NOW };
    await savePaymentMethod(database.db, { ...card, ...seen });
    await ledger().lookAhead({ teamId, nowSecond: NOW + 86_399 }, 'test');
    const mail = await mailOf(teamId, 'card_expiring', NOW + 86_400);
    expect(mail.subject).toBe('Your Visa ending in 4242 is about to expire (Acme)');
    for (const face of faces(mail))
      for (const fact of ['03/2026', '2026-03-31 23:59:59 UTC', 'cannot be used to add credit'])
        expect(face).toContain(fact);
  });

  it('for a charge or a deposit: the receipt as a numbered PDF', async () => {
    const { id: teamId } = await funded(20);
    const mail = await mailOf(teamId, 'deposit_receipt');
    const [receipt] = mail.attachments;
    expect(receipt).toMatchObject({ filename: `receipt-${teamId}-000001.pdf`, mimeType: 'application/pdf' });
    expect(mail.attachments).toHaveLength(1);
    for (const face of faces(mail)) expect(face).toContain(`${teamId}-000001`);
  });

  it('a team’s name, escaped, with any characters', async () => {
    const name = `<b>O'Hara & "Sons"</b>\r\nBcc: a@evil.test`;
    const { id } = await funded(100, { name });
    const mail = await mailOf(id, 'deposit_receipt');
    expect(mail.to).toEqual(['billing@acme.test']);
    expect(mail.html).toContain('&lt;b&gt;O&#39;Hara &amp; &quot;Sons&quot;&lt;/b&gt;');
    expect(mail.html).not.toContain('<b>');
    expect(mail.text).toContain(`<b>O'Hara & "Sons"</b>`);
    expect(header(mail, 'bcc')).toBeUndefined();
  });

  it('no second recipient for an address with a comma', async () => {
    const { id } = await funded(100, { email: 'a@acme.test, b@evil.test' });
    const sent = mailer().sendMail({ noticeId: await noticeId(id, 'deposit_receipt'), nowSecond: NOW });
    await sent.catch(() => {});
    expect(inbox.messages().flatMap(({ to }) => to)).not.toContain('b@evil.test');
  });
});

describe('mails are sent', () => {
  it('with the headers of automatic mails', async () => {
    const { id } = await funded(100);
    const mail = await mailOf(id, 'deposit_receipt');
    expect(header(mail, 'auto-submitted')).toBe('auto-generated');
    expect(header(mail, 'x-auto-response-suppress')).toBe('OOF, AutoReply');
    // A List-Id without List-Unsubscribe would make a newsletter of it.
    expect(header(mail, 'list-id')).toBeUndefined();
    expect(header(mail, 'reply-to')).toBeUndefined();
    expect(header(mail, 'message-id')).toMatch(/^<[0-9a-f]{32}@burnrate\.test>$/);
  });

  it('with the address for replies, if it is set', async () => {
    const { id } = await funded(100);
    const replyTo = { name: 'Acme Cloud Support', address: 'support@acme-cloud.test' };
    await mailer(inbox.smtpUrl, { replyTo }).sendMail({
      noticeId: await noticeId(id, 'deposit_receipt'),
      nowSecond: NOW,
    });
    const [mail] = inbox.messages();
    expect(header(mail as Message, 'reply-to')).toBe('Acme Cloud Support <support@acme-cloud.test>');
  });

  it('once for any number of requests', async () => {
    const { id } = await funded(100);
    const sender = mailer();
    const input = { noticeId: await noticeId(id, 'deposit_receipt'), nowSecond: NOW };
    await sender.sendMail(input);
    await sender.sendMail(input);
    expect(inbox.messages()).toHaveLength(1);
  });

  it.each(['4xx', 'drop'] as const)('again after a fault of the server (%s), and then once', async (illness) => {
    const { id } = await funded(100);
    const sender = mailer();
    const noticeIdOf = await noticeId(id, 'deposit_receipt');
    inbox.refuse(illness);
    const { failures } = await untilAnswered(
      () => sender.sendMail({ noticeId: noticeIdOf, nowSecond: NOW }),
      (count) => {
        if (count === 2) inbox.refuse(null);
      },
    );
    expect(failures).toHaveLength(2);
    expect(failures[0]).toMatchObject({ type: 'mail_unavailable', nonRetryable: false });
    expect(inbox.messages()).toHaveLength(1);
  });

  it('over the connection of the last mail, because a new connection and login take longer than a mail', async () => {
    const sender = mailer();
    for (const illness of [null, 'drop'] as const) {
      const { id } = await funded(100);
      inbox.refuse(illness);
      await sender.sendMail({ noticeId: await noticeId(id, 'deposit_receipt'), nowSecond: NOW });
    }
    expect(inbox.messages()).toHaveLength(2);
  });

  it('again after the server was down', async () => {
    const away = await startMailInbox();
    const smtpPort = Number(new URL(away.smtpUrl).port);
    await away.stop();
    const { id } = await funded(100);
    const sender = mailer(away.smtpUrl);
    const noticeIdOf = await noticeId(id, 'deposit_receipt');
    let back: MailInbox | undefined;
    const { failures } = await untilAnswered(
      () => sender.sendMail({ noticeId: noticeIdOf, nowSecond: NOW }),
      async () => {
        back = await startMailInbox({ smtpPort });
      },
    );
    expect(failures).toHaveLength(1);
    expect(back?.messages()).toHaveLength(1);
    await back?.stop();
  });

  it('with the same message id when the server’s answer to the first try was lost', async () => {
    const { id } = await funded(100);
    const sender = mailer();
    const noticeIdOf = await noticeId(id, 'deposit_receipt');
    inbox.refuse('drop-after');
    await untilAnswered(
      () => sender.sendMail({ noticeId: noticeIdOf, nowSecond: NOW }),
      () => inbox.refuse(null),
    );
    const ids = inbox.messages().map((mail) => header(mail, 'message-id'));
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  it('without further tries to a refused recipient, and without the recipient in the failure', async () => {
    const { id, email } = await funded(100);
    const noticeIdOf = await noticeId(id, 'deposit_receipt');
    inbox.refuse('5xx');
    const sent = onAttempt(1, () => mailer().sendMail({ noticeId: noticeIdOf, nowSecond: NOW }));
    const failure = await sent.catch((error: unknown) => error);
    expect(failure).toMatchObject({
      nonRetryable: true,
      message: 'mail: the server refused the recipient for good (EENVELOPE 550 to RCPT TO)',
    });
    expect(JSON.stringify([failure, (failure as Error).stack, logged])).not.toContain(email);
    expect(inbox.messages()).toEqual([]);
  });

  it('with no address or name in the log', async () => {
    const { id, email, name } = await funded(100);
    await mailOf(id, 'deposit_receipt');
    expect(logged).toHaveLength(1);
    expect(logged.join()).not.toContain(email);
    expect(logged.join()).not.toContain(name);
  });

  it('never for an unknown notice', async () => {
    await expect(mailer().sendMail({ noticeId: 'none', nowSecond: NOW })).rejects.toMatchObject({ nonRetryable: true });
  });
});
