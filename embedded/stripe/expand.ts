import { lineItemObject, planOf } from './checkout-sessions.ts';
import { invalidRequest } from './errors.ts';
import { listPage } from './lists.ts';
import type { CheckoutSession } from './objects.ts';
import type { World } from './world.ts';

const MOST_LEVELS = 4;

/** Expandable references, each with the store of the objects. */
const KEPT_BY: Record<string, (world: World, id: string) => unknown> = {
  balance_transaction: (world, id) => world.state.balanceTransactions.get(id),
  charge: (world, id) => world.state.charges.get(id),
  customer: (world, id) =>
    world.state.deletedCustomers.has(id) ? { id, object: 'customer', deleted: true } : world.state.customers.get(id),
  default_payment_method: (world, id) => world.state.paymentMethods.get(id),
  failure_balance_transaction: (world, id) => world.state.balanceTransactions.get(id),
  latest_charge: (world, id) => world.state.charges.get(id),
  payment_intent: (world, id) => world.state.paymentIntents.get(id),
  payment_method: (world, id) => world.state.paymentMethods.get(id),
  setup_intent: (world, id) => world.state.setupIntents.get(id),
  source: (world, id) => world.state.charges.get(id) ?? world.state.refunds.get(id) ?? world.state.disputes.get(id),
};

/** The answer with the references in `expand` expanded. The stored objects keep their ids. */
export function expanded(world: World, answer: object, paths: string[]): object {
  if (paths.length === 0) return answer;
  const copy = structuredClone(answer) as Record<string, unknown>;
  for (const path of paths) {
    const steps = path.split('.');
    if (steps.length > MOST_LEVELS + (steps[0] === 'data' ? 1 : 0))
      throw invalidRequest(`You cannot expand more than ${MOST_LEVELS} levels of a property. Property: ${path}`, {
        param: 'expand',
      });
    expandAt(world, copy, steps, path);
  }
  return copy;
}

function expandAt(world: World, object: Record<string, unknown>, [step = '', ...rest]: string[], path: string): void {
  if (step === 'data' && Array.isArray(object.data)) {
    for (const item of object.data) expandAt(world, item, rest, path);
    return;
  }
  if (step === 'refunds' && object.object === 'charge') object.refunds ??= refundsOf(world, object);
  if (step === 'line_items' && object.object === 'checkout.session')
    object.line_items ??= lineItemsOf(world, object as never);
  const value = object[step];
  // A charge's payment_method is a plain string at Stripe, and balances list their sources as ids of many kinds.
  const find = step === 'payment_method' && object.object === 'charge' ? undefined : KEPT_BY[step];
  if (value === undefined || (find === undefined && (value === null || typeof value !== 'object')))
    throw invalidRequest(`This property cannot be expanded (${step}).`, { param: 'expand' });
  if (typeof value === 'string' && find) object[step] = structuredClone(find(world, value)) ?? value;
  const next = object[step];
  if (rest.length > 0 && next !== null && typeof next === 'object')
    expandAt(world, next as Record<string, unknown>, rest, path);
}

function refundsOf(world: World, charge: Record<string, unknown>) {
  const url = `/v1/charges/${charge.id}/refunds`;
  return structuredClone(
    listPage(url, world.state.refunds.values(), {}, 'refund', (refund) => refund.charge === charge.id),
  );
}

function lineItemsOf(world: World, session: CheckoutSession) {
  const items = planOf(world, session).lineItems.map((item) => lineItemObject(session, item));
  return listPage(`/v1/checkout/sessions/${session.id}/line_items`, items.reverse(), {}, 'line_item');
}
