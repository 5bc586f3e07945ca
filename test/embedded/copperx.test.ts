/** Tests the CopperX stand-in: sessions, pages, blocks, faults, events and its control interface. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type CheckoutSession, type CopperxStandInOptions, startCopperxStandIn } from '../../embedded/copperx/index.ts';

async function start(options: CopperxStandInOptions = {}) {
  const standIn = await startCopperxStandIn(options);
  onTestFinished(() => standIn.close());
  const call = async (method: string, path: string, body?: unknown, key: string | null = 'key') => {
    const answer = await fetch(`${standIn.url}${path}`, {
      method,
      headers: { ...(key !== null && { Authorization: `Bearer ${key}` }), 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(2_000),
    });
    // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the stand-in answers.
    return { status: answer.status, body: (await answer.json()) as any };
  };
  const create = async (reference = 'dep_1', unitAmount = '10000000000'): Promise<CheckoutSession> =>
    (await call('POST', '/api/v1/checkout/sessions', asked(reference, unitAmount))).body;
  const retrieve = async (id: string): Promise<CheckoutSession> =>
    (await call('GET', `/api/v1/checkout/sessions/${id}`)).body;
  return { standIn, control: standIn.control, call, create, retrieve };
}

const asked = (clientReferenceId: string, unitAmount = '10000000000') => ({
  submitType: 'pay',
  clientReferenceId,
  successUrl: 'http://127.0.0.1/return?c={CHECKOUT_SESSION_ID}',
  lineItems: {
    data: [
      { priceData: { currency: 'usdc', unitAmount, type: 'one_time', productData: { name: 'Credit' } }, quantity: 1 },
    ],
  },
  paymentSetting: { allowSwap: false },
});

/** Somebody who hears webhooks, and answers what is wanted. */
async function startReceiver(answers: number[] = []) {
  const heard: Array<{ signature: string; raw: string; type: string; id: string }> = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks).toString();
      const { type, id } = JSON.parse(raw);
      heard.push({ signature: String(request.headers['x-webhook-signature']), raw, type, id });
      response.writeHead(answers.shift() ?? 200).end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

