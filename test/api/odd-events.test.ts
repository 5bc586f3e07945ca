/**
 * Tests signed events of every shape: an unreadable event is 400, an unrelated event is a logged 200, and no event is a
 * 5xx. The app runs with its database and with Stripe’s client against the stand-in.
 */
import { createHmac, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyCopperxEvent } from '../../activities/copperx/events.ts';
import { createCards } from '../../activities/stripe/cards.ts';
import { createStripe } from '../../activities/stripe/client.ts';
import { isLiveKey, verifyStripeEvent } from '../../activities/stripe/events.ts';
import { createStripeLooks } from '../../activities/stripe/lookups.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { SILENT } from '../activities/fixtures.ts';
import { type CommandedApi, startCommandedApi, teamWith, WEBHOOK_SECRET } from './support.ts';

const COPPERX_SECRET = 'copperx-secret';
/** The largest body that a webhook reads. */
const LARGEST_BYTES = 256 * 1024;

let standIn: StripeStandIn;
let api: CommandedApi;
beforeAll(async () => {
  standIn = await startStripeStandIn();
  const stripe = createStripe({ secretKey: 'sk_test_odd', apiBase: standIn.url });
  api = await startCommandedApi({
    stripeLooks: createStripeLooks(stripe),
    verifyStripeEvent: (raw, signature) => verifyStripeEvent(raw, signature, WEBHOOK_SECRET, isLiveKey('sk_test_odd')),
    verifyCopperxEvent: (raw, signature, nowMs) => verifyCopperxEvent(raw, signature, COPPERX_SECRET, nowMs),
  });
  api.world.cards = createCards({ stripe, db: api.db, publicUrl: 'https://burnrate.test', log: SILENT });
});
afterAll(async () => {
  await api?.close();
  await standIn?.close();
});
beforeEach(() => {
  api.logged.length = 0;
  api.engine.sentWakes.length = 0;
});

const stripeEvent = (body: unknown) => {
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET });
  return api.send('POST', '/v1/webhooks/stripe', {
    key: null,
    raw: payload,
    headers: { 'Stripe-Signature': signature },
  });
};
const copperxEvent = (body: unknown) => {
  const raw = typeof body === 'string' ? body : JSON.stringify(body);
  const signature = createHmac('sha256', COPPERX_SECRET).update(raw).digest('hex');
  return api.send('POST', '/v1/webhooks/copperx', { key: null, raw, headers: { 'x-webhook-signature': signature } });
};
const evt = (object: unknown, change: object = {}) => ({
  id: `evt_${randomUUID()}`,
  object: 'event',
  type: 'payment_intent.succeeded',
  livemode: false,
  data: { object },
  ...change,
});
const intent = (change: object) => ({ id: 'pi_1', object: 'payment_intent', metadata: {}, ...change });

/** Values that no field of an event should have. */
const ODD = {
  'a number': 5,
  'an object': { toString: 'x' },
  'an array': ['pi_1'],
  null: null,
  true: true,
  'a NUL character': 'pi_\u0000',
  'a lone surrogate': 'pi_\ud800',
  'a path': '../../customers',
  'a space': 'pi 1',
  nothing: '',
  'a long string': 'p'.repeat(100_000),
};

