/** Tests refunds, disputes and the history of payments over HTTP, with an engine that the test controls. */
import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StripeLooks } from '../../activities/stripe/lookups.ts';
import { updateDeposit } from '../../prisma/deposits.ts';
import { dueRefunds, FROM_THE_FIRST } from '../../prisma/due-work.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import { type CommandedApi, keyFor, startCommandedApi, teamWith, WEBHOOK_SECRET } from './support.ts';

let api: CommandedApi;
let team: string;
let deposit: string;
/** What Stripe has, beyond what we keep. */
const atStripe = {
  deposits: new Map<string, string>(),
  refunds: [] as Awaited<ReturnType<StripeLooks['refundsOfIntent']>>,
  disputes: [] as string[],
  known: [] as string[],
};

beforeAll(async () => {
  api = await startCommandedApi({
    stripeLooks: {
      depositOfIntent: async (intentId) => atStripe.deposits.get(intentId) ?? null,
      refundsOfIntent: async () => atStripe.refunds,
      disputesOfIntent: async () => atStripe.disputes,
      isKnown: async (id) => atStripe.known.includes(id),
    },
  });
});
/** A team that has paid in $50. */
beforeEach(async () => {
  Object.assign(api.engine, {
    away: false,
    deaf: false,
    starting: 'seen',
    sentWakes: [],
    charge: 'succeeds',
    refunding: 'succeeds',
  });
  atStripe.deposits.clear();
  atStripe.refunds = [];
  atStripe.disputes = [];
  atStripe.known = [];
  team = await teamWith(api);
  const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
  const asked = { amount: '50', method: 'card', paymentMethod: card.body.id };
  deposit = (await api.post(`/v1/teams/${team}/deposits`, asked)).body.id;
  await updateDeposit(api.db, deposit, { stripeIntentId: `pi_${deposit}` });
});
afterAll(async () => {
  expect(await trialBalance(api.db)).toMatchObject({ balanced: true, differences: [] });
  await api.close();
});

const refund = (body: object = {}, headers: Record<string, string> = {}, id = deposit) =>
  api.post(`/v1/deposits/${id}/refund`, body, { headers });
/** The team's refunds whose workflow has not seen them. */
const due = async () =>
  (await dueRefunds(api.db, 2 ** 40, FROM_THE_FIRST, 1_000))
    .filter(({ teamId }) => teamId === team)
    .map(({ refundId }) => refundId);
const available = async () => (await api.get(`/v1/teams/${team}/balance`)).body.available;
const history = async () => (await api.get(`/v1/teams/${team}/deposits`)).body.data;