describe('a checkout session', () => {
  test('is created, retrieved and listed in the documented format', async () => {
    const { call, create, retrieve, standIn } = await start();
    const session = await create();
    expect(session).toMatchObject({
      mode: 'payment',
      paymentMethodTypes: ['wallet'],
      amountTotal: '10000000000',
      currency: 'usdc',
      clientReferenceId: 'dep_1',
      status: 'open',
      paymentStatus: 'unpaid',
      url: `${standIn.url}/payment/checkout-session/${session.id}`,
      successUrl: `http://127.0.0.1/return?c=${session.id}`,
      lineItems: { object: 'list', data: [{ quantity: 1, price: { unitAmount: '10000000000' } }] },
      paymentIntent: {
        amount: '10000000000',
        amountReceived: null,
        status: 'requires_payment_method',
        transactions: [],
      },
    });
    expect(Date.parse(session.expiresAt) - Date.parse(session.createdAt)).toBe(3_600_000);
    expect(await retrieve(session.id)).toEqual(session);
    await create('dep_2');
    const second = await create('dep_1');
    const { body } = await call('GET', '/api/v1/checkout/sessions?clientReferenceId=dep_1&limit=1');
    expect(body).toMatchObject({ count: 2, hasMore: true, data: [{ id: second.id }] });
  });

  test('is refused without a key, with a number as its amount, or under an unknown id', async () => {
    const { call } = await start();
    expect((await call('GET', '/api/v1/checkout/sessions', undefined, null)).status).toBe(401);
    const wrong = asked('dep_1', 100 as unknown as string);
    expect(await call('POST', '/api/v1/checkout/sessions', wrong)).toMatchObject({
      status: 400,
      body: { statusCode: 400 },
    });
    expect((await call('GET', '/api/v1/checkout/sessions/nobody')).status).toBe(404);
  });

  test('is complete when the whole amount is confirmed, even in two parts, and sends a signed event', async () => {
    const { heard, url } = await startReceiver();
    const { control, create, retrieve } = await start({ webhook: { url, secret: 'shh' }, completeAfter: 3 });
    const { id } = await create();
    control.pay(id, { amount: '60' });
    control.mine(3);
    expect(await retrieve(id)).toMatchObject({ status: 'open', paymentIntent: { amountReceived: '6000000000' } });
    control.pay('dep_1', { amount: '40' });
    control.mine(2);
    expect((await retrieve(id)).status).toBe('open');
    control.mine();
    expect(await retrieve(id)).toMatchObject({ status: 'complete', paymentStatus: 'paid' });
    expect((await retrieve(id)).paymentIntent.transactions).toMatchObject([
      {
        amount: '6000000000',
        confirmations: 6,
        outputIndex: 0,
        transactionHash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      },
      { amount: '4000000000', confirmations: 3 },
    ]);
    await expect.poll(() => heard.length).toBe(1);
    const [{ raw, signature } = { raw: '', signature: '' }] = heard;
    expect(signature).toBe(createHmac('sha256', 'shh').update(raw).digest('hex'));
    const event = JSON.parse(raw);
    expect(event).toMatchObject({
      object: 'checkoutSession',
      type: 'checkout_session.completed',
      data: { object: { id } },
    });
    expect(Math.abs(event.created - Date.now())).toBeLessThan(5_000);
    expect(event).not.toHaveProperty('pending_webhooks');
  });

  test('expires, sends an event, and still accepts coins', async () => {
    const { heard, url } = await startReceiver();
    let now = Date.now();
    const { control, create, retrieve } = await start({ webhook: { url, secret: 'shh' }, now: () => now });
    const { id } = await create();
    now += 3_600_000;
    expect((await retrieve(id)).status).toBe('expired');
    await expect.poll(() => heard.map(({ type }) => type)).toEqual(['checkout_session.expired']);
    control.pay(id, { confirmations: 12 });
    expect(await retrieve(id)).toMatchObject({
      status: 'expired',
      paymentIntent: { transactions: [{ confirmations: 12 }] },
    });
  });

  test('can list a transaction twice, and two outputs of one transaction', async () => {
    const { control, create, retrieve } = await start();
    const { id } = await create();
    const { transactionHash } = control.pay(id, { amount: '1' });
    control.repeat(id, transactionHash);
    control.pay(id, { amount: '2', transactionHash, output: 1 });
    const { transactions } = (await retrieve(id)).paymentIntent;
    expect(transactions.map(({ outputIndex, amount }) => [outputIndex, amount])).toEqual([
      [0, '100000000'],
      [0, '100000000'],
      [1, '200000000'],
    ]);
    expect(() => control.repeat(id, '0xnone')).toThrow('no transaction');
    expect(() => control.pay('nobody')).toThrow('no checkout session');
  });
});

test('the page of a session accepts a smaller, a larger and a second payment, and refuses an invalid amount', async () => {
  const { control, create } = await start();
  const { url } = await create();
  expect(await (await fetch(url)).text()).toContain('Pay 100.00 USDC');
  const send = (form: Record<string, string>) => fetch(url, { method: 'POST', body: new URLSearchParams(form) });
  expect(await (await send({ amount: '60.5' })).text()).toContain('60.50');
  await send({ amount: '20', times: '2' });
  expect(control.transactions().map(({ amount }) => amount)).toEqual(['6050000000', '2000000000', '2000000000']);
  for (const amount of ['', '0', '-5', '1e3', '<b>']) expect((await send({ amount })).status).toBe(400);
  expect((await fetch(`${url}x`)).status).toBe(404);
  expect(control.transactions()).toHaveLength(3);
});

test('the page of a session lists a repeated transaction once, and another output of it separately', async () => {
  const { control, create } = await start();
  const { url } = await create();
  const send = (form: Record<string, string>) => fetch(url, { method: 'POST', body: new URLSearchParams(form) });
  const transactionHash = `0x${'ab'.repeat(32)}`;
  for (const times of ['1', '1', '2', '2']) await send({ amount: '20', times, transactionHash });
  expect(control.transactions()).toMatchObject([
    { transactionHash, outputIndex: 0 },
    { transactionHash, outputIndex: 1 },
  ]);
  expect((await send({ amount: '20', transactionHash: '0xab' })).status).toBe(400);
  await send({ amount: '20', transactionHash: `0x${'cd'.repeat(32)}` });
  expect(control.transactions()).toHaveLength(3);
});

test('blocks are mined at an interval if it is set', async () => {
  const { control, create, retrieve } = await start({ blockMs: 5, completeAfter: 4 });
  const { id } = await create();
  control.pay(id);
  await expect.poll(async () => (await retrieve(id)).status).toBe('complete');
});

