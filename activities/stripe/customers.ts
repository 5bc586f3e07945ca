/**
 * A team as Stripe's customer. A customer can vanish: deleted at Stripe, or left behind with another account or mode.
 * Then a new customer is made, and the cards of the old customer are removed here, because Stripe removed the cards
 * with the customer. Source: https://docs.stripe.com/api/customers/delete
 */

import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { BillingError } from '../../billing/errors.ts';
import { stripeKey } from '../../billing/ids.ts';
import { secondOf } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import { findNotice, markSent } from '../../prisma/notices.ts';
import { listPaymentMethods, removePaymentMethod } from '../../prisma/payment-methods.ts';
import { type CustomerCopy, getTeam, keepCustomer, noteCustomerCopy, type Team } from '../../prisma/teams.ts';
import { final, inCodes, isMissing, orNull, passing, stripeFault } from '../failures.ts';
import type { Log } from '../world.ts';

export interface CustomersWorld {
  stripe: Stripe;
  db: Db;
  log: Log;
}

/**
 * Calls Stripe with the team's customer, after copying the team's present name and address. When Stripe no longer has
 * the customer, the call is made once more with a new customer.
 * @param use the call; its `keySuffix` gives a call with a new customer another idempotency key
 * @throws BillingError `provider_rejected` when Stripe refuses to make a customer
 */
export async function withCustomer<T>(
  world: CustomersWorld,
  teamId: string,
  use: (customer: string, keySuffix: string) => Promise<T>,
): Promise<T> {
  const customer = await ensureCustomer(world, await getTeam(world.db, teamId));
  try {
    return await use(customer, '');
  } catch (error) {
    if (!isMissing(error, 'customer')) throw error;
    const next = await replaceCustomer(world, teamId, customer);
    return use(next, `/${next}`);
  }
}

/**
 * Copies a team's name and address to its customer, for a notice written with the change. A team without a customer
 * gets a customer on first need.
 */
export async function copyCustomer(
  world: CustomersWorld,
  { noticeId, nowSecond }: { noticeId: string; nowSecond: number },
): Promise<void> {
  const notice = await findNotice(world.db, noticeId);
  if (notice === null) throw final('stripe', `no such notice: ${noticeId}`);
  if (notice.sentSecond !== null) return;
  try {
    await copyUntilCurrent(world, notice.teamId);
  } catch (error) {
    // Retried like an outage, so no change is lost.
    if (error instanceof BillingError) throw passing('stripe', `refuses the details of ${notice.teamId}`);
    throw error;
  }
  await markSent(world.db, noticeId, nowSecond);
}

/** The team's customer, made on first need. Two simultaneous calls get the same customer by the idempotency key. */
async function ensureCustomer(world: CustomersWorld, { id: teamId, stripeCustomerId }: Team): Promise<string> {
  if (stripeCustomerId === null) return makeCustomer(world, teamId, null);
  try {
    const current = await copyUntilCurrent(world, teamId);
    if (current !== null) return current;
  } catch (error) {
    // Details that Stripe refuses must not prevent a payment.
    if (error instanceof BillingError && error.code === 'provider_rejected') return stripeCustomerId;
    throw error;
  }
  return replaceCustomer(world, teamId, stripeCustomerId);
}

async function replaceCustomer(world: CustomersWorld, teamId: string, gone: string): Promise<string> {
  const { db, log } = world;
  const { stripeCustomerId } = await getTeam(db, teamId);
  if (stripeCustomerId !== null && stripeCustomerId !== gone) return stripeCustomerId;
  const cards = await listPaymentMethods(db, teamId);
  const customer = await makeCustomer(world, teamId, gone);
  for (const { id } of cards) await removePaymentMethod(db, teamId, id, secondOf(Date.now()));
  log.warn(
    { teamId, gone, made: customer, cards: cards.length },
    'Stripe no longer has a customer: another one was made',
  );
  return customer;
}

