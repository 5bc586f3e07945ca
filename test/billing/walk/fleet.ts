/**
 * What runs for a team, and at which rate: instances and reservations, list prices, the discount, and who is covered. Nothing
 * here knows of money; the walk tells it the second.
 */
import { costOf, endAt, goOnAt, type Metered } from './meters.ts';
import { earnedBy, less, PriceList, type WalkedPrice, type WalkedTier } from './price-list.ts';

export type WalkedPricing = 'on_demand' | 'spot' | 'reserved';

/** What is asked for by whoever starts an instance. */
export interface WalkedStart {
  id: string;
  pricing: WalkedPricing;
  gpuType: string | null;
  region: string | null;
  shedOrder: number | null;
}

export interface WalkedInstance extends WalkedStart, Metered {
  /** Before any discount and cover. */
  list: number;
  /** By the platform, and charged so. */
  given: boolean;
  startedAt: number;
  /** The second for which the platform announced that it takes it back. */
  reclaimAt?: number;
  endedAt?: number;
  reason?: string;
}

export interface WalkedReservation extends Metered {
  id: string;
  gpuType: string;
  region: string;
  count: number;
  term: string;
  /** Where a term that begins at a second ends. */
  endOf: (second: number) => number;
  renew: boolean;
  /** The end of the running term. */
  until: number;
  terms: number;
  endedAt?: number;
  reason?: 'ended' | 'lapsed' | 'not_offered';
}

export interface WalkedDiscount {
  basisPoints: number;
  /** It does not hold at this second any more. */
  until: number | null;
}

export class Fleet {
  readonly prices = new PriceList();
  readonly instances: WalkedInstance[] = [];
  readonly reservations: WalkedReservation[] = [];
  assigned: WalkedDiscount | null = null;
  /** What volume earns, as it was last looked at. */
  earned = 0;
  running: WalkedInstance[] = [];
  reserved: WalkedReservation[] = [];
  /** What everything that has ended has cost. */
  #endedCost = 0;
  readonly #tiers: readonly WalkedTier[];

  constructor(tiers: readonly WalkedTier[]) {
    this.#tiers = tiers;
  }

  get isIdle(): boolean {
    return this.running.length === 0 && this.reserved.length === 0;
  }

  /** Of all that ran or runs, by a second that does not lie before the last end. */
  costBy(second: number): number {
    const of = (metered: readonly Metered[]) => metered.reduce((sum, one) => sum + costOf(one, second), 0);
    return this.#endedCost + of(this.running) + of(this.reserved);
  }

  spentBetween(from: number, to: number): number {
    return [...this.instances, ...this.reservations].reduce((sum, one) => sum + costOf(one, to) - costOf(one, from), 0);
  }

  // ── What begins and ends ─────────────────────────────────────────────────────────────────────────────────────────

  /** False, and nothing kept, where it is not offered or must be covered and is not. */
  start(asked: WalkedStart, given: number | null, second: number, spent: () => number): boolean {
    const price = this.prices.at(asked.gpuType, asked.region, second);
    const listed = asked.pricing === 'spot' ? price?.spot : price?.onDemand;
    const list = given ?? listed;
    if (list === undefined) return false;
    const instance = { ...asked, list, given: given !== null, startedAt: second, stretches: [] };
    if (asked.pricing === 'reserved' && !this.#hasRoomFor(asked)) return false;
    if (given === null) this.look(spent());
    this.instances.push(instance);
    this.running.push(instance);
    this.work(second);
    return true;
  }

  end(instance: WalkedInstance, second: number, reason: string): void {
    endAt(instance, second);
    instance.endedAt = second;
    instance.reason = reason;
    this.running = this.running.filter((other) => other !== instance);
    this.#endedCost += costOf(instance, second);
  }

  reserve(asked: Omit<WalkedReservation, 'stretches' | 'until' | 'terms'>, second: number): boolean {
    const price = this.prices.at(asked.gpuType, asked.region, second)?.reserved[asked.term];
    if (price === undefined) return false;
    const stretches = [{ rate: price * asked.count, from: second, price: 'term 1' }];
    const reservation = { ...asked, until: asked.endOf(second), terms: 1, stretches };
    this.reservations.push(reservation);
    this.reserved.push(reservation);
    this.work(second);
    return true;
  }

  endReservation(
    reservation: WalkedReservation,
    second: number,
    reason: NonNullable<WalkedReservation['reason']>,
  ): void {
    endAt(reservation, second);
    reservation.endedAt = second;
    reservation.reason = reason;
    this.reserved = this.reserved.filter((other) => other !== reservation);
    this.#endedCost += costOf(reservation, second);
  }

  // ── What a second brings ─────────────────────────────────────────────────────────────────────────────────────────

  /** What was announced or agreed for this second, or for one before that was not come to. */
  come(second: number): void {
    for (const instance of this.running)
      if (instance.reclaimAt !== undefined && instance.reclaimAt <= second)
        this.end(instance, second, 'spot_reclaimed');
    for (const reservation of this.reserved)
      if (reservation.until <= second) {
        const price = this.prices.at(reservation.gpuType, reservation.region, second);
        if (reservation.renew && price) this.#renew(reservation, price, second);
        else this.endReservation(reservation, second, reservation.renew ? 'not_offered' : 'ended');
      }
    this.work(second);
  }

  /** Its terms are stretches of their own, also where the price has stayed. */
  #renew(reservation: WalkedReservation, { reserved }: WalkedPrice, second: number): void {
    const { count, term } = reservation;
    reservation.until = reservation.endOf(second);
    reservation.terms += 1;
    goOnAt(reservation, { rate: reserved[term]! * count, from: second, price: `term ${reservation.terms}` });
  }

