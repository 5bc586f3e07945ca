import { resourceMissing } from './errors.ts';
import type { World } from './world.ts';

/** The place of an id in the request: at Stripe a path answers 404, a parameter 400, and each has its own `param`. */
export type Place = 'path' | { param: string };

/** Nouns of Stripe's "No such …", and the `param` for an id in the path. */
const KINDS = {
  customers: { noun: 'customer', pathParam: 'id' },
  setupIntents: { noun: 'setupintent', pathParam: 'intent' },
  paymentIntents: { noun: 'payment_intent', pathParam: 'intent' },
  charges: { noun: 'charge', pathParam: 'charge' },
  refunds: { noun: 'refund', pathParam: 'refund' },
  disputes: { noun: 'dispute', pathParam: 'dispute' },
  balanceTransactions: { noun: 'balance_transaction', pathParam: 'id' },
  checkoutSessions: { noun: 'checkout.session', pathParam: 'session' },
  events: { noun: 'event', pathParam: 'id' },
} as const;

type Kept = { [K in keyof typeof KINDS]: World['state'][K] extends Map<string, infer T> ? T : never };

/** The object of an id, or Stripe's refusal. */
export function named<K extends keyof typeof KINDS>(world: World, kind: K, id = '', place: Place = 'path'): Kept[K] {
  const found = world.state[kind].get(id);
  if (found) return found as Kept[K];
  const { noun, pathParam } = KINDS[kind];
  const hint = hintFor(world, id);
  if (place === 'path') throw resourceMissing(noun, id, pathParam, 'path', hint);
  throw resourceMissing(noun, id, place.param, 'parameter', hint);
}

/** Stripe's hint when the id names an object of the other mode. */
export const hintFor = (world: World, id: string): string =>
  world.state.inLiveMode.has(id)
    ? '; a similar object exists in live mode, but a test mode key was used to make this request.'
    : '';
