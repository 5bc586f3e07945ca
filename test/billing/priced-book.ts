/**
 * A book that also keeps the price list, reservations and holds. What an account knows of the list and of what was spent is
 * read anew for each fact, and only where it can matter, as whoever keeps the rows does.
 */
import assert from 'node:assert/strict';
import { type Account, moneySecond } from '../../billing/account.ts';
import type { Effect } from '../../billing/change.ts';
import { isSamePair } from '../../billing/covers.ts';
import type { AssignedDiscount } from '../../billing/discounts.ts';
import { BillingError } from '../../billing/errors.ts';
import { assignDiscount, recordUsage } from '../../billing/facts.ts';
import { type Hold, placeHold, voidHold } from '../../billing/holds.ts';
import { announceReclaim, type InstanceOrder, setShedOrder, startInstance } from '../../billing/instances.ts';
import { type Micros, micros } from '../../billing/money.ts';
import { type GpuPrice, isDiscountable, listMicrosOf, type Priced, priceAt } from '../../billing/prices.ts';
import type { ReservationEnd, ReservationMeter } from '../../billing/reservation-meter.ts';
import { openReservation, type ReservationOrder, setRenewal, settleReservation } from '../../billing/reservations.ts';
import { spendAt, spendOver } from '../../billing/spending.ts';
import { dayStart } from '../../billing/time.ts';
import { costMicros } from '../../billing/usage.ts';
import { Book } from './book.ts';

export type ListedOrder = Omit<InstanceOrder, 'listMicrosPerHour' | 'given'>;
export type TermOfBook = ReservationMeter & { closedSecond?: number; how?: ReservationEnd };
export type HoldOfBook = Hold & { state: 'held' | 'voided' | 'settled' | 'expired' };

export class PricedBook extends Book {
  readonly prices: GpuPrice[] = [];
  readonly termsKept: TermOfBook[] = [];
  readonly requests: HoldOfBook[] = [];

  // ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** No fact of the team: whoever records the next one reads it. */
  changePrice(price: GpuPrice): this {
    this.prices.push(price);
    return this;
  }

  startListed(order: ListedOrder, at: number): this {
    const price = this.#priceAt(order, at);
    const listed = { ...order, listMicrosPerHour: listMicrosOf(price, order.pricing), given: false };
    return this.keep(startInstance(this.read(at, true), this.settings, listed, at));
  }

  startGiven(order: ListedOrder, hourlyMicros: Micros, at: number): this {
    const given = { ...order, listMicrosPerHour: hourlyMicros, given: true };
    return this.keep(startInstance(this.read(at), this.settings, given, at));
  }

  assignDiscount(discount: AssignedDiscount | null, at: number): this {
    return this.keep(assignDiscount(this.read(at), this.settings, discount, at));
  }

  reserve(order: Omit<ReservationOrder, 'unitMicrosPerHour'>, at: number): this {
    const unitMicrosPerHour = this.#priceAt(order, at).reservedMicros[order.term];
    return this.keep(openReservation(this.read(at), this.settings, { ...order, unitMicrosPerHour }, at));
  }

  setRenewal(reservationId: string, renew: boolean, at: number): this {
    return this.keep(setRenewal(this.read(at), this.settings, { reservationId, renew }, at));
  }

  settleReservation(reservationId: string, at: number): this {
    return this.keep(settleReservation(this.read(at), this.settings, reservationId, at));
  }

  reclaim(instanceId: string, reclaimSecond: number, at: number): this {
    return this.keep(announceReclaim(this.read(at), this.settings, { instanceId, reclaimSecond }, at));
  }

  orderToEnd(order: ReadonlyMap<string, number>, at: number): this {
    return this.keep(setShedOrder(this.read(at), this.settings, order, at));
  }

  hold(holdId: string, amountMicros: Micros, expiresSecond: number, at: number): this {
    const placed = { amountMicros, ttlSeconds: expiresSecond - at };
    const outcome = placeHold(this.read(at), this.settings, placed, at);
    this.requests.push({ holdId, amountMicros, expiresSecond, state: 'held' });
    return this.keep(outcome);
  }

  /** One that has ended, by its row, is left as it ended. */
  voidHold(holdId: string, at: number): this {
    const [held] = this.#stillHeld([holdId]);
    if (!held) return this.look(at);
    return this.#ended(voidHold(this.read(at), this.settings, held, at), [held], 'voided');
  }

