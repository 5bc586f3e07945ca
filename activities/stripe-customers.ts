/** A team as Stripe knows it. */
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import type { Db } from '../prisma/client.ts';
import { getTeam, setStripeCustomer, type Team } from '../prisma/teams.ts';

/**
 * The team's Stripe customer, made on first need. Two at once may make two; the first that is written down is the team's,
 * the other has no card and costs nothing.
 */
export async function ensureCustomer({ stripe, db }: { stripe: Stripe; db: Db }, team: Team): Promise<string> {
  if (team.stripeCustomerId !== null) return team.stripeCustomerId;
  const { id } = await createCustomer(stripe, team);
  await setStripeCustomer(db, team.id, id);
  return (await getTeam(db, team.id)).stripeCustomerId ?? id;
}

async function createCustomer(stripe: Stripe, { id, name, email }: Team): Promise<Stripe.Customer> {
  const create = (idempotencyKey: string) =>
    stripe.customers.create({ name, email, metadata: { team: id } }, { idempotencyKey });
  try {
    return await create(`customer/${id}`);
  } catch (error) {
    if (!isOfTheKey(error)) throw error;
    return create(`customer/${id}/${randomUUID()}`);
  }
}

/** A stored 500, or other parameters than at first: for a day the same key would only bring this again. */
const isOfTheKey = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeIdempotencyError ||
  (error instanceof Stripe.errors.StripeAPIError && error.statusCode === 500);
