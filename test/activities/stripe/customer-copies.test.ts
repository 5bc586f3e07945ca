/** Tests the copy of a team's name and address in Stripe's customer. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Payments } from '../../../activities/providers.ts';
import { type Cards, createCards } from '../../../activities/stripe/cards.ts';
import { createStripe } from '../../../activities/stripe/client.ts';
import { createStripePayments } from '../../../activities/stripe/payments.ts';
import { type StripeStandIn, startStripeStandIn } from '../../../embedded/stripe/index.ts';
import { findNotice, noticesOf } from '../../../prisma/notices.ts';
import { getTeam, updateTeam } from '../../../prisma/teams.ts';
import { untilAnswered } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { NOW, newDeposit, newTeam, openPage, SILENT, saveCard } from '../fixtures.ts';

const UPDATE = 'POST /v1/customers/:id';

let database: TestDatabase;
let standIn: StripeStandIn;
let cards: Cards;
let payments: Payments;

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn()]);
  const stripe = createStripe({ secretKey: 'sk_test_copies', apiBase: standIn.url });
  const world = { stripe, db: database.db, publicUrl: 'https://burnrate.test', log: SILENT };
  cards = createCards(world);
  payments = createStripePayments(world);
});
afterEach(() => standIn.control.reset());
afterAll(async () => {
  await standIn.close();
  await database.close();
});

let changes = 0;
const change = (teamId: string, to: { name?: string; email?: string }) =>
  updateTeam(database.db, teamId, to, { second: NOW, copyId: `change-${++changes}` });
const copiesOf = async (teamId: string) =>
  (await noticesOf(database.db, teamId)).filter(({ kind }) => kind === 'customer.copy');
const customerOf = (teamId: string) => standIn.control.customers().find(({ metadata }) => metadata.team === teamId);
const updates = () => standIn.control.requests().filter(({ path }) => /^\/v1\/customers\/cus_\w+$/.test(path));
const copy = async (teamId: string) => {
  for (const { id: noticeId } of await copiesOf(teamId)) await payments.copyCustomer({ noticeId, nowSecond: NOW });
};

async function teamAtStripe() {
  const { id: teamId } = await newTeam(database.db, { name: 'Acme', email: 'old@acme.test' });
  await saveCard(cards, teamId);
  standIn.control.clearRequests();
  return teamId;
}

describe('a change of a team’s name or address', () => {
  it('writes a notice, which updates the customer once', async () => {
    const teamId = await teamAtStripe();
    await change(teamId, { name: 'Acme Robotics', email: 'new@acme.test' });
    await copy(teamId);
    await copy(teamId);
    expect(customerOf(teamId)).toMatchObject({ name: 'Acme Robotics', email: 'new@acme.test' });
    expect(updates()).toHaveLength(1);
    const [notice] = await copiesOf(teamId);
    expect((await findNotice(database.db, notice?.id ?? ''))?.sentSecond).toBe(NOW);
  });

  it('to the same values writes no notice', async () => {
    const teamId = await teamAtStripe();
    await change(teamId, { name: 'Acme', email: 'old@acme.test' });
    expect(await copiesOf(teamId)).toEqual([]);
  });

  it.each(['error', 'drop', 'refuse'] as const)('is retried after a fault, and is not lost (%s)', async (kind) => {
    const teamId = await teamAtStripe();
    await change(teamId, { email: 'new@acme.test' });
    standIn.control.faults.add({ on: UPDATE, kind, times: 2 });
    const [notice] = await copiesOf(teamId);
    const work = () => payments.copyCustomer({ noticeId: notice?.id ?? '', nowSecond: NOW });
    const { failures } = await untilAnswered(work);
    expect(failures.length).toBeGreaterThan(0);
    expect(customerOf(teamId)).toMatchObject({ email: 'new@acme.test' });
  });

  it('reaches Stripe before the next page opens, even if no notice was started', async () => {
    const teamId = await teamAtStripe();
    await change(teamId, { email: 'new@acme.test' });
    await openPage(payments, await newDeposit(database.db, { teamId, kind: 'checkout' }));
    const paths = standIn.control.requests().map(({ method, path }) => `${method} ${path}`);
    expect(paths).toEqual([`POST /v1/customers/${customerOf(teamId)?.id}`, 'POST /v1/checkout/sessions']);
    expect(customerOf(teamId)).toMatchObject({ email: 'new@acme.test' });
    await change(teamId, { name: 'Acme Robotics' });
    await cards.setupCheckout(teamId);
    expect(customerOf(teamId)).toMatchObject({ name: 'Acme Robotics' });
  });

  it('that Stripe refuses does not prevent a payment', async () => {
    const teamId = await teamAtStripe();
    await change(teamId, { name: 'Refused' });
    standIn.control.faults.add({ on: UPDATE, kind: 'refuse', times: 'always' });
    await openPage(payments, await newDeposit(database.db, { teamId, kind: 'checkout' }));
    expect(customerOf(teamId)).toMatchObject({ name: 'Acme' });
  });

  it('with an address that Stripe refuses still updates the name', async () => {
    const teamId = await teamAtStripe();
    await change(teamId, { name: 'Acme Robotics', email: 'odd@acme.test' });
    const refusal = { code: 'email_invalid', param: 'email', message: 'Invalid email address' };
    standIn.control.faults.add({ on: UPDATE, kind: 'refuse', refusal });
    await copy(teamId);
    expect(customerOf(teamId)).toMatchObject({ name: 'Acme Robotics' });
  });

  it('that arrives late does not replace a newer change', async () => {
    const teamId = await teamAtStripe();
    await change(teamId, { name: 'Second' });
    standIn.control.faults.add({ on: UPDATE, kind: 'slow', ms: 300, where: { name: 'Second' } });
    const [first] = await copiesOf(teamId);
    const late = payments.copyCustomer({ noticeId: first?.id ?? '', nowSecond: NOW });
    while (updates().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await change(teamId, { name: 'Third' });
    await Promise.all([late, copy(teamId)]);
    expect(customerOf(teamId)).toMatchObject({ name: 'Third' });
  });

  it('of a team without a customer makes no call to Stripe', async () => {
    const { id: teamId } = await newTeam(database.db);
    standIn.control.clearRequests();
    await change(teamId, { name: 'New' });
    await copy(teamId);
    expect(standIn.control.requests()).toEqual([]);
  });

  it('after the customer was deleted is in the new customer of the next page', async () => {
    const teamId = await teamAtStripe();
    standIn.control.deleteCustomer((await getTeam(database.db, teamId)).stripeCustomerId ?? '');
    await change(teamId, { name: 'Acme Robotics', email: 'new@acme.test' });
    await copy(teamId);
    await openPage(payments, await newDeposit(database.db, { teamId, kind: 'checkout' }));
    expect(customerOf(teamId)).toMatchObject({ name: 'Acme Robotics', email: 'new@acme.test' });
  });

  it('is copied once to a customer that an older version created', async () => {
    const teamId = await teamAtStripe();
    await database.db.team.update({
      where: { id: teamId },
      data: { stripeCustomerName: null, stripeCustomerEmail: null },
    });
    for (let times = 0; times < 2; times++)
      await openPage(payments, await newDeposit(database.db, { teamId, kind: 'checkout' }));
    expect(updates()).toHaveLength(1);
  });
});
