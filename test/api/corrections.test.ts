/**
 * Tests corrections and withdrawals over HTTP, and the runbook’s steps for each difference that a new read cannot
 * remove.
 */
import type Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProviderBooks } from '../../activities/reconciliation/provider-books.ts';
import { createReconciler, type Reconciler } from '../../activities/reconciliation/reconcile.ts';
import { createStripeBooks } from '../../activities/stripe/books.ts';
import { createStripe } from '../../activities/stripe/client.ts';
import { createStripeLooks } from '../../activities/stripe/lookups.ts';
import type { DifferenceClass } from '../../billing/differences.ts';
import { NO_PROVIDER_ROWS, type ProviderOutput } from '../../billing/reconciliation/rows.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { updateDeposit } from '../../prisma/deposits.ts';
import { writeTogether } from '../../prisma/statements.ts';
import { transferWrites, trialBalance } from '../../prisma/transfers.ts';
import { dollars, NOW, newDeposit, SILENT } from '../activities/fixtures.ts';
import { type CommandedApi, keyFor, startCommandedApi, teamWith } from './support.ts';

const DAY = 86_400;
const NOON = NOW + DAY / 2;

let api: CommandedApi;
let standIn: StripeStandIn;
let stripe: Stripe;
let reconciler: Reconciler;
/** The one clock of the api and of Stripe. Each test has days of its own. */
let second = NOON;
/** What CopperX says has arrived. */
let arrived: ProviderOutput[] = [];
let names = 0;

beforeAll(async () => {
  standIn = await startStripeStandIn({ now: () => second * 1000 });
  stripe = createStripe({ secretKey: 'sk_test_corrections', apiBase: standIn.url, timeoutMs: 20_000 });
  api = await startCommandedApi({ nowMs: () => second * 1000, stripeLooks: createStripeLooks(stripe) });
  const copperx: ProviderBooks = {
    read: async () => ({ ...NO_PROVIDER_ROWS, outputs: arrived }),
    lookUp: async () => NO_PROVIDER_ROWS,
  };
  reconciler = createReconciler({ db: api.db, books: [createStripeBooks(stripe), copperx], log: SILENT });
});
beforeEach(() => {
  second += 3 * DAY;
  arrived = [];
});
afterAll(async () => {
  expect(await trialBalance(api.db)).toMatchObject({ balanced: true, differences: [] });
  await Promise.all([standIn.close(), api.close()]);
});

/** The differences of the day of the clock, compared when the day is over. */
async function differences(): Promise<DifferenceClass[]> {
  const day = new Date(second * 1000).toISOString().slice(0, 10);
  const report = await reconciler.reconcile({ day, nowSecond: second + 2 * DAY });
  return report.differences.map((found) => found.class);
}

async function charge(metadata: Record<string, string>, amount = 10_000, currency = 'usd'): Promise<string> {
  const method = { automatic_payment_methods: { enabled: true, allow_redirects: 'never' as const }, confirm: true };
  const intent = { amount, currency, payment_method: 'pm_card_visa', metadata, ...method };
  return (await stripe.paymentIntents.create(intent)).id;
}

/** A deposit of $100 that was credited, and charged at Stripe as told. `cents: null`: not charged. */
async function credited({ cents = 10_000 as number | null, currency = 'usd', credit = true, of = '' } = {}) {
  const team = await teamWith(api);
  const deposit = await newDeposit(api.db, { teamId: team, kind: 'saved_card' });
  const intent = cents === null ? null : await charge({ deposit, team: of === '' ? team : of }, cents, currency);
  await updateDeposit(api.db, deposit, { stripeIntentId: intent });
  if (credit) await api.world.ledger.creditDeposit({ depositId: deposit, nowSecond: second, receiptUrl: null }, 'test');
  return { team, deposit, intent: intent ?? '' };
}

/** Posts credit past the ledger, as a fault of the software would. */
async function post(teamId: string, depositId: string | null, reference: string, amount: number): Promise<void> {
  const [debitAccount, creditAccount] = ['platform/stripe', `team/${teamId}/credit`];
  const row = {
    debitAccount,
    creditAccount,
    amountMicros: dollars(amount),
    code: 'deposit' as const,
    reference,
    second,
  };
  await writeTogether(api.db, transferWrites(teamId, 'test', [{ ...row, ...(depositId !== null && { depositId }) }]));
  await api.db.account.update({ where: { teamId }, data: { postedMicros: { increment: dollars(amount) } } });
}

