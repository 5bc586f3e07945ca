/**
 * What the rules say, done second by second: nothing is computed ahead, each second adds up the facts from the beginning.
 * It knows more of the rules than the oracle of the scenarios (charges that take time, re-prices, stops in the past,
 * grants, caps, low-balance warnings, refunds, disputes, prices and discounts, reservations, holds, shedding) and imports
 * nothing from the product, so that agreement between the two means something.
 */
import {
  Fleet,
  type WalkedDiscount,
  type WalkedInstance,
  type WalkedPricing,
  type WalkedReservation,
  type WalkedStart,
} from './walk/fleet.ts';
import type { WalkedPrice, WalkedTier } from './walk/price-list.ts';
import { Purse } from './walk/purse.ts';

export { costOf } from './walk/meters.ts';

export interface WalkSettings {
  cooldownSeconds: number;
  graceSeconds: number;
  minStartMicros: number;
  lowLevelMicros: number;
  volumeTiers?: readonly WalkedTier[];
}

export interface WalkedPolicy {
  enabled: boolean;
  threshold: number;
  amount: number;
  cap: number | null;
}

export interface WalkedExhaustion {
  second: number;
  instanceIds: string[];
}

const DAY = 86_400;
const DAYS_OF_VOLUME = 30;
const GIVEN: Omit<WalkedStart, 'id'> = { pricing: 'on_demand', gpuType: null, region: null, shedOrder: null };

export class Walk extends Purse {
  second: number;
  policy: WalkedPolicy | null = null;
  inFlight: { at: number; amount: number } | null = null;
  readonly attempts: number[] = [];
  toppedUp = 0;
  /** X, while a charge in flight keeps the end of credit open. */
  standsAt: number | null = null;
  readonly exhaustions: WalkedExhaustion[] = [];
  readonly lows: number[] = [];
  /** The second that the money has come to: the present one, unless it stands at X. */
  #at: number;
  /** What ends at one second, as the clock is heard once, has ended together. */
  #ending: WalkedExhaustion | null = null;
  readonly #fleet: Fleet;
  readonly #settings: WalkSettings;

  constructor(settings: WalkSettings, second = 0) {
    super();
    this.second = second;
    this.#at = second;
    this.#settings = settings;
    this.#fleet = new Fleet(settings.volumeTiers ?? []);
  }

  get instances(): readonly WalkedInstance[] {
    return this.#fleet.instances;
  }

  get running(): readonly WalkedInstance[] {
    return this.#fleet.running;
  }

  get reservations(): readonly WalkedReservation[] {
    return this.#fleet.reservations;
  }

  /** What there is at a second, had nothing more happened by then. */
  availableAt(second: number): number {
    return this.credit - this.#fleet.costBy(second) - this.heldAt(second);
  }

