/** Tests the mails before and at the end of a reservation's term. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMailer } from '../../../activities/mail/mailer.ts';
import { type MailInbox, startMailInbox } from '../../../embedded/mail/inbox.ts';
import type { Message } from '../../../embedded/mail/message.ts';
import { createLedger, type Ledger } from '../../../ledger/index.ts';
import { noticesOf } from '../../../prisma/notices.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../../simulate/settings.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, MAIL_SETTINGS, NOW, newTeam, SILENT } from '../fixtures.ts';

const DAY = 86_400;
/** A month after the fixtures' now. */
const APRIL = Date.parse('2026-04-01T00:00:00Z') / 1_000;

let database: TestDatabase;
let inbox: MailInbox;
let ledger: Ledger;
let names = 0;

beforeAll(async () => {
  [database, inbox] = await Promise.all([newDatabase(), startMailInbox()]);
  ledger = createLedger({ db: database.db, settings: SETTINGS });
});
afterEach(() => inbox.clear());
afterAll(async () => {
  await inbox.stop();
  await database.close();
});

function list(gpuType: string, hourly: number, effectiveFromSecond: number | null = null) {
  const each = dollars(hourly);
  const reservedMicros = { '1m': each, '3m': each, '6m': each, '12m': each };
  const price = { gpuType, region: 'eu', onDemandMicros: dollars(2 * hourly), spotMicros: each, reservedMicros };
  return ledger.changeGpuPrice({ price, effectiveFromSecond, actor: 'me', nowSecond: NOW });
}

/** A team that has reserved two for a month, $3 an hour together. */
async function reserved({ renew = false, credit = 9_000 } = {}) {
  names += 1;
  const { id: teamId } = await newTeam(database.db);
  const [gpuType, reservationId] = [`h100-${names}`, `resv_${names}`];
  await list(gpuType, 1.5);
  const grant = { teamId, grantId: `g${names}`, amountMicros: dollars(credit), note: '', nowSecond: NOW };
  await ledger.grant(grant, 'test');
  const spec = {
    id: reservationId,
    teamId,
    gpuType,
    region: 'eu',
    count: 2,
    term: '1m' as const,
    renew,
    requestHash: '',
  };
  const call = { callId: 'c', notAfterMs: 1, nowMs: 0, receivedSecond: NOW };
  await ledger.openReservation({ spec, ...call }, 'test');
  return { teamId, gpuType, reservationId };
}

