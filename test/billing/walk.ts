/**
 * What the rules say, done second by second: nothing is computed ahead, each second adds up the facts from the beginning.
 * It knows more of the rules than the oracle of the scenarios (charges that take time, re-prices, stops in the past,
 * grants, caps, low-balance warnings) and imports nothing from the product, so that agreement between the two means something.
 */
export interface WalkTerms {
  cooldownSeconds: number;
  graceSeconds: number;
  minStartMicros: number;
  lowLevelMicros: number;
}

interface Stretch {
  rate: number;
  from: number;
  to?: number;
}

interface WalkedInstance {
  id: string;
  stretches: Stretch[];
  endedAt?: number;
  reason?: string;
}

export interface WalkedPolicy {
  enabled: boolean;
  threshold: number;
  amount: number;
  cap: number | null;
}

export class Walk {
  second = 0;
  credit = 0;
  owed = 0;
  /** All token usage so far, exactly, in millionths of a micro. */
  usedExact = 0n;
  readonly instances: WalkedInstance[] = [];
  policy: WalkedPolicy | null = null;
  inFlight: { at: number; amount: number } | null = null;
  readonly attempts: number[] = [];
  toppedUp = 0;
  /** X, while a charge in flight keeps the end of credit open. */
  standsAt: number | null = null;
  readonly exhaustions: Array<{ second: number; instanceIds: string[] }> = [];
  readonly lows: number[] = [];
  #lowArmed = false;
  readonly #terms: WalkTerms;

  constructor(terms: WalkTerms) {
    this.#terms = terms;
  }

  get running(): WalkedInstance[] {
    return this.instances.filter((instance) => instance.endedAt === undefined);
  }

  /** What there is at a second, had nothing more happened by then. */
  availableAt(second: number): number {
    return this.running.reduce((left, instance) => left - costOf(instance, second), this.credit);
  }

  get available(): number {
    return this.availableAt(this.#moneySecond);
  }

  get #moneySecond(): number {
    return this.standsAt ?? this.second;
  }

  to(second: number): void {
    while (this.second < second) {
      this.second += 1;
      this.#hear();
    }
  }

  // ── Facts, each at the walk's second ─────────────────────────────────────────────────────────────────────────────

  start(id: string, rate: number): boolean {
    if (this.standsAt !== null || this.available < this.#terms.minStartMicros) return false;
    this.instances.push({ id, stretches: [{ rate, from: this.second }] });
    this.#hear();
    return true;
  }

  /** False when `backTo` lies before the start or in the future. */
  stop(id: string, backTo: number | null): boolean {
    const instance = this.running.find((running) => running.id === id);
    if (!instance) return true;
    if (backTo !== null && (backTo > this.second || backTo < instance.stretches[0]!.from)) return false;
    this.#end(instance, Math.min(backTo ?? this.#moneySecond, this.#moneySecond), 'stopped');
    this.#creditArrived();
    this.#hear();
    return true;
  }

  reprice(id: string, rate: number): boolean {
    const instance = this.running.find((running) => running.id === id);
    if (!instance) return false;
    const last = instance.stretches.at(-1)!;
    if (last.rate !== rate) {
      last.to = this.#moneySecond;
      instance.stretches.push({ rate, from: this.#moneySecond });
    }
    this.#hear();
    return true;
  }

  receive(amount: number): void {
    this.credit += amount;
    this.#creditArrived();
    this.#hear();
  }

  use(exact: bigint): void {
    const before = this.usedExact / 1_000_000n;
    this.usedExact += exact;
    const charge = Number(this.usedExact / 1_000_000n - before);
    const paid = Math.min(charge, this.available);
    this.credit -= paid;
    this.owed += charge - paid;
    this.#hear();
  }

  setPolicy(policy: WalkedPolicy): void {
    this.policy = { ...policy };
    this.#hear();
  }

  succeed(): void {
    const attempt = this.inFlight;
    if (!attempt) return;
    const from = this.standsAt;
    this.inFlight = null;
    this.standsAt = null;
    this.credit += attempt.amount;
    // The credit counts from the attempt's second, and may be too little to have lasted until now.
    for (let second = from ?? this.second; second < this.second && this.running.length > 0; second += 1)
      if (this.availableAt(second + 1) < 0) this.#exhaust(second);
    this.#creditArrived();
    this.#hear();
  }

  fail(): void {
    const attempt = this.inFlight;
    if (!attempt) return;
    this.inFlight = null;
    this.toppedUp -= attempt.amount;
    if (this.policy) this.policy.enabled = false;
    if (this.standsAt !== null) this.#exhaust(this.standsAt);
    this.#hear();
  }

  // ── What the clock brings ────────────────────────────────────────────────────────────────────────────────────────

  #hear(): void {
    for (;;) {
      const now = this.second;
      if (this.standsAt !== null) {
        if (now <= this.standsAt + this.#terms.graceSeconds) return;
        this.#exhaust(this.standsAt);
      } else if (this.#topUpIsDue()) {
        this.inFlight = { at: now, amount: this.policy!.amount };
        this.attempts.push(now);
        this.toppedUp += this.policy!.amount;
      } else if (this.#lowArmed && !this.#warningIsNeedless() && this.availableAt(now) < this.#terms.lowLevelMicros) {
        this.#lowArmed = false;
        this.lows.push(now);
      } else if (this.running.length > 0 && this.availableAt(now + 1) < 0) {
        if (this.inFlight) this.standsAt = now;
        else this.#exhaust(now);
      } else return;
    }
  }

  #fits(): boolean {
    const { policy } = this;
    return policy !== null && (policy.cap === null || this.toppedUp + policy.amount <= policy.cap);
  }

  #topUpIsDue(): boolean {
    const { policy, second } = this;
    if (!policy?.enabled || this.inFlight || !this.#fits()) return false;
    const last = this.attempts.at(-1);
    const cooling = last !== undefined && second < last + this.#terms.cooldownSeconds;
    return !cooling && this.availableAt(second) < policy.threshold;
  }

  #warningIsNeedless(): boolean {
    return this.inFlight !== null || (this.policy?.enabled === true && this.#fits());
  }

  #exhaust(second: number): void {
    this.standsAt = null;
    const ending = this.running;
    if (ending.length === 0) return;
    for (const instance of ending) this.#end(instance, second, 'out_of_credits');
    this.exhaustions.push({ second, instanceIds: ending.map(({ id }) => id) });
    this.#lowArmed = false;
  }

  #end(instance: WalkedInstance, second: number, reason: string): void {
    instance.stretches = instance.stretches.filter(({ from }, i) => i === 0 || from < second);
    instance.stretches.at(-1)!.to = second;
    instance.endedAt = second;
    instance.reason = reason;
    this.credit -= costOf(instance, second);
  }

  #creditArrived(): void {
    const collected = Math.min(this.owed, this.available);
    this.credit -= collected;
    this.owed -= collected;
    const { lowLevelMicros } = this.#terms;
    if (this.available >= lowLevelMicros + Math.floor(lowLevelMicros / 10)) this.#lowArmed = true;
  }
}

/** Rates and seconds are small enough here for exact products. */
export const costOf = (instance: { stretches: Stretch[] }, second: number): number =>
  instance.stretches.reduce((sum, { rate, from, to = second }) => {
    const end = Math.min(to, second);
    return end > from ? sum + Math.floor((rate * (end - from)) / 3600) : sum;
  }, 0);
