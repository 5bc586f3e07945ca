/** Finds the price of each event of a flush: the price of its model at its second, read once for all events. */
import { type DatedModelPrice, heldPriceIn, type ModelPrice, modelPriceIn } from '../billing/tokens.ts';
import type { UsageEvent } from '../billing/usage-batch.ts';
import type { Tx } from '../prisma/client.ts';
import { findHolds } from '../prisma/holds.ts';
import { modelPricesFor } from '../prisma/prices.ts';

/**
 * An event as the caller sent the event. Without a price, the list price is charged, as of the second of the usage or
 * of the receipt.
 */
export type SaidUsage = Omit<UsageEvent, 'price'> & { price?: ModelPrice };

interface Received {
  events: readonly SaidUsage[];
  receivedSecond: number;
}

/** The calls with a price on each event, or null where the model had no price at the second. */
export async function withPrices<T extends Received>(
  tx: Tx,
  calls: readonly T[],
): Promise<Array<Omit<T, 'events'> & { events: UsageEvent[] }>> {
  const models = new Set<string>();
  let fromSecond = Number.MAX_SAFE_INTEGER;
  for (const { events, receivedSecond } of calls)
    for (const { model, price, atSecond } of events) {
      if (price) continue;
      models.add(model);
      fromSecond = Math.min(fromSecond, atSecond ?? receivedSecond);
    }
  const priceAt = pricesIn(models.size > 0 ? await modelPricesFor(tx, [...models], fromSecond) : []);
  const priced = calls.map((call) => ({
    ...call,
    events: call.events.map((event) => ({
      ...event,
      price: event.price ?? priceAt(event.model, event.atSecond ?? call.receivedSecond),
    })),
  }));
  await priceByHolds(
    tx,
    priced.flatMap(({ events }) => events),
  );
  return priced;
}

/**
 * Gives events of a withdrawn model the price of their holds. A request whose credit was held before the withdrawal is
 * charged at the held price, also where both happened in one second. An event with its own second is charged by the
 * list of that second.
 */
async function priceByHolds(tx: Tx, events: UsageEvent[]): Promise<void> {
  const unpriced = events.filter(
    ({ price, atSecond, holdId }) => price === null && atSecond === null && holdId !== null,
  );
  if (unpriced.length === 0) return;
  const holds = new Map(
    (
      await findHolds(
        tx,
        unpriced.map(({ holdId }) => holdId ?? ''),
      )
    ).map((hold) => [hold.holdId, hold]),
  );
  const fromSecond = Math.min(...[...holds.values()].map(({ placedSecond }) => placedSecond));
  const models = [...new Set(unpriced.map(({ model }) => model))];
  const prices = holds.size > 0 ? await modelPricesFor(tx, models, fromSecond) : [];
  for (const event of unpriced) {
    const hold = holds.get(event.holdId ?? '');
    if (hold?.teamId === event.teamId && hold.model === event.model)
      event.price = heldPriceIn(prices, event.model, hold.placedSecond);
  }
}

/** Looks for each model's price at a second once. */
function pricesIn(rows: readonly DatedModelPrice[]): (model: string, second: number) => DatedModelPrice | null {
  const priceByModel = new Map<string, DatedModelPrice | null>();
  return (model, second) => {
    const key = `${second}/${model}`;
    const price = priceByModel.get(key);
    if (price !== undefined) return price;
    const inForce = modelPriceIn(rows, model, second);
    priceByModel.set(key, inForce);
    return inForce;
  };
}
