/** Tests that each failure reason has the same text in the API’s error, the deposit, the history, mails and events. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { autoTopUpFailed } from '../../activities/mail/auto-top-up-failed.ts';
import { refundMail } from '../../activities/mail/refund.ts';
import { eventOfNotice } from '../../activities/platform/event-of-notice.ts';
import { isDecline, PAYMENT_FAILURES, REFUND_FAILURES, switchesTopUpOff } from '../../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords, refundFailureWords } from '../../billing/failure-words.ts';
import { micros } from '../../billing/money.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { ABOUT } from '../activities/fixtures.ts';
import { documentedContract } from '../support/contract.ts';
import { type CommandedApi, SETTINGS, startCommandedApi, teamWith } from './support.ts';

const contract = documentedContract();

let api: CommandedApi;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api?.close());

const nowSecond = () => Math.floor(Date.now() / 1000);
const RUNWAY = {
  asOfSecond: 1_800_000_000,
  availableMicros: micros(0),
  burnMicrosPerHour: micros(0),
  runsOutSecond: null,
};
const PAYMENT = {
  depositId: 'dep_1',
  amountMicros: micros(50_000_000),
  second: 1_800_000_000,
  card: { brand: 'visa', last4: '4242' },
  receiptNumber: null,
};

/** A team whose credit is below the threshold of its policy, and the attempt that this opened. */
async function attempt() {
  const team = await teamWith(api);
  const card = (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' })).body.id;
  await api.put(`/v1/teams/${team}/auto-top-up`, { enabled: true, threshold: '20', amount: '25', paymentMethod: card });
  const { attemptDepositId } = await api.world.ledger.openAttempt({ teamId: team, nowSecond: nowSecond() }, 'test');
  return { team, depositId: attemptDepositId ?? '' };
}

const fail = (depositId: string, failureCode: string) =>
  api.world.ledger.failDeposit({ depositId, nowSecond: nowSecond(), status: 'failed', failureCode }, 'test');

describe.each(PAYMENT_FAILURES)('a payment that fails with %s', (failureCode) => {
  const { why, ...rest } = paymentFailureWords(failureCode, 'card');
  const message = inSentences({ why, ...rest });

  it('has the same text in the answer, the deposit and the history', async () => {
    const team = await teamWith(api);
    const card = (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' })).body.id;
    Object.assign(api.engine, { charge: 'declines', failureCode });
    const asked = { amount: '20', method: 'card', paymentMethod: card };
    const { status, body } = await api.post(`/v1/teams/${team}/deposits`, asked);
    api.engine.charge = 'succeeds';
    const expected = isDecline(failureCode)
      ? { status: 402, type: 'payment_error', code: 'card_declined' }
      : { status: 502, type: 'provider_error', code: 'provider_rejected' };
    expect({ status, ...body.error }).toMatchObject({ ...expected, reason: failureCode, message });
    const seen = { status: 'failed', failureCode, failureMessage: message };
    expect((await api.get(`/v1/teams/${team}/deposits/${body.error.deposit}`)).body).toMatchObject(seen);
    expect((await api.get(`/v1/teams/${team}/deposits`)).body.data).toMatchObject([seen]);
  });

  it('has the same text in the policy, the event and the mail of an auto top-up', async () => {
    const { team, depositId } = await attempt();
    await fail(depositId, failureCode);
    const off = switchesTopUpOff(failureCode);
    expect((await api.get(`/v1/teams/${team}/auto-top-up`)).body).toMatchObject({
      enabled: !off,
      lastAttempt: { failureCode, failureMessage: message },
      disabledReason: off ? failureCode : null,
      disabledMessage: off ? message : null,
    });
    const notices = await noticesOf(api.db, team);
    const event = notices.find(({ kind }) => kind === 'top_up.failed');
    if (!event) throw new Error('no event of the failed attempt');
    const sent = await eventOfNotice(api.db, SETTINGS, event);
    expect(contract.faultOfEvent(sent)).toBeNull();
    const { data } = sent;
    expect(data).toMatchObject({ failureCode, failureMessage: message });
    expect(notices.filter(({ kind }) => kind === 'auto_top_up_failed')).toHaveLength(1);
    const mail = autoTopUpFailed(ABOUT, PAYMENT, failureCode, RUNWAY);
    expect(mail.text).toContain(why);
    expect(mail.subject).toBe(off ? 'Auto top-up failed and is now off (Acme)' : 'Auto top-up failed (Acme)');
    expect(mail.text.includes('is now off')).toBe(off);
    if (!isDecline(failureCode)) expect(mail.text).not.toMatch(/declin|your bank/);
  });
});

describe('a request that the provider refuses', () => {
  it('causes one mail for any number of attempts, and another mail after a different outcome', async () => {
    const { team, depositId } = await attempt();
    await fail(depositId, 'provider_rejected');
    const next = async () => {
      api.clock.aheadMs += (SETTINGS.cooldownSeconds + 1) * 1000;
      const second = nowSecond() + api.clock.aheadMs / 1000;
      const { attemptDepositId } = await api.world.ledger.openAttempt({ teamId: team, nowSecond: second }, 'test');
      expect((await getDeposit(api.db, attemptDepositId ?? '')).status).toBe('pending');
      return { depositId: attemptDepositId ?? '', nowSecond: second };
    };
    const refused = { status: 'failed' as const, failureCode: 'provider_rejected' };
    for (let times = 0; times < 3; times++)
      await api.world.ledger.failDeposit({ ...(await next()), ...refused }, 'test');
    const noticesOfKind = async (kind: string) =>
      (await noticesOf(api.db, team)).filter((notice) => notice.kind === kind);
    expect(await noticesOfKind('auto_top_up_failed')).toHaveLength(1);
    expect(await noticesOfKind('top_up.failed')).toHaveLength(4);
    expect((await api.get(`/v1/teams/${team}/auto-top-up`)).body).toMatchObject({ enabled: true });

    await api.world.ledger.failDeposit({ ...(await next()), status: 'failed', failureCode: 'declined' }, 'test');
    expect(await noticesOfKind('auto_top_up_failed')).toHaveLength(2);
    expect((await api.get(`/v1/teams/${team}/auto-top-up`)).body).toMatchObject({ enabled: false });
    api.clock.aheadMs = 0;
  });
});

describe.each(REFUND_FAILURES)('a refund that fails with %s', (failureCode) => {
  it('has the same text in the history and in the mail', async () => {
    const team = await teamWith(api);
    const card = (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' })).body.id;
    const asked = { amount: '20', method: 'card', paymentMethod: card };
    const { body: deposit } = await api.post(`/v1/teams/${team}/deposits`, asked);
    const { body: refund } = await api.post(`/v1/deposits/${deposit.id}/refund`, {});
    await api.world.ledger.closeRefund(
      { refundId: refund.id, outcome: 'failed', failureCode, nowSecond: nowSecond() },
      'test',
    );
    const message = inSentences(refundFailureWords(failureCode));
    const [first] = (await api.get(`/v1/teams/${team}/deposits`)).body.data;
    expect(first).toMatchObject({ label: 'Refund', status: 'failed', failureCode, failureMessage: message });
    const sums = { amountMicros: micros(50_000_000), receivedMicros: null, refundedMicros: micros(0) };
    const of = {
      refund: { id: 'ref_1', amountMicros: micros(50_000_000), openedSecond: 1, failureCode },
      payment: PAYMENT,
      deposit: sums,
      taken: { creditMicros: micros(50_000_000), owedMicros: micros(0) },
      collectedMicros: micros(0),
      owedMicros: micros(0),
    };
    expect(refundMail(ABOUT, 'returned', of, RUNWAY).text).toContain(refundFailureWords(failureCode).why);
  });
});