describe('a refund', () => {
  it('of an amount is answered with its outcome, and is read in the history', async () => {
    const answer = await refund({ amount: '20.00' });
    expect([answer.status, answer.body]).toEqual([
      201,
      { id: expect.stringMatching(/^ref_/), deposit, at: expect.any(String), amount: '20.000000', status: 'succeeded' },
    ]);
    expect(await available()).toBe('30.000000');
    expect(await history()).toMatchObject([
      { id: answer.body.id, label: 'Refund', amount: '-20.000000', method: 'card', status: 'succeeded', deposit },
      { id: deposit, label: 'Deposit', amount: '50.000000', status: 'succeeded', refunded: '20.000000', deposit: null },
    ]);
    const rows = (await api.get(`/v1/teams/${team}/transactions`)).body.data;
    expect(rows[0]).toMatchObject({
      code: 'refund',
      amount: '-20.000000',
      deposit,
      reference: `refund/${answer.body.id}`,
    });
  });

  it('without an amount is of all unused credit of the deposit', async () => {
    expect((await refund()).body).toMatchObject({ amount: '50.000000' });
    expect((await api.get(`/v1/teams/${team}/deposits/${deposit}`)).body).toMatchObject({
      status: 'refunded',
      refunded: '50.000000',
    });
    const again = await refund();
    expect([again.status, again.body.error.code]).toEqual([409, 'not_refundable']);
  });

  it('repeated under its Idempotency-Key is the same refund, and another body is a conflict', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = await refund({ amount: '20' }, headers);
    const again = await refund({ amount: '20' }, headers);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect((await refund({ amount: '21' }, headers)).body.error.code).toBe('idempotency_key_reused');
    expect(await available()).toBe('30.000000');
  });

  it('that the card provider refuses is answered as failed, and the amount is credit again', async () => {
    api.engine.refunding = 'refuses';
    const { status, body } = await refund({ amount: '20' });
    expect(status).toBe(409);
    expect(body.error).toMatchObject({
      code: 'refund_refused',
      refund: expect.stringMatching(/^ref_/),
      reason: 'charge_disputed',
    });
    expect(await available()).toBe('50.000000');
    expect(await history()).toMatchObject([{ label: 'Refund', status: 'failed', failureCode: 'charge_disputed' }, {}]);
  });

  it('whose outcome is not known in time is pending, and its credit is taken', async () => {
    api.engine.refunding = 'waits';
    expect((await refund({ amount: '20' })).body).toMatchObject({ status: 'pending' });
    expect(await available()).toBe('30.000000');
  });

  it('is answered 503 when the engine is unavailable, and takes nothing', async () => {
    api.engine.away = true;
    const { status, body } = await refund();
    expect([status, body.error.code]).toEqual([503, 'engine_unavailable']);
    expect(await available()).toBe('50.000000');
    expect(await api.db.refund.count({ where: { teamId: team } })).toBe(0);
  });

  it('that the engine does not accept is pending, and its workflow is left to the sweeper', async () => {
    api.engine.starting = 'unaccepted';
    const headers = { 'Idempotency-Key': randomUUID() };
    const { status, body } = await refund({ amount: '20' }, headers);
    expect([status, body.status]).toEqual([201, 'pending']);
    expect(await available()).toBe('30.000000');
    expect(await due()).toEqual([body.id]);
    expect((await refund({ amount: '20' }, headers)).body).toEqual(body);
    expect(await available()).toBe('30.000000');
  });

  it('of a team whose earlier refund has waited more than ten seconds for its workflow takes nothing, and another team’s is taken', async () => {
    api.engine.starting = 'unseen';
    expect((await refund({ id: `waits-${team}`, amount: '20' })).body.status).toBe('pending');
    api.engine.starting = 'seen';
    api.clock.aheadMs += 10_000;
    const refused = await refund({ amount: '10' });
    expect([refused.status, refused.body.error.code]).toEqual([503, 'engine_unavailable']);
    expect(await available()).toBe('30.000000');
    expect((await refund({ id: `waits-${team}`, amount: '20' })).status).toBe(201);
    await api.world.ledger.findRefundOrder({ refundId: `waits-${team}` });
    expect((await refund({ amount: '10' })).body.status).toBe('succeeded');
  });

  it('whose answer was lost is found by a repeat', async () => {
    api.engine.deaf = true;
    const answer = await refund({ amount: '20' });
    expect([answer.status, answer.body.amount]).toEqual([201, '20.000000']);
    expect(await available()).toBe('30.000000');
  });

  it.each<[string, unknown, number, string]>([
    ['a JSON number', 20, 400, 'invalid_request'],
    ['a sign', '-20', 400, 'invalid_request'],
    ['an exponent', '2e1', 400, 'invalid_request'],
    ['seven places', '1.0000001', 400, 'invalid_request'],
    ['nothing', '0', 422, 'amount_out_of_range'],
    ['a fraction of a cent', '1.001', 422, 'amount_out_of_range'],
    ['more than there is', '50.01', 422, 'amount_out_of_range'],
  ])('of %s is refused, naming amount', async (_, amount, status, code) => {
    const answer = await refund({ amount });
    expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([status, code, 'amount']);
    expect(await available()).toBe('50.000000');
  });

  it('by a team, of an unknown deposit, or with an unknown field is refused', async () => {
    const key = await keyFor(api, team, ['read', 'billing', 'usage']);
    expect((await api.post(`/v1/deposits/${deposit}/refund`, {}, { key })).status).toBe(403);
    expect((await api.post(`/v1/deposits/${deposit}/refund`, {}, { key: null })).status).toBe(401);
    expect((await refund({}, {}, 'dep_none')).status).toBe(404);
    expect((await refund({ amonut: '5' })).body.error).toMatchObject({ code: 'invalid_request', param: 'amonut' });
    expect(await available()).toBe('50.000000');
  });

  it('of crypto is refused as unsupported, with the next step', async () => {
    await api.owner.deposit.update({ where: { id: deposit }, data: { method: 'crypto' } });
    const { status, body } = await refund();
    expect([status, body.error.code]).toEqual([409, 'refund_not_supported']);
    expect(body.error.message).toContain('by hand');
  });
});