/** A deposit of $60 that was paid by one transaction on a chain. */
async function creditedInCrypto() {
  const team = await teamWith(api);
  const deposit = await newDeposit(api.db, { teamId: team, kind: 'crypto', amountMicros: dollars(60) });
  names += 1;
  const of = { output: 0, chain: '8453', currency: 'usdc', amountMicros: dollars(60) };
  const output = { ...of, transactionHash: `0xab${names}` };
  await api.world.ledger.creditCrypto({ depositId: deposit, outputs: [output], nowSecond: second }, 'test');
  const outputId = `0xab${names}/0`;
  return { team, deposit, outputId, corrects: `deposit/${deposit}/${outputId}` };
}

const correct = (deposit: string, amount: string, more: object = {}) =>
  api.post(`/v1/deposits/${deposit}/corrections`, { amount, note: 'checked with the provider', ...more });
const withdraw = (deposit: string, id: string) =>
  api.post(`/v1/deposits/${deposit}/withdraw`, { id, note: 'the provider has none' });
const balance = async (team: string) => (await api.get(`/v1/teams/${team}/balance`)).body;
const available = async (team: string) => (await balance(team)).available;
const setFailed = (depositId: string) =>
  api.world.ledger.failDeposit({ depositId, nowSecond: second, status: 'failed', failureCode: 'declined' }, 'test');

/** Refunds the whole payment at Stripe, and records it as the refund's workflow does at a look. */
async function refundAtStripe({ deposit, intent }: { deposit: string; intent: string }, amount = 100): Promise<string> {
  const { id } = await stripe.refunds.create({ payment_intent: intent });
  const refundId = `ref_${id}`;
  const of = { refundId, depositId: deposit, stripeRefundId: id, namedRefundId: null, amountMicros: dollars(amount) };
  await api.world.ledger.bookRefund({ ...of, nowSecond: second }, 'test');
  const closed = { refundId, outcome: 'succeeded' as const, failureCode: null, nowSecond: second };
  await api.world.ledger.closeRefund(closed, 'test');
  return refundId;
}