async function makeCustomer(world: CustomersWorld, teamId: string, replaced: string | null): Promise<string> {
  const { db } = world;
  const team = await getTeam(db, teamId);
  const { id: made } = await createCustomer(world, team, replaced);
  await keepCustomer(db, teamId, replaced, { stripeCustomerId: made, name: team.name, email: team.email });
  // The name may have changed meanwhile, and another process may have stored another customer.
  return (await copyUntilCurrent(world, teamId)) ?? made;
}

async function createCustomer(world: CustomersWorld, team: Team, replaced: string | null): Promise<Stripe.Customer> {
  const { stripe } = world;
  const first = stripeKey.createCustomer(team.id, replaced);
  const another = () => stripeKey.another(first, randomUUID());
  const create = (idempotencyKey: string) =>
    accepted(world, team, (details) =>
      stripe.customers.create(details, {
        idempotencyKey: details.email === undefined ? stripeKey.withoutEmail(idempotencyKey) : idempotencyKey,
      }),
    );
  let customer: Stripe.Customer;
  try {
    customer = await create(first);
  } catch (error) {
    if (!isOfTheKey(error)) throw error;
    customer = await create(another());
  }
  return isReplayed(customer) && (await isGone(stripe, customer.id)) ? create(another()) : customer;
}

/** A stored 500, or other parameters than at first: for a day the same key would only return the same error. */
const isOfTheKey = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeIdempotencyError ||
  (error instanceof Stripe.errors.StripeAPIError && error.statusCode === 500);

const isReplayed = (customer: Stripe.Customer): boolean => {
  const { lastResponse } = customer as Partial<Stripe.Response<Stripe.Customer>>;
  return lastResponse?.headers?.['idempotent-replayed'] === 'true';
};

async function isGone(stripe: Stripe, customer: string): Promise<boolean> {
  const customerAtStripe = await orNull(() => stripe.customers.retrieve(customer));
  return customerAtStripe === null || customerAtStripe.deleted === true;
}

/**
 * Copies until the customer has the team's present details: a change may come between the read and the answer, and an
 * older copy may arrive after a newer one. Null when Stripe does not have the customer, or the team has none.
 */
async function copyUntilCurrent(world: CustomersWorld, teamId: string): Promise<string | null> {
  const { stripe, db } = world;
  for (;;) {
    const team = await getTeam(db, teamId);
    const { stripeCustomerId, name, email } = team;
    if (stripeCustomerId === null) return null;
    if (team.stripeCustomerName === name && team.stripeCustomerEmail === email) return stripeCustomerId;
    try {
      await accepted(world, team, (details) => stripe.customers.update(stripeCustomerId, details));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    const copy: CustomerCopy = { stripeCustomerId, name, email };
    await noteCustomerCopy(db, teamId, copy);
  }
}

/**
 * Sends a team's details. Stripe refuses some addresses that are valid here. A refused address is left out, so the team
 * can still pay.
 * @throws BillingError `provider_rejected`
 */
async function accepted<T>(
  { log }: CustomersWorld,
  { id, name, email }: Team,
  send: (details: { name: string; email?: string; metadata: { team: string } }) => Promise<T>,
): Promise<T> {
  const details = { name, metadata: { team: id } };
  try {
    return await send({ ...details, email }).catch((error) => {
      if (!(error instanceof Stripe.errors.StripeInvalidRequestError) || error.param !== 'email') throw error;
      log.warn({ teamId: id, error: inCodes(error) }, 'Stripe refuses the address of a team; its customer has none');
      return send(details);
    });
  } catch (error) {
    if (isMissing(error) || stripeFault(error).kind !== 'refused') throw error;
    log.error({ teamId: id, error: inCodes(error) }, 'Stripe refuses a team as its customer');
    throw new BillingError('provider_rejected', 'the card provider did not accept our request for this team');
  }
}
