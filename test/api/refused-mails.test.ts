/** Tests mails that a mail server refused permanently, and a correction of the team’s address. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createMailer } from '../../activities/mail/mailer.ts';
import { type MailInbox, startMailInbox } from '../../embedded/mail/inbox.ts';
import { findNotice, markRefused, noticesOf } from '../../prisma/notices.ts';
import { MAIL_SETTINGS, SILENT } from '../activities/fixtures.ts';
import { type CommandedApi, SETTINGS, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let inbox: MailInbox;
let mailer: ReturnType<typeof createMailer>;

beforeAll(async () => {
  [api, inbox] = await Promise.all([startCommandedApi(), startMailInbox()]);
  mailer = createMailer({ db: api.db, settings: SETTINGS, smtpUrl: inbox.smtpUrl, ...MAIL_SETTINGS, log: SILENT });
});
afterAll(async () => {
  mailer.close();
  await Promise.all([api.close(), inbox.stop()]);
});

const now = () => Math.floor((Date.now() + api.clock.aheadMs) / 1000);

/** The mails that the watch of a team hands on at its next look. */
async function handedOn(teamId: string): Promise<string[]> {
  const { notices } = await api.world.ledger.lookAhead({ teamId, nowSecond: now() }, 'test');
  return notices.map(({ noticeId }) => noticeId);
}

/** A team that has paid in, whose receipt was refused for its address, and a mail that was sent. */
async function refused(): Promise<{ team: string; receipt: string }> {
  const team = await teamWith(api);
  const paymentMethod = (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' }))
    .body.id;
  const body = { amount: '20', method: 'card', paymentMethod };
  expect((await api.post(`/v1/teams/${team}/deposits`, body)).status).toBe(201);
  const notices = await noticesOf(api.db, team);
  const receipt = notices.find(({ kind }) => kind === 'deposit_receipt')?.id ?? '';
  await api.world.ledger.markTold({ teamId: team, exhaustions: [], noticeIds: notices.map(({ id }) => id) });
  await markRefused(api.db, receipt, now(), 'mail: 550 5.1.1');
  api.engine.sentWakes.length = 0;
  return { team, receipt };
}

it('A change of the address resends the refused mails to it, and wakes the watch', async () => {
  const { team, receipt } = await refused();
  const { status, body } = await api.send('PATCH', `/v1/teams/${team}`, { body: { email: `new@${team}.example` } });
  expect([status, body.email]).toEqual([200, `new@${team}.example`]);
  expect(api.engine.sentWakes).toContain(`watch ${team}`);
  expect(await handedOn(team)).toContain(receipt);
  await mailer.sendMail({ noticeId: receipt, nowSecond: now() });
  expect(inbox.messages().map(({ to, subject }) => [to, subject.slice(0, 11)])).toEqual([
    [[`new@${team}.example`], 'Receipt for'],
  ]);
  expect(await findNotice(api.db, receipt)).toMatchObject({ refusal: null, sentSecond: expect.any(Number) });
  await api.world.ledger.markTold({ teamId: team, exhaustions: [], noticeIds: [receipt] });
  // A mail that was sent is not sent again by another change.
  await api.send('PATCH', `/v1/teams/${team}`, { body: { email: `newer@${team}.example` } });
  expect(await handedOn(team)).not.toContain(receipt);
});

it('A change of the name or metadata, or a refused change of the address, resends no mail', async () => {
  const { team, receipt } = await refused();
  for (const [body, status] of [
    [{ name: 'Another' }, 200],
    [{ metadata: { plan: 'pro' } }, 200],
    [{ email: 'no address' }, 400],
  ] as const)
    expect((await api.send('PATCH', `/v1/teams/${team}`, { body })).status).toBe(status);
  expect(await handedOn(team)).not.toContain(receipt);
  expect(await findNotice(api.db, receipt)).toMatchObject({ refusal: 'mail: 550 5.1.1' });
});