  /** Looks at what volume earns. */
  look(spent: number): void {
    this.earned = earnedBy(this.#tiers, spent);
  }

  get anyListed(): boolean {
    return this.running.some(({ given }) => !given);
  }

  /** The higher of the two, never both. */
  #discountAt(second: number, earned: number): number {
    const { assigned } = this;
    const holds = assigned !== null && (assigned.until === null || second < assigned.until);
    return Math.max(holds ? assigned.basisPoints : 0, earned);
  }

  /** Works out every rate anew, from a second on. */
  work(second: number): void {
    const discount = this.#discountAt(second, this.earned);
    for (const instance of this.running)
      if (instance.pricing === 'spot' && !instance.given)
        instance.list = this.prices.at(instance.gpuType, instance.region, second)?.spot ?? instance.list;
    const covered = this.#covered(this.running, discount);
    for (const instance of this.running) {
      const { list, given } = instance;
      const price = given ? `given ${list}` : `${list} less ${discount}`;
      if (covered.has(instance)) goOnAt(instance, { rate: 0, from: second, price: 'covered' });
      else goOnAt(instance, { rate: uncovered(instance, discount), from: second, price });
    }
  }

  /** Whether one more that asks for it can be covered. */
  #hasRoomFor({ gpuType, region }: WalkedStart): boolean {
    const isSame = (other: { gpuType: string | null; region: string | null }) =>
      other.gpuType === gpuType && other.region === region;
    const asking = this.running.filter((instance) => instance.pricing === 'reserved' && isSame(instance));
    return asking.length < this.reserved.filter(isSame).reduce((sum, { count }) => sum + count, 0);
  }

  /** As many of a kind as are reserved: those that ask for it first, then where it saves the most, then the oldest. */
  #covered(instances: readonly WalkedInstance[], discount: number): Set<WalkedInstance> {
    const covered = new Set<WalkedInstance>();
    const kinds = new Set(this.reserved.map(({ gpuType, region }) => `${gpuType} ${region}`));
    for (const kind of kinds) {
      const count = this.reserved
        .filter(({ gpuType, region }) => `${gpuType} ${region}` === kind)
        .reduce((sum, { count }) => sum + count, 0);
      const mayBe = instances.filter(
        ({ gpuType, region, given, pricing }) => `${gpuType} ${region}` === kind && (!given || pricing === 'reserved'),
      );
      const asks = ({ pricing }: WalkedInstance) => (pricing === 'reserved' ? 1 : 0);
      const saves = (instance: WalkedInstance) => uncovered(instance, discount);
      mayBe.sort(
        (a, b) =>
          asks(b) - asks(a) ||
          saves(b) - saves(a) ||
          a.startedAt - b.startedAt ||
          (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
      );
      for (const instance of mayBe.slice(0, count)) covered.add(instance);
    }
    return covered;
  }
}

const uncovered = ({ list, given }: WalkedInstance, basisPoints: number): number =>
  given ? list : less(list, basisPoints);