describe('the runbook removes', () => {
  it('deposit_without_charge', async () => {
    const { team, deposit } = await credited({ cents: null });
    expect(await differences()).toEqual(['deposit_without_charge']);
    expect((await correct(deposit, '-100')).status).toBe(201);
    expect([await differences(), await available(team)]).toEqual([[], '0.000000']);
  });

  it('amount_differs, in both directions', async () => {
    const less = await credited({ cents: 8_000 });
    const more = await credited({ cents: 11_000 });
    expect(await differences()).toEqual(['amount_differs', 'amount_differs']);
    await correct(less.deposit, '-15');
    expect(await differences()).toHaveLength(2);
    await correct(less.deposit, '-5');
    await correct(more.deposit, '10.00');
    expect([await differences(), await available(less.team), await available(more.team)]).toEqual([
      [],
      '80.000000',
      '110.000000',
    ]);
  });

  it('currency_differs', async () => {
    const paid = await credited({ cents: 9_000, currency: 'eur' });
    expect(await differences()).toEqual(['currency_differs']);
    await refundAtStripe(paid, 90);
    await correct(paid.deposit, '-10');
    expect([await differences(), await available(paid.team)]).toEqual([[], '0.000000']);
  });

  it('wrong_team, by a refund, by a move of the credit, and for a credit to another team', async () => {
    const other = await teamWith(api);
    const refunded = await credited({ of: other });
    const moved = await credited({ of: other });
    const posted = await credited({ credit: false });
    await updateDeposit(api.db, posted.deposit, { status: 'succeeded', closedSecond: second });
    await post(other, posted.deposit, `deposit/${posted.deposit}`, 100);
    expect(await differences()).toEqual(['wrong_team', 'wrong_team', 'wrong_team']);
    await refundAtStripe(refunded);
    await correct(moved.deposit, '-100', { team: moved.team });
    await correct(moved.deposit, '100', { team: other });
    await correct(posted.deposit, '-100', { team: other });
    await correct(posted.deposit, '100', { team: posted.team });
    expect(await differences()).toEqual([]);
    expect(await Promise.all([refunded.team, moved.team, posted.team, other].map(available))).toEqual([
      '0.000000',
      '0.000000',
      '100.000000',
      '100.000000',
    ]);
  });

  it('charged_twice', async () => {
    const { team, deposit } = await credited();
    const again = await charge({ deposit, team });
    expect(await differences()).toEqual(['charged_twice']);
    await stripe.refunds.create({ payment_intent: again });
    expect([await differences(), await available(team)]).toEqual([[], '100.000000']);
  });

  it('credited_twice, credit_differs and credit_missing', async () => {
    const twice = await credited();
    await post(twice.team, twice.deposit, `deposit/${twice.deposit}/again`, 100);
    expect(await differences()).toEqual(['credited_twice']);
    await correct(twice.deposit, '-100');
    expect(await differences()).toEqual([]);
    const less = await credited({ credit: false });
    await updateDeposit(api.db, less.deposit, { status: 'succeeded', closedSecond: second });
    expect(await differences()).toEqual(['credit_missing']);
    await post(less.team, less.deposit, `deposit/${less.deposit}`, 99);
    expect(await differences()).toEqual(['credit_differs']);
    await correct(less.deposit, '1');
    const none = await credited({ credit: false });
    await updateDeposit(api.db, none.deposit, { status: 'succeeded', closedSecond: second });
    await correct(none.deposit, '100');
    expect(await differences()).toEqual([]);
    expect(await Promise.all([twice, less, none].map(({ team }) => available(team)))).toEqual([
      '100.000000',
      '100.000000',
      '100.000000',
    ]);
  });

  it('credit_without_deposit, for a failed deposit and for an unknown deposit', async () => {
    const { team, deposit } = await credited({ cents: null, credit: false });
    await setFailed(deposit);
    await post(team, deposit, `deposit/${deposit}`, 100);
    await post(team, null, 'deposit/dep_nobody', 30);
    expect(await differences()).toEqual(['credit_without_deposit', 'credit_without_deposit']);
    await correct(deposit, '-100');
    await correct('dep_nobody', '-30');
    expect([await differences(), await available(team)]).toEqual([[], '0.000000']);
  });

  it('credit_without_deposit, for several credits under the id of one unknown deposit', async () => {
    const [team, other] = [await teamWith(api), await teamWith(api)];
    await post(team, null, 'deposit/dep_two', 30);
    await post(team, null, 'deposit/dep_two/0xa/0', 20);
    await post(other, null, 'deposit/dep_two/0xb/1', 5);
    await post(other, null, 'deposit/dep_twofold', 7);
    expect(await differences()).toHaveLength(4);
    const refused = await correct('dep_two', '-5', { corrects: 'deposit/dep_twofold' });
    expect([refused.status, refused.body.error.param]).toEqual([400, 'corrects']);
    const strange = await correct('dep_two', '-5', { corrects: 'deposit/dep_two/0xb/1', team });
    expect([strange.status, strange.body.error.param]).toEqual([400, 'team']);
    await correct('dep_two', '-30');
    await correct('dep_two', '-20', { corrects: 'deposit/dep_two/0xa/0' });
    await correct('dep_two', '-5', { corrects: 'deposit/dep_two/0xb/1' });
    await correct('dep_twofold', '-7');
    expect([await differences(), await available(team), await available(other)]).toEqual([[], '0.000000', '0.000000']);
  });

  it('credit_without_deposit, when no credit has the reference of the deposit itself', async () => {
    const team = await teamWith(api);
    await post(team, null, 'deposit/dep_parts/0xa/0', 20);
    await correct('dep_parts', '-20');
    expect([await differences(), await available(team)]).toEqual([[], '0.000000']);
    await post(team, null, 'deposit/dep_parts/0xb/0', 5);
    const unclear = await correct('dep_parts', '-5');
    expect([unclear.status, unclear.body.error.param]).toEqual([400, 'corrects']);
    expect(unclear.body.error.message).toContain('deposit/dep_parts/0xa/0, deposit/dep_parts/0xb/0');
    await correct('dep_parts', '-5', { corrects: 'deposit/dep_parts/0xb/0' });
    expect([await differences(), await available(team)]).toEqual([[], '0.000000']);
  });

  it('refund_not_at_provider', async () => {
    const { team, deposit } = await credited();
    const refund = (await api.post(`/v1/deposits/${deposit}/refund`, { amount: '40' })).body.id;
    expect(await differences()).toEqual(['refund_not_at_provider']);
    const { status, body } = await withdraw(deposit, refund);
    expect([status, body.data]).toEqual([
      200,
      [
        expect.objectContaining({ id: deposit, status: 'succeeded', refunded: '0.000000' }),
        expect.objectContaining({ id: refund, status: 'failed', failureCode: 'withdrawn' }),
      ],
    ]);
    expect([await differences(), await available(team)]).toEqual([[], '100.000000']);
    expect((await withdraw(deposit, refund)).body).toEqual(body);
    expect(await api.db.withdrawal.count({ where: { subjectId: refund } })).toBe(1);
  });

  it('refund_amount_differs, when a new read does not correct it', async () => {
    const paid = await credited();
    const refundId = await refundAtStripe(paid, 95);
    expect(await differences()).toEqual(['refund_amount_differs']);
    await correct(paid.deposit, '-5', { corrects: `refund/${refundId}` });
    expect([await differences(), await available(paid.team)]).toEqual([[], '0.000000']);
  });

  it('dispute_not_at_provider, for an open dispute and for a lost dispute', async () => {
    const [open, lost] = [await credited(), await credited()];
    const about = { amountMicros: dollars(100), reason: 'fraudulent', nowSecond: second };
    for (const [{ deposit }, disputeId] of [
      [open, 'dis_du_open'],
      [lost, 'dis_du_lost'],
    ] as const) {
      const dispute = { disputeId, depositId: deposit, stripeDisputeId: disputeId.slice(4) };
      await api.world.ledger.openDispute({ ...dispute, ...about }, 'test');
    }
    await api.world.ledger.closeDispute({ disputeId: 'dis_du_lost', outcome: 'lost', nowSecond: second }, 'test');
    expect(await differences()).toEqual(['dispute_not_at_provider', 'dispute_not_at_provider']);
    await withdraw(open.deposit, 'dis_du_open');
    await withdraw(lost.deposit, 'dis_du_lost');
    expect([await differences(), await available(open.team), await available(lost.team)]).toEqual([
      [],
      '100.000000',
      '100.000000',
    ]);
  });

  it('credit_without_output and output_amount_differs', async () => {
    const gone = await creditedInCrypto();
    const other = await creditedInCrypto();
    const amountMicros = dollars(61.5);
    const { deposit: depositId, outputId } = other;
    arrived = [{ provider: 'copperx', outputId, depositId, amountMicros, currency: 'usd', second }];
    expect((await differences()).sort()).toEqual(['credit_without_output', 'output_amount_differs']);
    await correct(gone.deposit, '-60', { corrects: gone.corrects });
    await correct(other.deposit, '1.50', { corrects: other.corrects });
    expect([await differences(), await available(gone.team), await available(other.team)]).toEqual([
      [],
      '0.000000',
      '61.500000',
    ]);
    expect((await api.get(`/v1/teams/${other.team}/deposits/${depositId}`)).body.received).toBe('61.500000');
  });
});

