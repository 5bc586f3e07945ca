/** Tests crypto deposits over HTTP, CopperX’s webhook, and the settings that enable crypto. */
import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyCopperxEvent } from '../../activities/copperx/events.ts';
import { micros } from '../../billing/money.ts';
import { readConfig } from '../../process/config.ts';
import { COMPLETE_ENVIRONMENT } from '../support/environment.ts';
import { type CommandedApi, startCommandedApi, teamWith } from './support.ts';

const SECRET = 'copperx-secret';

let api: CommandedApi;
let team: string;
beforeAll(async () => {
  api = await startCommandedApi({
    verifyCopperxEvent: (raw, signature, nowMs) => verifyCopperxEvent(raw, signature, SECRET, nowMs),
  });
});
afterAll(() => api?.close());
beforeEach(async () => {
  api.engine.away = false;
  api.clock.aheadMs = 0;
  team = await teamWith(api);
  api.engine.sentWakes.length = 0;
});

const deposit = (body: object = {}) =>
  api.post(`/v1/teams/${team}/deposits`, { amount: '100', method: 'crypto', ...body });
const credit = (depositId: string, amount: number, transactionHash = `0x${randomUUID()}`, output = 0) =>
  api.world.ledger.creditCrypto(
    {
      depositId,
      outputs: [{ transactionHash, output, chain: '8453', currency: 'usdc', amountMicros: micros(amount * 1_000_000) }],
      nowSecond: Math.floor(Date.now() / 1000),
    },
    'test',
  );

describe('a crypto deposit', () => {
  it('is answered with its page, and shows the requested amount, the received amount and the transactions', async () => {
    const { status, body } = await deposit();
    expect([status, body]).toEqual([
      201,
      expect.objectContaining({
        status: 'pending',
        method: 'crypto',
        label: 'Deposit',
        amount: '100.000000',
        received: '0.000000',
        transactions: [],
        card: null,
        checkoutUrl: expect.stringContaining('https://'),
      }),
    ]);
    await credit(body.id, 60, '0xAb');
    const partly = (await api.get(`/v1/teams/${team}/deposits/${body.id}`)).body;
    expect(partly).toMatchObject({ status: 'pending', amount: '100.000000', received: '60.000000' });
    expect(partly.checkoutUrl).toBeDefined();
    await credit(body.id, 50, '0xab', 1);
    const [listed] = (await api.get(`/v1/teams/${team}/deposits`)).body.data;
    expect(listed).toMatchObject({
      status: 'succeeded',
      amount: '100.000000',
      received: '110.000000',
      transactions: [
        { hash: '0xab', output: 0, chain: '8453', amount: '60.000000' },
        { hash: '0xab', output: 1, chain: '8453', amount: '50.000000' },
      ],
    });
    expect(listed.checkoutUrl).toBeUndefined();
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('110.000000');
    const rows = (await api.get(`/v1/teams/${team}/transactions`)).body.data;
    expect(rows.map((row: { amount: string }) => row.amount).sort()).toEqual(['50.000000', '60.000000']);
  });

  it('has fields that a deposit by card does not show', async () => {
    const { body } = await deposit({ method: 'card' });
    expect(body).not.toHaveProperty('received');
    expect(body).not.toHaveProperty('transactions');
  });

  it('has the limits of cards for the requested amount', async () => {
    for (const amount of ['14.99', '5000.01', '20.001']) {
      const { status, body } = await deposit({ amount });
      expect([status, body.error.code, body.error.param]).toEqual([422, 'amount_out_of_range', 'amount']);
    }
  });

  it('cannot name a card', async () => {
    const { status, body } = await deposit({ paymentMethod: 'pm_1' });
    expect([status, body.error.code, body.error.param]).toEqual([400, 'invalid_request', 'paymentMethod']);
  });

  it('is 503 while the engine is unavailable', async () => {
    api.engine.away = true;
    expect((await deposit()).status).toBe(503);
    api.engine.away = false;
  });

  it('is 502 when CopperX refuses to open a page, and the failed deposit shows the reason', async () => {
    Object.assign(api.engine, { charge: 'declines', failureCode: 'provider_rejected' });
    try {
      const { status, body } = await deposit();
      expect([status, body.error.code, body.error.reason]).toEqual([502, 'provider_rejected', 'provider_rejected']);
      expect(body.error.message).not.toMatch(/card was|bank/);
      const { body: row } = await api.get(`/v1/teams/${team}/deposits/${body.error.deposit}`);
      expect(row).toMatchObject({ status: 'failed', failureMessage: body.error.message });
    } finally {
      Object.assign(api.engine, { charge: 'succeeds', failureCode: 'insufficient_funds' });
    }
  });

  it('is offered only with a configured provider', async () => {
    expect((await api.get('/v1/deposit-options')).body.methods).toEqual(['card', 'crypto']);
    const without = await startCommandedApi();
    try {
      expect((await without.get('/v1/deposit-options')).body.methods).toEqual(['card']);
      const { id } = { id: await teamWith(without) };
      const { status, body } = await without.post(`/v1/teams/${id}/deposits`, { amount: '20', method: 'crypto' });
      expect([status, body.error.code, body.error.param]).toEqual([400, 'invalid_request', 'method']);
      expect((await without.send('POST', '/v1/webhooks/copperx', { key: null, raw: '{}' })).status).toBe(404);
    } finally {
      await without.close();
    }
  });
});