describe('a dispute', () => {
  const open = () =>
    api.world.ledger.openDispute(
      {
        disputeId: `disp_${deposit}`,
        depositId: deposit,
        stripeDisputeId: `du_${deposit}`,
        amountMicros: 50_000_000 as never,
        reason: 'fraudulent',
        nowSecond: Math.floor(Date.now() / 1000),
      },
      'test',
    );

  it('is read as held in the balance and as a row of the history, and prevents a refund of its deposit', async () => {
    await open();
    expect((await api.get(`/v1/teams/${team}/balance`)).body).toMatchObject({
      available: '0.000000',
      held: '50.000000',
      posted: '50.000000',
    });
    expect(await history()).toMatchObject([
      { id: `disp_${deposit}`, label: 'Dispute', amount: '-50.000000', status: 'open', deposit },
      { id: deposit, status: 'disputed' },
    ]);
    const refused = await refund();
    expect([refused.status, refused.body.error.code]).toEqual([409, 'deposit_disputed']);
  });
});

describe('Stripe’s webhook about a refund or dispute', () => {
  const send = (type: string, object: object) => {
    const raw = JSON.stringify({ id: `evt_${randomUUID()}`, object: 'event', type, created: 1, data: { object } });
    const second = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', WEBHOOK_SECRET).update(`${second}.${raw}`).digest('hex');
    const headers = { 'Content-Type': 'application/json', 'Stripe-Signature': `t=${second},v1=${signature}` };
    return api.send('POST', '/v1/webhooks/stripe', { key: null, raw, headers });
  };
  const wakesOfMoneyBack = () => api.engine.sentWakes.filter((wake) => /^(refund|dispute) /.test(wake));
  const intent = () => ({ payment_intent: `pi_${deposit}` });

  it('wakes the dispute’s workflow, under one id for any number of events', async () => {
    for (const type of ['charge.dispute.created', 'charge.dispute.closed'])
      expect((await send(type, { object: 'dispute', id: 'du_1', ...intent() })).status).toBe(200);
    expect(wakesOfMoneyBack()).toEqual(['dispute disp_du_1', 'dispute disp_du_1']);
  });

  it('wakes our refund that its metadata names, and gives a refund made at the provider a new id', async () => {
    const ours = (await refund({ amount: '20' })).body.id;
    await send('refund.updated', { object: 'refund', id: 're_1', metadata: { refund: ours }, ...intent() });
    await send('refund.created', { object: 'refund', id: 're_2', metadata: {}, ...intent() });
    expect(wakesOfMoneyBack()).toEqual([`refund ${ours}`, 'refund ref_re_2']);
  });

  it('wakes the dispute for an event about its money too', async () => {
    for (const type of ['charge.dispute.funds_withdrawn', 'charge.dispute.funds_reinstated'])
      expect((await send(type, { object: 'dispute', id: 'du_8', ...intent() })).status).toBe(200);
    expect(wakesOfMoneyBack()).toEqual(['dispute disp_du_8', 'dispute disp_du_8']);
  });

  it('takes nothing back for a second payment of the same deposit that was never credited', async () => {
    atStripe.deposits.set('pi_second', deposit);
    atStripe.refunds = [{ stripeRefundId: 're_second', namedRefundId: null }];
    await send('charge.refunded', { object: 'charge', id: 'ch_2', payment_intent: 'pi_second' });
    await send('charge.dispute.created', { object: 'dispute', id: 'du_second', payment_intent: 'pi_second' });
    expect(wakesOfMoneyBack()).toEqual([]);
  });

  it('wakes a failed deposit when its payment succeeds, and at no other event', async () => {
    await api.db.deposit.update({ where: { id: deposit }, data: { status: 'failed' } });
    const about = { object: 'payment_intent', id: `pi_${deposit}`, metadata: { deposit } };
    const woken = () => api.engine.sentWakes.filter((wake) => wake === `deposit ${deposit}`).length;
    await send('payment_intent.payment_failed', about);
    await send('payment_intent.canceled', about);
    expect(woken()).toBe(0);
    await send('payment_intent.succeeded', about);
    expect(woken()).toBe(1);
    await api.db.deposit.update({ where: { id: deposit }, data: { status: 'succeeded' } });
    await send('payment_intent.succeeded', about);
    expect(woken()).toBe(1);
  });

  it('finds by the charge the refunds that had no event', async () => {
    atStripe.refunds = [
      { stripeRefundId: 're_3', namedRefundId: null },
      { stripeRefundId: 're_4', namedRefundId: 'ref_of_somebody_else' },
    ];
    await send('charge.refunded', { object: 'charge', id: 'ch_1', ...intent() });
    expect(wakesOfMoneyBack()).toEqual(['refund ref_re_3', 'refund ref_re_4']);
  });

  it('finds the deposit by the payment’s metadata when its payment id is not stored', async () => {
    await api.db.deposit.update({ where: { id: deposit }, data: { stripeIntentId: null } });
    atStripe.deposits.set('pi_of_a_page', deposit);
    await send('charge.dispute.created', { object: 'dispute', id: 'du_5', payment_intent: 'pi_of_a_page' });
    expect(wakesOfMoneyBack()).toEqual(['dispute disp_du_5']);
  });

  it('ignores and logs a payment without a deposit here', async () => {
    const before = api.logged.length;
    const { status } = await send('charge.dispute.created', {
      object: 'dispute',
      id: 'du_6',
      payment_intent: 'pi_other',
    });
    expect(status).toBe(200);
    expect(wakesOfMoneyBack()).toEqual([]);
    const line = api.logged.slice(before).find(({ msg }) => String(msg).includes('not ours'));
    expect(line).toMatchObject({ type: 'charge.dispute.created' });
  });

  it('is refused while the engine is unavailable, so that Stripe sends it again', async () => {
    api.engine.away = true;
    expect((await send('refund.failed', { object: 'refund', id: 're_7', metadata: {}, ...intent() })).status).toBe(503);
  });
});

