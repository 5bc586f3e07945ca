import { invalidRequest } from './errors.ts';
import { paymentMethodsOf } from './payment-methods.ts';
import type { World } from './world.ts';

/** Removes an object of any kind, so its id names nothing. The cards of a customer are removed too. */
export function forget(world: World, id: string, live: boolean): void {
  const { state } = world;
  for (const { id: card } of state.customers.has(id) ? paymentMethodsOf(world, id) : []) forget(world, card, live);
  const kept: Map<string, unknown>[] = [
    state.customers,
    state.paymentMethods,
    state.setupIntents,
    state.paymentIntents,
    state.charges,
    state.refunds,
    state.disputes,
    state.balanceTransactions,
    state.checkoutSessions,
    state.events,
  ];
  const removed = kept.map((map) => map.delete(id));
  const wasDeleted = state.deletedCustomers.delete(id);
  if (!removed.includes(true) && !wasDeleted) throw invalidRequest(`No such object: '${id}'`, { status: 404 });
  if (live) state.inLiveMode.add(id);
}
