/**
 * Tests the meaning of an SMTP server's refusal: the table of codes, and then the table against a real SMTP
 * conversation.
 */
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMailer } from '../../../activities/mail/mailer.ts';
import { enhancedCodes, RETRIED_CODES, smtpVerdict } from '../../../activities/mail/smtp-answers.ts';
import { type Answer, type MailInbox, startMailInbox } from '../../../embedded/mail/inbox.ts';
import { createLedger } from '../../../ledger/index.ts';
import { noticesOf } from '../../../prisma/notices.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../../simulate/settings.ts';
import { onAttempt } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { MAIL_SETTINGS, NOW, newDeposit, newTeam, SILENT } from '../fixtures.ts';

const answered = (command: string, response: string) =>
  smtpVerdict({ command, responseCode: Number(response.slice(0, 3)), response });

describe('a refusal of the recipient is final', () => {
  it.each([
    '550 5.1.1 The email account that you tried to reach does not exist',
    '550 5.1.1 relay policy: user unknown',
    '550 5.1.2 Bad destination system',
    '501 5.1.3 Bad recipient address syntax',
    '553 5.1.3 The recipient address is not a valid RFC 5321 address',
    '553 5.1.4 Ambiguous address',
    '551 5.1.6 Recipient has moved',
    '550 5.1.0 Address rejected',
    '556 5.1.10 Recipient address has a null MX',
    '550 5.2.1 The account is disabled',
    '554 5.2.1 Mailbox disabled, not accepting messages',
    '550-5.1.1 The email account that you tried to reach\n550-5.1.1 does not exist. Please check\n550 5.1.1 the spelling.',
    '550 User unknown',
    '550 No such user here',
    '550 No such mailbox',
    '550 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table',
    '550 Mailbox not found',
    "550 Requested action not taken: mailbox unavailable - user doesn't exist",
    '553 Invalid mailbox',
    '556 Domain does not accept mail',
  ])('%s', (response) => {
    expect(answered('RCPT TO', response)).toBe('refused');
  });

  it.each(['550 5.1.1 No such user', '550 5.2.1 Mailbox disabled'])('after the message, too: %s', (response) => {
    expect(answered('DATA', response)).toBe('refused');
  });
});

describe('a refusal is retried', () => {
  it.each([
    '554 5.7.1 Service unavailable; client host blocked',
    '550 5.7.1 Relaying denied',
    '550 5.7.26 Unauthenticated mail is prohibited',
    '550-5.7.1 Our system has detected that this message is\n550 5.7.1 likely unsolicited mail.',
    '530 5.7.0 Authentication required',
    '530 Authentication required',
    '503 5.5.1 Bad sequence of commands',
    '503 Bad sequence of commands',
    '552 5.2.2 Mailbox full',
    '552 Requested mail action aborted: exceeded storage allocation',
    '553 sorry, that domain is not in my list of allowed recipient hosts',
    '553 5.1.8 Sender domain not found',
    '550 5.1.7 Invalid sender address',
    '550 5.4.1 Recipient address rejected: Access denied',
    '550 5.4.4 Unable to route',
    '550 Requested action not taken: mailbox unavailable',
    '550 User unknown, or you are on our block list',
    '550 relay not permitted: no such user here',
    '550',
    '554 Transaction failed',
    '551 User not local',
    '501 Syntax error in parameters',
    '521 Host does not accept mail',
    '550-5.1.1 User unknown\n550 5.7.1 or blocked',
    '550 4.2.2 Over quota',
    '450 5.1.1 Greylisted',
    '450 4.2.1 Mailbox busy',
    '421 4.7.0 Try again later',
    '451 Local error in processing',
  ])('to RCPT TO: %s', (response) => {
    expect(answered('RCPT TO', response)).toBe('retry');
  });

  it.each([
    '554 5.7.1 Message rejected as spam',
    '552 5.3.4 Message too big',
    '550 5.6.0 Content rejected',
    '554 5.5.0 Transaction failed',
    '550 User unknown',
    '550 5.1.0 Sender denied',
  ])('after the message: %s', (response) => {
    expect(answered('DATA', response)).toBe('retry');
  });

  it.each(['CONN', 'EHLO', 'STARTTLS', 'AUTH PLAIN', 'MAIL FROM', 'RSET'])(
    'to %s, even with a code of the recipient, because the command is about the sender',
    (command) => {
      expect(answered(command, '550 5.1.1 No such user')).toBe('retry');
    },
  );

  it('without an answer', () => {
    expect(smtpVerdict({ command: 'RCPT TO', responseCode: undefined, response: undefined })).toBe('retry');
    expect(smtpVerdict({ command: undefined, responseCode: undefined, response: undefined })).toBe('retry');
  });

  it.each([...RETRIED_CODES])('with %s: %s', (code) => {
    expect(answered('RCPT TO', `550 ${code} words`)).toBe('retry');
  });
});