describe('a signed event of Stripe', () => {
  it.each(Object.entries(ODD))('whose id is %s is unreadable: 400', async (_, id) => {
    expect((await stripeEvent(evt(intent({}), { id }))).status).toBe(400);
  });

  it.each(Object.entries(ODD))('whose type is %s is unreadable: 400', async (_, type) => {
    expect((await stripeEvent(evt(intent({}), { type }))).status).toBe(400);
  });

  it.each([
    null,
    [],
    {},
    'text',
    7,
    { id: 'evt_1' },
    evt(null),
    evt([]),
    evt('pi_1'),
    evt({}, { data: null }),
    evt({}, { data: [] }),
    evt({}, { data: {} }),
    evt({}, { data: undefined }),
  ])('of the shape %j is unreadable: 400', async (body) => {
    const { status, body: answer } = await stripeEvent(body);
    expect([status, answer.error.code]).toEqual([400, 'webhook_invalid']);
  });

  const inner = Object.entries(ODD).flatMap(([name, value]) =>
    ['id', 'object', 'customer', 'payment_intent', 'metadata', 'mode'].map((field) => ({ field, name, value })),
  );
  it.each(inner)('whose object has $name as its $field is accepted and logged', async ({ field, value }) => {
    expect((await stripeEvent(evt(intent({ [field]: value })))).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([]);
    expect(JSON.stringify(api.logged)).toContain('names no object of this deployment');
  });

  it.each(Object.entries(ODD))('whose metadata has %s as its deposit wakes no workflow: 200', async (_, deposit) => {
    expect((await stripeEvent(evt(intent({ metadata: { deposit } })))).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([]);
  });

  it('still wakes its deposit when only another field is odd', async () => {
    const team = await teamWith(api);
    api.engine.charge = 'waits';
    const card = await api.post(`/v1/teams/${team}/deposits`, { amount: '20', method: 'card' });
    api.engine.charge = 'succeeds';
    api.engine.sentWakes.length = 0;
    const odd = intent({ id: 5, customer: ['x'], mode: {}, metadata: { deposit: card.body.id, refund: 7 } });
    expect((await stripeEvent(evt(odd))).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([`deposit ${card.body.id}`]);
  });

  it.each([
    ['a page for saving a card that Stripe does not know', { id: 'cs_no', object: 'checkout.session', mode: 'setup' }],
    ['a page without an id', { object: 'checkout.session', mode: 'setup' }],
    ['a card that Stripe does not know', { id: 'pm_nowhere', object: 'payment_method' }],
    ['a customer that is nobody’s', { id: 'cus_nobody', object: 'customer' }],
    ['a refund of a payment that Stripe does not know', { id: 're_1', object: 'refund', payment_intent: 'pi_nowhere' }],
    ['a dispute of a payment that Stripe does not know', { id: 'du_1', object: 'dispute', payment_intent: 'pi_no' }],
    ['a dispute of no payment', { id: 'du_2', object: 'dispute', payment_intent: null }],
    ['a deposit that is not ours', intent({ metadata: { deposit: 'dep_of_somebody_else' } })],
  ])('about %s is accepted once and changes nothing', async (_, object) => {
    const types = ['checkout.session.completed', 'customer.deleted', 'charge.refunded', 'made.up.tomorrow'];
    for (const type of types) {
      const event = evt(object, { type });
      expect([(await stripeEvent(event)).status, (await stripeEvent(event)).status]).toEqual([200, 200]);
    }
    expect(api.engine.sentWakes).toEqual([]);
  });

  it('about a page that Stripe refuses to show is accepted, because a refusal would only repeat it', async () => {
    standIn.control.faults.add({ on: 'GET /v1/checkout/sessions/:id', kind: 'refuse' });
    const page = { id: 'cs_refused', object: 'checkout.session', mode: 'setup' };
    expect((await stripeEvent(evt(page, { type: 'checkout.session.completed' }))).status).toBe(200);
    expect(JSON.stringify(api.logged)).toContain('refuses to answer');
  });

  it('about a page is refused while Stripe is unavailable, so that it is sent again', async () => {
    standIn.control.faults.add({ on: 'GET /v1/checkout/sessions/:id', kind: 'error' });
    const page = { id: 'cs_later', object: 'checkout.session', mode: 'setup' };
    expect((await stripeEvent(evt(page))).status).toBe(503);
  });

  it('of the other mode wakes no workflow and is logged', async () => {
    const team = await teamWith(api);
    const { body } = await api.post(`/v1/teams/${team}/deposits`, { amount: '20', method: 'card' });
    api.engine.sentWakes.length = 0;
    const of = intent({ metadata: { deposit: body.id } });
    expect((await stripeEvent(evt(of, { livemode: true }))).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([]);
    expect(JSON.stringify(api.logged)).toContain('"otherMode":true');
    expect((await stripeEvent(evt(of, { livemode: 'yes' }))).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([`deposit ${body.id}`]);
  });

  it('whose customer was deleted removes the customer’s cards', async () => {
    const team = await teamWith(api);
    const saving = { nowSecond: 1_800_000_000, newId: `pm_${team}` };
    await api.world.cards.attach({ teamId: team, stripePaymentMethod: 'pm_card_visa', ...saving });
    const { stripeCustomerId } = await api.db.team.findUniqueOrThrow({ where: { id: team } });
    standIn.control.deleteCustomer(stripeCustomerId ?? '');
    const customer = { id: stripeCustomerId, object: 'customer' };
    expect((await stripeEvent(evt(customer, { type: 'customer.deleted' }))).status).toBe(200);
    expect((await api.get(`/v1/teams/${team}/payment-methods`)).body.data).toEqual([]);
    expect(api.engine.sentWakes).toContain(`watch ${team}`);
  });
});

describe('a signed event of CopperX', () => {
  const event = (object: unknown, change: object = {}) => ({
    id: `event-${randomUUID()}`,
    type: 'checkout_session.completed',
    created: Date.now(),
    data: { object },
    ...change,
  });

  it.each(Object.entries(ODD).filter(([name]) => name !== 'a path'))(
    'whose id is %s is unreadable: 400',
    async (_, id) => {
      expect((await copperxEvent(event({ id: 'session_1' }, { id }))).status).toBe(400);
    },
  );

  it.each([null, [], {}, 'text', 7, event(null), event([]), event({}, { data: 1 }), event({}, { created: 'now' })])(
    'of the shape %j is unreadable: 400',
    async (body) => {
      expect((await copperxEvent(body)).status).toBe(400);
    },
  );

  it.each(Object.entries(ODD))(
    'whose page or reference is %s is accepted, logged, and wakes no workflow',
    async (_, value) => {
      expect((await copperxEvent(event({ id: value, clientReferenceId: value }))).status).toBe(200);
      expect(api.engine.sentWakes).toEqual([]);
      expect(JSON.stringify(api.logged)).toContain('names no object of this deployment');
    },
  );
});

describe('any signed body', () => {
  /** JSON of any shape, with the names of fields that are read among the others. */
  const NAMES = [
    'id',
    'type',
    'data',
    'object',
    'metadata',
    'deposit',
    'customer',
    'payment_intent',
    'mode',
    '__proto__',
  ];
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(...Object.values(ODD), 'setup', 'refund', 'dispute', 'payment_intent', 'checkout.session'),
      fc.string({ unit: 'binary' }),
      fc.double(),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.string()), tie('any'), { maxKeys: 5 }),
    ),
  })).any;
  const body = fc.oneof(
    value,
    value.map((object) => evt(object)),
    fc.record({ metadata: value, id: value, object: value, mode: value }).map((object) => evt(object)),
  );

  it('is answered 200 or 400 by both webhooks, 413 when it is too large, and never a 5xx', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (sent) => {
        const raw = JSON.stringify(sent) ?? 'null';
        const expected = Buffer.byteLength(raw) > LARGEST_BYTES ? [413] : [200, 400];
        expect(expected).toContain((await stripeEvent(raw)).status);
        expect(expected).toContain((await copperxEvent(raw)).status);
      }),
      { numRuns: 100 },
    );
  });
});
