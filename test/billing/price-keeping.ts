/** How an act of prices, discounts, reservations and holds is done to the walk, and to the book. */
import type { GpuPrice } from '../../billing/prices.ts';
import { keep, ofBook, ofWalk, walkOn } from './acts.ts';
import { asMicros } from './book.ts';
import type { PriceAct } from './price-acts.ts';
import type { PricedBook } from './priced-book.ts';
import type { WalkedPrice } from './walk/price-list.ts';
import type { Walk } from './walk.ts';

/** Does it to the walk, which has come to its second. */
export function walkPriced(walk: Walk, doing: PriceAct): 'done' | 'refused' {
  const answer = (done: boolean) => (done ? 'done' : 'refused');
  walk.to(doing.at);
  switch (doing.do) {
    case 'plain':
      return walkOn(
        walk,
        doing.act,
        doing.at,
        walk.instances.map(({ id }) => id),
      );
    case 'start': {
      const { id, kind, pricing, shedOrder, given } = doing;
      const asked = { id, ...kind, pricing, shedOrder };
      return answer(given === null ? walk.startListed(asked) : walk.start(id, given, asked));
    }
    case 'assign':
      walk.assignDiscount(doing.discount);
      return 'done';
    case 'price':
      walk.changePrice(doing.price);
      return 'done';
    case 'reserve': {
      const { id, kind, term, count, renew, seconds } = doing;
      return answer(walk.reserve({ id, ...kind, term, count, renew }, (from) => from + seconds));
    }
    case 'renew':
      return answer(walk.setRenew(doing.id, doing.renew));
    case 'hold':
      return answer(walk.hold(doing.id, doing.amount, doing.until));
    case 'void':
      walk.voidHold(doing.id);
      return 'done';
    case 'use':
      walk.useWithHolds(doing.exact, doing.ids);
      return 'done';
    case 'order':
      walk.orderToEnd(doing.order);
      return 'done';
    default:
      return answer(walk.reclaim(doing.id, doing.reclaimAt));
  }
}

/** Does the same to a book. */
export function keepPriced(book: PricedBook, doing: PriceAct): 'done' | 'refused' {
  if (doing.do === 'plain') return keep(book, doing.act, doing.at, [...book.instances.keys()]);
  try {
    doPriced(book, doing);
    return 'done';
  } catch (error) {
    if ((error as Error).name !== 'BillingError') throw error;
    return 'refused';
  }
}

function doPriced(book: PricedBook, doing: Exclude<PriceAct, { do: 'plain' }>): unknown {
  const { at } = doing;
  switch (doing.do) {
    case 'start': {
      const { id, kind, pricing, shedOrder, given } = doing;
      const order = { instanceId: id, ...kind, pricing, shedOrder };
      return given === null ? book.startListed(order, at) : book.startGiven(order, asMicros(given), at);
    }
    case 'assign': {
      const { discount } = doing;
      return book.assignDiscount(discount && { basisPoints: discount.basisPoints, untilSecond: discount.until }, at);
    }
    case 'price':
      return book.look(at).changePrice(priceOf(doing.price)).look(at);
    case 'reserve': {
      const { id, kind, term, count, renew } = doing;
      return book.reserve({ reservationId: id, ...kind, term, count, renew }, at);
    }
    case 'renew':
      return book.setRenewal(doing.id, doing.renew, at);
    case 'hold':
      return book.hold(doing.id, asMicros(doing.amount), doing.until, at);
    case 'void':
      return book.voidHold(doing.id, at);
    case 'use':
      return book.useWithHolds(doing.exact, doing.ids, at);
    case 'order':
      return book.orderToEnd(doing.order, at);
    default:
      return book.reclaim(doing.id, doing.reclaimAt, at);
  }
}

const priceOf = ({ gpuType, region, from, onDemand, spot, reserved, withdrawn = false }: WalkedPrice): GpuPrice => ({
  gpuType,
  region,
  effectiveSecond: from,
  onDemandMicros: asMicros(onDemand),
  spotMicros: asMicros(spot),
  reservedMicros: {
    '1m': asMicros(reserved['1m']!),
    '3m': asMicros(reserved['3m']!),
    '6m': asMicros(reserved['6m']!),
    '12m': asMicros(reserved['12m']!),
  },
  withdrawn,
});

// ── What the two must agree on ───────────────────────────────────────────────────────────────────────────────────────

/** A stretch of no length costs nothing, and of two that cost nothing it does not matter where one ends. */
const charged = (stretches: Array<{ rate: number; from: number; to: number | undefined }>) =>
  stretches.filter(({ rate, from, to }) => rate > 0 && from !== to);

export const ofPricedBook = (book: PricedBook) => ({
  ...ofBook(book),
  rates: Object.fromEntries(
    [...book.instances.keys()].map((id) => [
      id,
      charged(
        book
          .segmentsOf(id)
          .map(({ rateMicrosPerHour: rate, startSecond: from, endSecond: to }) => ({ rate, from, to })),
      ),
    ]),
  ),
  reservations: Object.fromEntries(
    [...new Set(book.termsKept.map(({ reservationId }) => reservationId))].map((id) => {
      const terms = book.termsOf(id);
      const { endSecond, closedSecond, how } = terms.at(-1)!;
      return [id, { terms: terms.length, until: endSecond, endedAt: closedSecond, how }];
    }),
  ),
  holds: book.requests.map(({ state }) => state),
});

export const ofPricedWalk = (walk: Walk) => ({
  ...ofWalk(walk),
  rates: Object.fromEntries(
    walk.instances.map(({ id, stretches }) => [
      id,
      charged(stretches.map(({ rate, from, to }) => ({ rate, from, to }))),
    ]),
  ),
  reservations: Object.fromEntries(
    walk.reservations.map(({ id, terms, until, endedAt, reason }) => [id, { terms, until, endedAt, how: reason }]),
  ),
  holds: walk.holds.map(({ ended }) => ended ?? 'held'),
});