it('the enhanced code is found only at the beginning of each line', () => {
  expect(enhancedCodes('550-5.1.1 one\n550 5.1.1 two')).toEqual(['5.1.1']);
  expect(enhancedCodes('550 see 5.1.1 in RFC 3463')).toEqual([]);
  expect(enhancedCodes('550 10.5.1.1 is blocked')).toEqual([]);
  expect(enhancedCodes('554 5.7.26')).toEqual(['5.7.26']);
});

describe('a mail server whose TLS fails', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await newDatabase();
  });
  afterAll(() => database.close());

  /** A server on a free port. Its certificate is the library's own: it has expired, and nobody trusts it. */
  async function serve(options: SMTPServerOptions): Promise<{ port: number; close: () => Promise<void> }> {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const server = new SMTPServer({ authOptional: true, disableReverseLookup: true, ...options });
    server.on('error', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.server.address() as AddressInfo;
    const close = () => new Promise<void>((resolve) => server.close(() => resolve())).finally(() => warn.mockRestore());
    return { port, close };
  }

  it.each<[string, SMTPServerOptions, (port: number) => string, string]>([
    ['whose certificate is rejected', { secure: true }, (port) => `smtps://127.0.0.1:${port}`, 'CERT_HAS_EXPIRED'],
    ['whose certificate is rejected after STARTTLS', {}, (port) => `smtp://127.0.0.1:${port}`, 'CERT_HAS_EXPIRED'],
    [
      'that refuses STARTTLS',
      { disabledCommands: ['STARTTLS'] },
      (port) => `smtp://127.0.0.1:${port}?requireTLS=true`,
      'ETLS 500 to STARTTLS',
    ],
    [
      'that speaks no TLS',
      { disabledCommands: ['STARTTLS'] },
      (port) => `smtps://127.0.0.1:${port}`,
      'ERR_SSL_WRONG_VERSION_NUMBER',
    ],
  ])('%s is retried, and the log and the failure contain the reason', async (_, options, urlOf, reason) => {
    const { noticeId } = await receiptOf(database, 'ada@acme.test');
    const server = await serve(options);
    const logged: unknown[] = [];
    const log = { ...SILENT, warn: (...line: unknown[]) => void logged.push(line) };
    const mailer = createMailer({
      db: database.db,
      settings: SETTINGS,
      smtpUrl: urlOf(server.port),
      ...MAIL_SETTINGS,
      log,
    });
    const failure = await onAttempt(1, () => mailer.deliverMail({ noticeId, nowSecond: NOW })).catch((error) => error);
    mailer.close();
    await server.close();
    // The activity's failure is what the workflow shows while it tries again.
    expect(failure).toMatchObject({ type: 'mail_unavailable', nonRetryable: false });
    expect(failure.message).toContain(reason);
    expect(JSON.stringify(logged)).toContain(reason);
    expect(JSON.stringify([failure, logged])).not.toContain('ada@acme.test');
  });
});