describe('a refresh of a payment', () => {
  const look = (id = deposit, options = {}) => api.post(`/v1/deposits/${id}/look-again`, {}, options);
  const looksAsked = () => api.engine.sentWakes.filter((wake) => wake.startsWith('look at'));

  it('reads its refunds and disputes at the provider, including refunds and disputes that only the provider has', async () => {
    const ours = (await refund({ amount: '20' })).body.id;
    atStripe.refunds = [
      { stripeRefundId: 're_1', namedRefundId: ours },
      { stripeRefundId: 're_2', namedRefundId: null },
    ];
    atStripe.disputes = ['du_1'];
    const { status, body } = await look();
    expect([status, body.data.map(({ label, id }: { label: string; id: string }) => [label, id])]).toEqual([
      200,
      [
        ['Deposit', deposit],
        ['Refund', ours],
      ],
    ]);
    expect(looksAsked()).toEqual([`look at refund ${ours}`, 'look at refund ref_re_2', 'look at dispute disp_du_1']);
  });

  it('reads a failed payment, and a crypto payment, by the deposit itself', async () => {
    await api.db.deposit.update({ where: { id: deposit }, data: { status: 'expired' } });
    await look();
    await api.owner.deposit.update({ where: { id: deposit }, data: { method: 'crypto', status: 'succeeded' } });
    await look();
    expect(looksAsked()).toEqual([`look at deposit ${deposit}`, `look at deposit ${deposit}`]);
  });

  it('is allowed only for the platform and an existing deposit, and answers 503 while the engine is unavailable', async () => {
    expect((await look(deposit, { key: await keyFor(api, team, ['read', 'billing', 'usage']) })).status).toBe(403);
    expect((await look('dep_none')).status).toBe(404);
    atStripe.disputes = ['du_1'];
    api.engine.away = true;
    expect((await look()).status).toBe(503);
  });
});