  useWithHolds(cost: bigint, holdIds: readonly string[], at: number): this {
    const holds = this.#stillHeld(holdIds);
    const usage = { eventId: this.id('ev'), cost, holds };
    return this.#ended(recordUsage(this.read(at), this.settings, usage, at), holds, 'settled');
  }

  #ended(outcome: ReturnType<typeof voidHold>, holds: HoldOfBook[], as: 'voided' | 'settled'): this {
    for (const effect of outcome.effects) if (effect.kind === 'holds_expired') this.#expire(effect.throughSecond);
    for (const hold of holds) if (hold.state === 'held') hold.state = as;
    return this.keep(outcome);
  }

  #stillHeld(holdIds: readonly string[]): HoldOfBook[] {
    return this.requests.filter(({ holdId, state }) => holdIds.includes(holdId) && state === 'held');
  }

  #expire(throughSecond: number): void {
    for (const hold of this.requests)
      if (hold.state === 'held' && hold.expiresSecond <= throughSecond) hold.state = 'expired';
  }

  #priceAt(pair: { gpuType: string; region: string }, second: number): GpuPrice {
    const price = priceAt(this.prices, pair, second);
    if (!price) throw new BillingError('not_found', 'not offered');
    return price;
  }

  // ── What an account is read with ─────────────────────────────────────────────────────────────────────────────────

  protected override read(at: number, isListedStart = false): Account {
    const { account } = this;
    const { meters, reservations, datedThroughSecond } = account;
    const pairs = [
      ...meters.map(({ priced }) => priced).filter(({ pricing, given }) => pricing === 'spot' && !given),
      ...reservations.filter(({ renew }) => renew),
    ];
    const prices = this.prices.filter((price) => pairs.some((pair) => isSamePair(pair, price)));
    const isNewDay = dayStart(at) > dayStart(datedThroughSecond);
    const asks = isListedStart || (isNewDay && meters.some(({ priced }) => isDiscountable(priced)));
    return { ...account, prices, spentByDay: asks ? this.#spentByDay() : null };
  }

  #spentByDay(): Map<number, Micros> {
    const spent = new Map<number, Micros>();
    for (const segment of this.segments)
      if (segment.endSecond !== undefined) spendOver(spent, segment, segment.endSecond);
    for (const term of this.termsKept) if (term.closedSecond !== undefined) spendOver(spent, term, term.closedSecond);
    for (const { code, second, amountMicros } of this.transfers)
      if (code === 'token_usage' || code === 'owed_usage') spendAt(spent, second, amountMicros);
    return spent;
  }

  // ── Keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────

  termsOf(reservationId: string): TermOfBook[] {
    return this.termsKept.filter((term) => term.reservationId === reservationId);
  }

  protected override note(effect: Effect): void {
    super.note(effect);
    if (effect.kind === 'holds_expired') this.#expire(effect.throughSecond);
    if (effect.kind === 'reservation_opened') this.termsKept.push({ ...effect.reservation });
    if (effect.kind === 'reservation_posted') Object.assign(this.#term(effect.reservation), effect.reservation);
    if (effect.kind === 'reservation_closed') {
      const term = this.#term(effect.reservation);
      assert.equal(term.closedSecond, undefined, 'a term ended twice');
      Object.assign(term, effect.reservation, { closedSecond: effect.endSecond, how: effect.how });
    }
  }

  #term({ reservationId, termNumber }: ReservationMeter): TermOfBook {
    const found = this.termsOf(reservationId).find((term) => term.termNumber === termNumber);
    assert(found, `no term ${termNumber} of ${reservationId}`);
    return found;
  }

  protected override holds(): void {
    super.holds();
    this.#holdsForRequests();
    this.#holdsForReservations();
    this.#holdsForRates();
  }

  #holdsForRequests(): void {
    const { account, requests } = this;
    const open = requests.filter(({ state }) => state === 'held');
    const contested = account.contests.reduce((sum, { heldMicros }) => sum + heldMicros, 0);
    const held = open.reduce((sum, { amountMicros }) => sum + amountMicros, contested);
    assert.equal(account.heldMicros, held, 'what is held is not what the disputes and the open requests hold');
    for (const { expiresSecond } of open)
      assert(expiresSecond > moneySecond(account, account.asOfSecond), 'a hold has outlived its second');
  }

  #holdsForReservations(): void {
    const now = moneySecond(this.account, this.account.asOfSecond);
    for (const { reservationId } of this.termsKept.filter(({ termNumber }) => termNumber === 1)) {
      const terms = this.termsOf(reservationId);
      let at = terms[0]!.startSecond;
      let cost = 0;
      for (const [i, term] of terms.entries()) {
        assert.equal(term.startSecond, at, `the terms of ${reservationId} do not tile`);
        assert.equal(term.closedSecond === undefined || i < terms.length - 1 || term.how !== 'renewed', true);
        at = term.closedSecond ?? now;
        assert(
          at <= term.endSecond && (term.how === 'lapsed' || at === term.endSecond || term.closedSecond === undefined),
        );
        cost += costMicros(term.rateMicrosPerHour, at - term.startSecond);
      }
      const posted = this.transfers
        .filter((transfer) => transfer.reservationId === reservationId)
        .reduce((sum, { amountMicros }) => sum + amountMicros, 0);
      if (terms.at(-1)!.closedSecond === undefined)
        assert(posted <= cost, `more is posted for ${reservationId} than it cost`);
      else assert.equal(posted, cost, `what is posted for ${reservationId} is not what it cost`);
    }
  }

  /** Over all that ran: at no second more is covered than is reserved, and no rate has more than one discount. */
  lookBack(): void {
    const after = Number.POSITIVE_INFINITY;
    for (const { priced, rateMicrosPerHour, instanceId } of this.segments)
      assert.equal(rateMicrosPerHour, rateFrom(priced), `a rate of ${instanceId} does not follow from its price`);
    for (const { reservationId, startSecond, closedSecond = after, count } of this.termsKept) {
      const covered = this.segments.filter(({ priced }) => priced.coveredBy === reservationId);
      for (const second of new Set([startSecond, ...covered.map((segment) => segment.startSecond)])) {
        if (second < startSecond || second >= closedSecond) continue;
        const at = covered.filter((segment) => segment.startSecond <= second && second < (segment.endSecond ?? after));
        assert(at.length <= count, `${reservationId} covers more than it reserves at ${second}`);
      }
    }
  }

  /** Each running rate follows from its list price, at most one discount, and a cover that is there. */
  #holdsForRates(): void {
    const { account } = this;
    const { discount, meters, reservations, volumeBasisPoints } = account;
    const now = moneySecond(account, account.asOfSecond);
    const assigned =
      discount && (discount.untilSecond === null || now < discount.untilSecond) ? discount.basisPoints : 0;
    const covering = new Map(reservations.map(({ reservationId, count }) => [reservationId, count]));
    for (const { instanceId, priced, rateMicrosPerHour } of meters) {
      assert.equal(rateMicrosPerHour, rateFrom(priced), `the rate of ${instanceId} does not follow from its price`);
      const { given, coveredBy, discountBasisPoints } = priced;
      if (coveredBy !== null) {
        covering.set(coveredBy, (covering.get(coveredBy) ?? 0) - 1);
        const reservation = reservations.find(({ reservationId }) => reservationId === coveredBy);
        assert(reservation && isSamePair(reservation, priced), `${instanceId} is covered by what is not there`);
      } else
        assert.equal(discountBasisPoints, given ? 0 : Math.max(assigned, volumeBasisPoints), `${instanceId}: discount`);
    }
    for (const [reservationId, left] of covering) assert(left >= 0, `${reservationId} covers more than it reserves`);
    const uncovered = meters.filter(({ priced: { coveredBy, given } }) => coveredBy === null && !given);
    for (const { priced } of uncovered)
      assert(
        !reservations.some((one) => isSamePair(one, priced) && (covering.get(one.reservationId) ?? 0) > 0),
        'room for cover is left unused',
      );
  }
}

/** Rounded half up, of whole numbers. */
function rateFrom({ listMicrosPerHour, discountBasisPoints, coveredBy }: Priced): Micros {
  if (coveredBy !== null) return micros(0);
  return micros((BigInt(listMicrosPerHour) * BigInt(10_000 - discountBasisPoints) * 2n + 10_000n) / 20_000n);
}