/** The notice of a receipt that a team is to get by mail. */
async function receiptOf({ db }: TestDatabase, email: string): Promise<{ noticeId: string }> {
  const team = await newTeam(db, { email });
  const depositId = await newDeposit(db, { teamId: team.id, kind: 'confirmed' });
  await createLedger({ db, settings: SETTINGS }).creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
  const [notice] = await noticesOf(db, team.id);
  return { noticeId: notice?.id ?? '' };
}

describe('a mail that a real server refuses', () => {
  let database: TestDatabase;
  let inbox: MailInbox;
  beforeAll(async () => {
    [database, inbox] = await Promise.all([newDatabase(), startMailInbox()]);
  });
  afterEach(() => inbox.refuse(null));
  afterAll(async () => {
    await inbox.stop();
    await database.close();
  });

  async function failureOf(answer: Answer, attempt = 1): Promise<unknown> {
    const { noticeId } = await receiptOf(database, 'ada@acme.test');
    const logged: unknown[] = [];
    const keep = (...line: unknown[]) => void logged.push(line);
    const mailer = createMailer({
      db: database.db,
      settings: SETTINGS,
      smtpUrl: inbox.smtpUrl.replace('://', '://name:password@'),
      ...MAIL_SETTINGS,
      log: { ...SILENT, warn: keep, error: keep },
    });
    inbox.refuse(answer);
    try {
      await onAttempt(attempt, () => mailer.deliverMail({ noticeId, nowSecond: NOW }));
      return null;
    } catch (error) {
      expect(JSON.stringify([error, (error as Error).stack, logged])).not.toContain('ada@acme.test');
      return error;
    } finally {
      mailer.close();
    }
  }

  it.each<[Answer['at'], number, string]>([
    ['connect', 554, '5.7.1 no service for you'],
    ['auth', 535, '5.7.8 bad credentials'],
    ['mail', 550, '5.1.8 sender refused: ada@acme.test'],
    ['rcpt', 554, '5.7.1 blocked: ada@acme.test'],
    ['rcpt', 550, '5.7.26 unauthenticated'],
    ['rcpt', 530, '5.7.0 authentication required'],
    ['rcpt', 503, '5.5.1 bad sequence'],
    ['rcpt', 552, '5.2.2 mailbox of ada@acme.test is full'],
    ['rcpt', 450, '4.2.1 later'],
    ['data', 554, '5.7.1 content refused'],
    ['data', 552, '5.3.4 too big'],
  ])('at %s with %i %s is retried', async (at, code, text) => {
    const failure = await failureOf({ at, code, text });
    expect(failure).toMatchObject({ type: 'mail_unavailable', nonRetryable: false });
    expect((failure as Error).message).toContain(String(code));
  });

  it.each<[Answer['at'], number, string]>([
    ['rcpt', 550, '5.1.1 no such user: ada@acme.test'],
    ['rcpt', 550, '5.2.1 disabled'],
    ['data', 550, '5.1.1 no such user'],
  ])('at %s with %i %s is final, and the failure contains the codes', async (at, code, text) => {
    const failure = await failureOf({ at, code, text });
    expect(failure).toMatchObject({ type: 'mail_refused', nonRetryable: true });
    expect((failure as Error).message).toContain(`${code} ${text.slice(0, 5)}`);
  });

  it('for hours is retried once an hour if the server refuses the recipient or the message', async () => {
    const full: Answer = { at: 'rcpt', code: 452, text: '4.2.2 mailbox full' };
    expect(await failureOf(full, 29)).toMatchObject({ nextRetryDelay: undefined });
    expect(await failureOf(full, 30)).toMatchObject({ nextRetryDelay: '1 hour', nonRetryable: false });
    expect(await failureOf({ at: 'connect', code: 421, text: '4.3.2 later' }, 30)).toMatchObject({
      nextRetryDelay: undefined,
    });
  });
});