  get available(): number {
    return this.availableAt(this.#at);
  }

  protected get moneySecond(): number {
    return this.#at;
  }

  get held(): number {
    return this.heldAt(this.#at);
  }

  get isOpen(): boolean {
    return this.standsAt !== null;
  }

  protected get lowLevel(): number {
    return this.#settings.lowLevelMicros;
  }

  to(second: number): void {
    // Where nothing runs, is held or is watched, no second brings anything.
    if (this.#isQuiet && second > this.second) {
      this.second = second - 1;
      this.#at = this.second;
    }
    while (this.second < second) {
      this.second += 1;
      if (!this.isOpen && this.#comeTo(this.second)) this.creditArrived();
      this.hear();
    }
  }

  get #isQuiet(): boolean {
    const { policy, inFlight, holds } = this;
    const isWatched = policy?.enabled === true || inFlight !== null || holds.some(({ ended }) => ended === null);
    return this.#fleet.isIdle && !isWatched && !this.isOpen;
  }

  // ── Facts, each at the walk's second ─────────────────────────────────────────────────────────────────────────────

  /** At a rate that the platform gives. */
  start(id: string, rate: number, more: Partial<WalkedStart> = {}): boolean {
    return this.#start({ ...GIVEN, ...more, id }, rate);
  }

  /** At the list's price, less the team's discount. */
  startListed(asked: WalkedStart & { pricing: WalkedPricing; gpuType: string; region: string }): boolean {
    return this.#start(asked, null);
  }

  #start(asked: WalkedStart, given: number | null): boolean {
    if (!this.#mayBegin) return false;
    if (!this.#fleet.start(asked, given, this.second, () => this.#spentBy(this.second))) return false;
    this.hear();
    return true;
  }

  reserve(
    asked: { id: string; gpuType: string; region: string; count: number; term: string; renew: boolean },
    endOf: (second: number) => number,
  ): boolean {
    if (!this.#mayBegin || !this.#fleet.reserve({ ...asked, endOf }, this.second)) return false;
    this.hear();
    return true;
  }

  get #mayBegin(): boolean {
    return !this.isOpen && this.available >= this.#settings.minStartMicros;
  }

  /** False when `backTo` lies before the start or in the future. */
  stop(id: string, backTo: number | null): boolean {
    const instance = this.running.find((running) => running.id === id);
    if (!instance) return true;
    if (backTo !== null && (backTo > this.second || backTo < instance.startedAt)) return false;
    this.#fleet.end(instance, Math.min(backTo ?? this.#at, this.#at), 'stopped');
    this.#fleet.work(this.#at);
    this.creditArrived();
    this.hear();
    return true;
  }

  /** From now on it is charged as given. */
  reprice(id: string, rate: number): boolean {
    const instance = this.running.find((running) => running.id === id);
    if (!instance) return false;
    Object.assign(instance, { list: rate, given: true });
    this.#fleet.work(this.#at);
    this.hear();
    return true;
  }

  /** Those that are left out end last. */
  orderToEnd(order: ReadonlyMap<string, number>): void {
    for (const instance of this.running) instance.shedOrder = order.get(instance.id) ?? null;
    this.hear();
  }

  assignDiscount(discount: WalkedDiscount | null): void {
    this.#fleet.assigned = discount;
    this.#fleet.work(this.#at);
    this.hear();
  }

  /** From a second on that is not past. */
  changePrice(price: WalkedPrice): void {
    this.#fleet.prices.add(price);
    if (!this.isOpen) this.#fleet.work(this.#at);
    this.hear();
  }

  setRenew(id: string, renew: boolean): boolean {
    const reservation = this.#fleet.reserved.find((reservation) => reservation.id === id);
    if (!reservation) return false;
    reservation.renew = renew;
    this.hear();
    return true;
  }

  /** The platform announces that it takes a spot instance back. */
  reclaim(id: string, at: number): boolean {
    const instance = this.running.find((running) => running.id === id);
    if (instance?.pricing !== 'spot' || at < this.second) return false;
    instance.reclaimAt = at;
    if (!this.isOpen) this.#fleet.come(this.#at);
    this.hear();
    return true;
  }

  setPolicy(policy: WalkedPolicy): void {
    this.policy = { ...policy };
    this.hear();
  }

  /** The credit counts from the attempt's second, and may be too little to have lasted until now. */
  succeed(): void {
    const attempt = this.inFlight;
    if (!attempt) return;
    this.inFlight = null;
    this.standsAt = null;
    this.credit += attempt.amount;
    this.#catchUp();
    this.creditArrived();
    this.hear();
  }

  fail(): void {
    const attempt = this.inFlight;
    if (!attempt) return;
    this.inFlight = null;
    this.toppedUp -= attempt.amount;
    if (this.policy) this.policy.enabled = false;
    if (this.standsAt !== null) this.#endTheFirst(this.standsAt);
    this.#catchUp();
    this.hear();
  }

  /** Today so far, and in the 30 whole days before. */
  #spentBy(second: number, chargedBefore = second + 1): number {
    const today = Math.floor(second / DAY) * DAY;
    const from = today - DAYS_OF_VOLUME * DAY;
    const charged = this.charges.filter((charge) => charge.second >= from && charge.second < chargedBefore);
    return charged.reduce((sum, { amount }) => sum + amount, this.#fleet.spentBetween(from, second));
  }

  // ── What the clock brings ────────────────────────────────────────────────────────────────────────────────────────

  /** What has its second since long, before anything is decided or asked at it. Answers whether it has let go of credit. */
  #comeTo(second: number): boolean {
    this.#at = second;
    const hasFreed = this.expireHolds(second);
    if (second % DAY === 0 && this.#fleet.anyListed) this.#fleet.look(this.#spentBy(second, second));
    this.#fleet.come(second);
    return hasFreed;
  }

  protected hear(): void {
    for (;;) {
      const now = this.second;
      if (this.standsAt !== null) {
        if (now <= this.standsAt + this.#settings.graceSeconds) break;
        this.#endTheFirst(this.standsAt);
        this.#catchUp();
      } else if (this.#topUpIsDue()) {
        this.inFlight = { at: now, amount: this.policy!.amount };
        this.attempts.push(now);
        this.toppedUp += this.policy!.amount;
      } else if (this.lowArmed && !this.#warningIsNeedless() && this.availableAt(now) < this.#settings.lowLevelMicros) {
        this.lowArmed = false;
        this.lows.push(now);
      } else if (this.#isTheLast) {
        if (this.inFlight) this.standsAt = now;
        else this.#endTheFirst(now);
      } else break;
    }
    this.#ending = null;
  }

  /** Whether the second that the money has come to is the last that can be paid in full. */
  get #isTheLast(): boolean {
    return !this.#fleet.isIdle && this.availableAt(this.#at + 1) < 0;
  }

  /**
   * From where the money stood through the seconds since. A charge that is still in flight keeps a later end open too. What
   * became owed meanwhile is collected from what is left at the end of it, as when a charge succeeds.
   */
  #catchUp(): void {
    // What was said for this very second while the money stood.
    if (this.standsAt === null) this.#fleet.come(this.#at);
    let hasFreed = false;
    while (this.#at < this.second && this.standsAt === null) {
      if (!this.#isTheLast) hasFreed = this.#comeTo(this.#at + 1) || hasFreed;
      else if (this.inFlight && this.second <= this.#at + this.#settings.graceSeconds) this.standsAt = this.#at;
      else this.#endTheFirst(this.#at);
    }
    if (hasFreed) this.creditArrived();
  }

  #fits(): boolean {
    const { policy } = this;
    return policy !== null && (policy.cap === null || this.toppedUp + policy.amount <= policy.cap);
  }

  #topUpIsDue(): boolean {
    const { policy, second } = this;
    if (!policy?.enabled || this.inFlight || !this.#fits()) return false;
    const last = this.attempts.at(-1);
    const cooling = last !== undefined && second < last + this.#settings.cooldownSeconds;
    return !cooling && this.availableAt(second) < policy.threshold;
  }

  #warningIsNeedless(): boolean {
    return this.inFlight !== null || (this.policy?.enabled === true && this.#fits());
  }

  /** Those of the lowest order; where no order is left, all the rest, and reservations lapse. */
  #endTheFirst(second: number): void {
    this.standsAt = null;
    if (this.#fleet.isIdle) return;
    const orders = this.running.flatMap(({ shedOrder }) => (shedOrder === null ? [] : [shedOrder]));
    const first = orders.length > 0 ? Math.min(...orders) : null;
    for (const instance of this.running)
      if (instance.shedOrder === first) {
        this.#fleet.end(instance, second, 'out_of_credits');
        this.#rowOf(second).instanceIds.push(instance.id);
      }
    if (first === null)
      for (const reservation of this.#fleet.reserved) this.#fleet.endReservation(reservation, second, 'lapsed');
    this.#fleet.work(second);
    this.lowArmed = false;
  }

  #rowOf(second: number): WalkedExhaustion {
    if (this.#ending?.second !== second) {
      this.#ending = { second, instanceIds: [] };
      this.exhaustions.push(this.#ending);
    }
    return this.#ending;
  }
}