describe('CopperX’s webhook', () => {
  const signed = (body: string, secret = SECRET) => createHmac('sha256', secret).update(body).digest('hex');
  const event = (object: object, { id = randomUUID(), created = Date.now() } = {}) =>
    JSON.stringify({
      id,
      apiVersion: '2023-01-11',
      created,
      object: 'checkoutSession',
      type: 'checkout_session.completed',
      data: { object },
    });
  const send = (raw: string, signature: string | null = signed(raw)) =>
    api.send('POST', '/v1/webhooks/copperx', {
      key: null,
      raw,
      headers: { 'Content-Type': 'application/json', ...(signature !== null && { 'x-webhook-signature': signature }) },
    });
  const openDeposit = async () => (await deposit()).body.id as string;

  it('wakes the deposit once for a repeated event, by the page or our reference', async () => {
    const id = await openDeposit();
    const body = event({ id: `session_${id}` });
    for (let n = 0; n < 2; n++) expect((await send(body)).body).toEqual({ received: true });
    expect(api.engine.sentWakes).toEqual([`deposit ${id}`]);
    await send(event({ id: 'a page of an earlier try', clientReferenceId: id }));
    expect(api.engine.sentWakes).toEqual([`deposit ${id}`, `deposit ${id}`]);
  });

  it('wakes a deposit that has succeeded or expired too, because coins can arrive late', async () => {
    const id = await openDeposit();
    await credit(id, 100);
    await send(event({ id: `session_${id}` }));
    expect(api.engine.sentWakes).toEqual([`deposit ${id}`]);
  });

  it('moves no money by the content of the event', async () => {
    const id = await openDeposit();
    await send(event({ id: `session_${id}`, status: 'complete', paymentStatus: 'paid', amountTotal: '10000000000' }));
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('0.000000');
  });

  it('accepts an event about no deposit or a deposit by card, and changes nothing', async () => {
    const byCard = (await deposit({ method: 'card' })).body.id;
    api.engine.sentWakes.length = 0;
    for (const clientReferenceId of [null, 'dep_unknown', byCard])
      expect((await send(event({ id: 'unknown', clientReferenceId }))).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([]);
  });

  it('is 503 when the wake of the deposit fails, and wakes it on the next delivery', async () => {
    const id = await openDeposit();
    const body = event({ id: `session_${id}` });
    api.engine.away = true;
    expect((await send(body)).status).toBe(503);
    api.engine.away = false;
    expect((await send(body)).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([`deposit ${id}`]);
  });

  it('refuses and logs an event with a wrong signature, changed content or an old time', async () => {
    const id = await openDeposit();
    const body = event({ id: `session_${id}` });
    const old = event({ id: `session_${id}` }, { created: Date.now() - 301_000 });
    const ahead = event({ id: `session_${id}` }, { created: Date.now() + 301_000 });
    const forged: Array<[string, string | null]> = [
      [body, null],
      [body, ''],
      [body, 'nonsense'],
      [body, signed(body).slice(0, 62)],
      [body, signed(body, 'another secret')],
      [`${body} `, signed(body)],
      [old, signed(old)],
      [ahead, signed(ahead)],
      ['', signed('')],
      ['not json', signed('not json')],
      ['{}', signed('{}')],
    ];
    for (const [raw, signature] of forged) {
      const answer = await send(raw, signature);
      expect([answer.status, answer.body.error.code]).toEqual([400, 'webhook_invalid']);
      const requestId = answer.headers.get('X-Request-Id');
      await expect.poll(() => api.logged.filter((line) => line.requestId === requestId).length).toBe(2);
    }
    expect(api.engine.sentWakes).toEqual([]);
  });

  it('refuses a recorded event that is sent again later', async () => {
    const id = await openDeposit();
    const body = event({ id: `session_${id}` });
    api.clock.aheadMs = 301_000;
    expect((await send(body)).status).toBe(400);
    api.clock.aheadMs = 299_000;
    expect((await send(body)).status).toBe(200);
  });
});

describe('the environment', () => {
  it('enables crypto by a key, and requires the secret of the webhooks with it', () => {
    expect(readConfig(COMPLETE_ENVIRONMENT).crypto).toBeNull();
    expect(() => readConfig({ ...COMPLETE_ENVIRONMENT, COPPERX_API_KEY: 'k' })).toThrow(
      'COPPERX_WEBHOOK_SECRET is not set',
    );
    const given = { COPPERX_API_KEY: 'k', COPPERX_WEBHOOK_SECRET: 's', CRYPTO_CONFIRMATIONS: '3' };
    expect(readConfig({ ...COMPLETE_ENVIRONMENT, ...given }).crypto).toEqual({
      apiKey: 'k',
      webhookSecret: 's',
      apiBase: 'https://api.copperx.io',
      confirmations: 3,
    });
  });
});
