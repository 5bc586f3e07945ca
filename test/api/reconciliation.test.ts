/** Tests the reconciliation of the ledger with Stripe over HTTP. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createReconciler } from '../../activities/reconciliation/reconcile.ts';
import { createStripeBooks } from '../../activities/stripe/books.ts';
import { createStripe } from '../../activities/stripe/client.ts';
import { dayOf, secondOf } from '../../billing/time.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { findReconciliation } from '../../prisma/reconciliations.ts';
import { type Api, commandedEngine, keyFor, startApi, teamWith } from './support.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
let stripe: StripeStandIn;
let api: Api;
const today = dayOf(secondOf(Date.now()));
const DAY_MS = 86_400_000;

beforeAll(async () => {
  stripe = await startStripeStandIn();
  api = await startApi((db) => ({
    engine: commandedEngine(db),
    reconciler: createReconciler({
      db,
      books: [createStripeBooks(createStripe({ secretKey: 'sk_test_books', apiBase: stripe.url }))],
      log: SILENT,
    }),
  }));
});
afterAll(async () => {
  await api.close();
  await stripe.close();
});

const reconciliation = (day: string, key?: string) =>
  api.get(`/v1/reconciliation?day=${encodeURIComponent(day)}`, key === undefined ? {} : { key });

it('a past day is compared on request: a deposit without a charge is found', async () => {
  const team = await teamWith(api);
  const { id: paymentMethod } = (
    await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' })
  ).body;
  const deposit = (await api.post(`/v1/teams/${team}/deposits`, { amount: '50', method: 'card', paymentMethod })).body;
  expect(deposit.status).toBe('succeeded');
  api.clock.aheadMs = DAY_MS;
  const { status, body } = await reconciliation(today);
  expect(status).toBe(200);
  expect(body).toMatchObject({ day: today, provisional: false, compared: 1, underWay: 0, foreign: [] });
  const sides = { depositId: deposit.id, teamId: team, ledgerAmount: '50.000000', providerAmount: null };
  expect(body.differences).toEqual([
    {
      class: 'deposit_without_charge',
      day: today,
      ...sides,
      providerId: null,
      sentence: expect.stringMatching(/\.$/),
      whatToDo: expect.stringMatching(/\.$/),
    },
  ]);
  expect(body.rows).toEqual([
    {
      kind: 'payment',
      provider: 'stripe',
      at: expect.any(String),
      ...sides,
      providerId: null,
      differences: ['deposit_without_charge'],
    },
  ]);
  expect((await reconciliation(today)).body).toEqual(body);
  expect((await api.get('/metrics', { key: null })).text).toMatch(/^burnrate_reconciliation_differences 1$/m);
});

it('a day without payments has an empty report', async () => {
  const { body } = await reconciliation('2020-02-29');
  expect(body).toMatchObject({ day: '2020-02-29', compared: 0, differences: [], rows: [] });
});

it.each(['2026-02-30', '2026-3-1', 'yesterday', '', '1969-12-31', '9999-12-31', '2026-03-01T00:00:00Z'])(
  'an invalid day is refused: %j',
  async (day) => {
    const { status, body } = await reconciliation(day);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'invalid_request', param: 'day' });
  },
);

it('the current day is compared provisionally, and its report is not stored', async () => {
  api.clock.aheadMs = 2 * DAY_MS;
  const day = dayOf(secondOf(api.world.nowMs()));
  const { status, body } = await reconciliation(day);
  expect([status, body.day, body.provisional]).toEqual([200, day, true]);
  expect(await findReconciliation(api.db, day)).toBeNull();
});

it('a future day, and a call without a day, are refused by name', async () => {
  api.clock.aheadMs = 0;
  const tomorrow = await reconciliation(dayOf(secondOf(api.world.nowMs() + DAY_MS)));
  expect(tomorrow.status).toBe(400);
  expect(tomorrow.body.error).toMatchObject({ code: 'invalid_request', param: 'day' });
  const { status, body } = await api.get('/v1/reconciliation');
  expect(status).toBe(400);
  expect(body.error).toMatchObject({ code: 'invalid_request', param: 'day' });
});

it('a report is available only to the platform', async () => {
  const key = await keyFor(api, await teamWith(api), ['read', 'billing']);
  expect((await reconciliation('2020-02-29', key)).status).toBe(403);
});

it('a report is 503 while Stripe does not answer, and 200 afterwards', async () => {
  stripe.control.faults.beginOutage('error');
  const { status, body } = await reconciliation('2020-03-01');
  expect(status).toBe(503);
  expect(body.error).toMatchObject({ code: 'provider_unavailable' });
  stripe.control.faults.endOutage();
  expect((await reconciliation('2020-03-01')).status).toBe(200);
});