/** The mails of a kind, sent: the last of them is answered. */
async function mailOf(teamId: string, kind: string, how?: string): Promise<Message> {
  const notices = (await noticesOf(database.db, teamId)).filter((each) => each.kind === kind);
  const notice = notices.findLast(({ data }) => how === undefined || data.how === how);
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

const plain = ({ text }: Message) => text.replace(/\s+/g, ' ');

describe('the mail before the end of a term', () => {
  it('announces the end a week ahead, with its time, the effect on instances, and the way to renew', async () => {
    const { teamId, gpuType, reservationId } = await reserved();
    await ledger.settleReservation({ reservationId, nowSecond: APRIL - 7 * DAY }, 'test');
    const mail = await mailOf(teamId, 'reservation_ending');
    expect(mail.subject).toBe(`Your reservation of 2 × ${gpuType} in eu ends in 7 days (Acme)`);
    for (const words of [
      `Your reservation of 2 × ${gpuType} in eu ends at 2026-04-01 00:00:00 UTC.`,
      'Instances that it covers run on, and are charged their own price from that second.',
      reservationId,
      '1 month',
      '$3.00 an hour',
      'If you still need the reservation, switch its renewal on before then.',
    ])
      expect(plain(mail)).toContain(words);
  });

  it('announces a renewal a day ahead, with the way to prevent it', async () => {
    const { teamId, gpuType, reservationId } = await reserved({ renew: true });
    await ledger.settleReservation({ reservationId, nowSecond: APRIL - DAY }, 'test');
    const mail = await mailOf(teamId, 'reservation_ending');
    expect(mail.subject).toBe(`Your reservation of 2 × ${gpuType} in eu is renewed in one day (Acme)`);
    for (const words of [
      'is over at 2026-04-01 00:00:00 UTC. It is then renewed for another 1 month, at the reserved price in force at that time.',
      'If you do not need the reservation any more, switch its renewal off before then.',
    ])
      expect(plain(mail)).toContain(words);
  });

  it('shows the state at the time of sending: a renewal that was switched on since', async () => {
    const { teamId, reservationId } = await reserved();
    await ledger.settleReservation({ reservationId, nowSecond: APRIL - DAY }, 'test');
    await ledger.setRenewal({ reservationId, renew: true, nowSecond: APRIL - DAY + 1 }, 'test');
    expect((await mailOf(teamId, 'reservation_ending')).subject).toContain('is renewed in one day');
  });
});

describe('the mail at the end of a term', () => {
  it('says that it has ended, and the charges from then on', async () => {
    const { teamId, gpuType } = await reserved();
    await ledger.lookAhead({ teamId, nowSecond: APRIL + 5 }, 'test');
    const mail = await mailOf(teamId, 'reservation_ended');
    expect(mail.subject).toBe(`Your reservation of 2 × ${gpuType} in eu has ended (Acme)`);
    expect(plain(mail)).toContain(
      'was over at 2026-04-01 00:00:00 UTC. Instances that it covered run on, and are charged their own price from that second.',
    );
  });

  it('shows the end and the rate of the new term after a renewal', async () => {
    const { teamId, gpuType } = await reserved({ renew: true });
    await list(gpuType, 2, APRIL);
    await ledger.lookAhead({ teamId, nowSecond: APRIL + 5 }, 'test');
    const mail = await mailOf(teamId, 'reservation_ended');
    expect(mail.subject).toBe(`Your reservation of 2 × ${gpuType} in eu was renewed (Acme)`);
    for (const words of [
      'was renewed at 2026-04-01 00:00:00 UTC: for another 1 month, until 2026-05-01 00:00:00 UTC, at $4.00 an hour',
      'the reserved price in force then',
    ])
      expect(plain(mail)).toContain(words);
    expect(plain(mail)).not.toContain('$3.00');
  });

  it('shows the reason when the renewal was not possible', async () => {
    const { teamId, gpuType } = await reserved({ renew: true });
    await ledger.withdrawGpuPrice({ pair: { gpuType, region: 'eu' }, actor: 'me', nowSecond: NOW + 5 });
    await ledger.lookAhead({ teamId, nowSecond: APRIL + 5 }, 'test');
    const mail = await mailOf(teamId, 'reservation_ended');
    expect(mail.subject).toBe(`Your reservation of 2 × ${gpuType} in eu has ended and could not be renewed (Acme)`);
    expect(plain(mail)).toContain('Its renewal was on, but this reservation is no longer offered.');
  });

  it('says after a lapse that credit was used up, that nothing more is owed, and the next step', async () => {
    const { teamId, gpuType } = await reserved({ credit: 36 });
    await ledger.lookAhead({ teamId, nowSecond: NOW + 2 * DAY }, 'test');
    const mail = await mailOf(teamId, 'reservation_ended');
    expect(mail.subject).toBe(`Your reservation of 2 × ${gpuType} in eu has lapsed (Acme)`);
    for (const words of [
      'lapsed at 2026-03-01 12:00:00 UTC: your credit was used up',
      'You owe nothing for the rest of the term.',
      'To reserve again, add credit and make a new reservation.',
    ])
      expect(plain(mail)).toContain(words);
    expect(plain(mail)).not.toContain('run on');
  });

  it('distinguishes a renewal and a lapse of the same second', async () => {
    const { teamId } = await reserved({ renew: true, credit: 3 * 31 * 24 });
    await ledger.lookAhead({ teamId, nowSecond: APRIL + DAY }, 'test');
    expect((await mailOf(teamId, 'reservation_ended', 'renewed')).subject).toContain('was renewed');
    expect((await mailOf(teamId, 'reservation_ended', 'lapsed')).subject).toContain('has lapsed');
  });
});