describe('a correction', () => {
  it('is a transaction that names the corrected transaction, in the list, the CSV file and the deposit’s corrections', async () => {
    const { team, deposit } = await credited();
    const id = `cor-${deposit.slice(-8)}`;
    const { status, body } = await correct(deposit, '-20', { id });
    expect([status, body]).toEqual([
      201,
      {
        ...{ id, deposit, team, amount: '-20.000000', owed: '0.000000', corrects: `deposit/${deposit}` },
        ...{ note: 'checked with the provider', actor: 'platform', at: expect.any(String) },
      },
    ]);
    const [row] = (await api.get(`/v1/teams/${team}/transactions`)).body.data;
    expect(row).toMatchObject({
      ...{ code: 'deposit_correction', reference: `correction/${id}`, corrects: `deposit/${deposit}` },
      ...{ amount: '-20.000000', deposit, description: expect.stringContaining(': checked with the provider') },
    });
    const file = await api.get(`/v1/teams/${team}/transactions`, { headers: { Accept: 'text/csv' } });
    expect(file.text).toContain(`correction/${id}`);
    expect((await api.get(`/v1/deposits/${deposit}/corrections`)).body.data).toEqual([body]);
    expect(api.engine.sentWakes).toContain(`watch ${team}`);
    expect((await api.get(`/v1/deposits/${(await credited()).deposit}/corrections`)).body.data).toEqual([]);
    const unknown = await api.get('/v1/deposits/dep_unknown/corrections');
    expect([unknown.status, unknown.body.error.param]).toEqual([404, 'id']);
  });

  it('under an id is made once, and another correction under the same id is a conflict', async () => {
    const { team, deposit } = await credited();
    const id = `once-${deposit.slice(-8)}`;
    const answers = await Promise.all([correct(deposit, '-20', { id }), correct(deposit, '-20', { id })]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(answers[0]?.body).toEqual(answers[1]?.body);
    const other = await credited();
    for (const answer of [
      await correct(deposit, '-21', { id }),
      await correct(deposit, '-20', { id, note: 'another' }),
      await correct(other.deposit, '-20', { id }),
    ])
      expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([409, 'id_taken', 'id']);
    expect(await available(team)).toBe('80.000000');
  });

  it('owes the part without credit, and the next credit pays it', async () => {
    const { team, deposit } = await credited();
    await api.put('/v1/models/a-model', { input: '1', output: '1' });
    const event = { id: deposit, team, model: 'a-model', inputTokens: 70_000_000, outputTokens: 0 };
    await api.post('/v1/usage', { events: [event] });
    expect((await correct(deposit, '-100')).body).toMatchObject({ amount: '-100.000000', owed: '70.000000' });
    expect(await balance(team)).toMatchObject({ available: '0.000000', owed: '70.000000' });
    await correct(deposit, '100');
    expect(await balance(team)).toMatchObject({ available: '30.000000', owed: '0.000000' });
  });

  it('changes the amount that a refund and a dispute can take', async () => {
    const { team, deposit, intent } = await credited();
    const { id } = standIn.control.openDispute(intent);
    const about = { amountMicros: dollars(100), reason: 'fraudulent', nowSecond: second };
    const dispute = { disputeId: `dis_${id}`, depositId: deposit, stripeDisputeId: id };
    await api.world.ledger.openDispute({ ...dispute, ...about }, 'test');
    await correct(deposit, '-40');
    expect(await balance(team)).toMatchObject({ available: '0.000000', held: '60.000000' });
    await api.world.ledger.closeDispute({ disputeId: `dis_${id}`, outcome: 'won', nowSecond: second }, 'test');
    expect((await api.post(`/v1/deposits/${deposit}/refund`, {})).body.amount).toBe('60.000000');
    expect((await api.get(`/v1/teams/${team}/deposits/${deposit}`)).body.status).toBe('refunded');
  });

  it('is refused with the name of the wrong field, and posts nothing', async () => {
    const { team, deposit } = await credited();
    await api.post(`/v1/deposits/${deposit}/refund`, { amount: '30' });
    const refusals: Array<[Promise<{ status: number; body: { error: { code: string; param?: string } } }>, unknown[]]> =
      [
        [correct(deposit, '-70.01'), [422, 'amount_out_of_range', 'amount']],
        [correct(deposit, '0'), [422, 'amount_out_of_range', 'amount']],
        [correct(deposit, '1000000.01'), [422, 'amount_out_of_range', 'amount']],
        [correct(deposit, '--1'), [400, 'invalid_request', 'amount']],
        [correct(deposit, '5', { note: undefined }), [400, 'invalid_request', 'note']],
        [correct(deposit, '5', { corrects: 'grant/other' }), [400, 'invalid_request', 'corrects']],
        [correct(deposit, '5', { team: 'nobody' }), [404, 'not_found', 'team']],
        [correct('dep_unknown', '5'), [404, 'not_found', 'id']],
        [withdraw(deposit, 'ref_unknown'), [404, 'not_found', 'id']],
      ];
    for (const [answer, expected] of refusals) {
      const { status, body } = await answer;
      expect([status, body.error.code, body.error.param]).toEqual(expected);
    }
    expect(await available(team)).toBe('70.000000');
    const key = await keyFor(api, team, ['read', 'billing']);
    const sent = { key, body: { amount: '5', note: 'ours' } };
    expect((await api.send('POST', `/v1/deposits/${deposit}/corrections`, sent)).status).toBe(403);
    await api.post(`/v1/teams/${team}/archive`, { keepBalance: true });
    expect((await correct(deposit, '5')).body.error.code).toBe('team_archived');
  });
});

describe('a withdrawal', () => {
  it('is refused when Stripe has the refund or the dispute', async () => {
    const { team, deposit, intent } = await credited();
    const { id } = standIn.control.openDispute(intent, { amount: 2_000 });
    const about = { amountMicros: dollars(20), reason: 'fraudulent', nowSecond: second };
    const dispute = { disputeId: `dis_${id}`, depositId: deposit, stripeDisputeId: id };
    await api.world.ledger.openDispute({ ...dispute, ...about }, 'test');
    const refused = await withdraw(deposit, `dis_${id}`);
    expect([refused.status, refused.body.error.code]).toEqual([409, 'withdrawal_refused']);
    const refunded = await credited();
    const refund = await withdraw(refunded.deposit, await refundAtStripe(refunded));
    expect([refund.status, refund.body.error.code]).toEqual([409, 'withdrawal_refused']);
    const asked = (await api.post(`/v1/deposits/${(await credited()).deposit}/refund`, { amount: '10' })).body;
    const named = await api.db.deposit.findUniqueOrThrow({ where: { id: asked.deposit } });
    const metadata = { refund: asked.id };
    await stripe.refunds.create({ payment_intent: named.stripeIntentId ?? '', amount: 1_000, metadata });
    expect((await withdraw(asked.deposit, asked.id)).body.error.code).toBe('withdrawal_refused');
    expect(await balance(team)).toMatchObject({ available: '80.000000', held: '20.000000' });
  });
});