describe('faults', () => {
  test.each([
    ['error', 500, 0],
    ['error_after_effect', 500, 1],
    ['rate_limit', 429, 0],
  ] as const)('%s answers %d with %d session made, once', async (kind, status, made) => {
    const { control, call, create } = await start();
    control.faults.add({ on: 'POST /api/v1/checkout/sessions', kind });
    expect((await call('POST', '/api/v1/checkout/sessions', asked('dep_1'))).status).toBe(status);
    expect(control.sessions()).toHaveLength(made);
    await create();
    expect(control.requests().map((request) => request.status)).toEqual([status, 201]);
  });

  test.each([
    ['drop', 0],
    ['drop_after_effect', 1],
    ['hang', 0],
    ['hang_after_effect', 1],
  ] as const)('%s answers nothing, with %d session made', async (kind, made) => {
    const { control, call } = await start();
    control.faults.add({ on: 'POST /api/v1/checkout/sessions', kind });
    await expect(call('POST', '/api/v1/checkout/sessions', asked('dep_1'))).rejects.toThrow();
    expect(control.sessions()).toHaveLength(made);
    expect(control.requests()).toMatchObject([{ status: null }]);
  });

  test('an outage fails every call until it ends', async () => {
    const { control, call } = await start();
    control.faults.beginOutage();
    expect((await call('GET', '/api/v1/checkout/sessions')).status).toBe(503);
    control.faults.endOutage();
    expect((await call('GET', '/api/v1/checkout/sessions')).status).toBe(200);
  });
});

test('events are lost, duplicated, and sent again until the receiver accepts them', async () => {
  const { heard, url } = await startReceiver([200, 200, 500]);
  const { control, create } = await start({ webhook: { url, secret: 'shh' }, retry: { firstMs: 5 } });
  const pay = async () => control.pay((await create()).id, { confirmations: 12 });
  control.webhooks.lose();
  await pay();
  control.webhooks.duplicate();
  await pay();
  await control.webhooks.settled();
  await pay();
  await control.webhooks.settled();
  const [, second = { id: '' }, third = { id: '' }] = control.events();
  expect(heard.map(({ id }) => id)).toEqual([second.id, second.id, third.id, third.id]);
  void control.resendEvent(second.id);
  await control.webhooks.settled();
  expect(heard).toHaveLength(5);
});

test('the state is kept over a restart on another port', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'copperx-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'copperx.json');
  const first = await startCopperxStandIn({ file });
  first.control.sessions();
  const answer = await fetch(`${first.url}/api/v1/checkout/sessions`, {
    method: 'POST',
    headers: { Authorization: 'Bearer key', 'Content-Type': 'application/json' },
    body: JSON.stringify(asked('dep_1')),
  });
  const { id } = (await answer.json()) as CheckoutSession;
  first.control.pay(id, { amount: '5' });
  await first.close();
  const { standIn, retrieve } = await start({ file });
  expect(await retrieve(id)).toMatchObject({
    url: `${standIn.url}/payment/checkout-session/${id}`,
    paymentIntent: { transactions: [{ amount: '500000000' }] },
  });
});

test('the control interface works over HTTP from another process', async () => {
  const { call, create, retrieve } = await start();
  const { id } = await create();
  const control = (method: string, path: string, body: object = {}) => call(method, `/_control${path}`, body, null);
  expect((await control('POST', `/sessions/${id}/pay`, { amount: '7' })).body).toMatchObject({ amount: '700000000' });
  await control('POST', '/mine', { blocks: 2 });
  expect((await retrieve(id)).paymentIntent.transactions[0]?.confirmations).toBe(2);
  await control('POST', `/sessions/${id}/expire`);
  expect((await retrieve(id)).status).toBe('expired');
  expect((await control('POST', '/sessions/nobody/pay')).status).toBe(400);
  const refusal = { status: 422, message: 'No.' };
  await control('POST', '/faults', { on: 'GET /api/v1/checkout/sessions/:id', kind: 'refuse', refusal });
  const refused = await call('GET', `/api/v1/checkout/sessions/${id}`);
  expect([refused.status, refused.body]).toEqual([422, { statusCode: 422, message: 'No.' }]);
  await control('DELETE', `/sessions/${id}`);
  expect((await call('GET', `/api/v1/checkout/sessions/${id}`)).status).toBe(404);
  expect((await control('DELETE', `/sessions/${id}`)).status).toBe(400);
  expect((await control('POST', '/faults', { on: '*', kind: 'earthquake' })).status).toBe(400);
});
