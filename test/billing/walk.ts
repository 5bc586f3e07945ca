/**
 * What the rules say, done second by second: nothing is computed ahead, each second adds up the facts from the beginning.
 * It knows more of the rules than the oracle of the scenarios (charges that take time, re-prices, stops in the past,
 * grants, caps, low-balance warnings, refunds, disputes) and imports nothing from the product, so that agreement between the two means something.
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

interface WalkedDeposit {
  paid: number;
  refunded: number;
  disputed: boolean;
}

interface WalkedContest {
  deposit: WalkedDeposit;
  claimed: number;
  held: number;
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
  readonly deposits: WalkedDeposit[] = [];
  readonly refunds: Array<{ deposit: WalkedDeposit; amount: number; returned: boolean }> = [];
  contests: WalkedContest[] = [];
  readonly #terms: WalkTerms;

  constructor(terms: WalkTerms) {
    this.#terms = terms;
  }

  get running(): WalkedInstance[] {
    return this.instances.filter((instance) => instance.endedAt === undefined);
  }

  /** What there is at a second, had nothing more happened by then. */
  availableAt(second: number): number {
    return this.running.reduce((left, instance) => left - costOf(instance, second), this.credit - this.held);
  }

  get held(): number {
    return this.contests.reduce((sum, { held }) => sum + held, 0);
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

  payIn(amount: number): void {
    this.deposits.push({ paid: amount, refunded: 0, disputed: false });
    this.receive(amount);
  }

  /** Without an amount all that can be; a card is paid in whole cents. */
  refund(deposit: WalkedDeposit, asked: number | null): boolean {
    const most = Math.max(0, Math.min(deposit.paid - deposit.refunded, this.available));
    const whole = Math.floor(most / 10_000) * 10_000;
    const amount = asked ?? whole;
    if (deposit.disputed || whole === 0 || amount <= 0 || amount > whole) return false;
    this.#refunded(deposit, amount);
    this.#hear();
    return true;
  }

  found(deposit: WalkedDeposit, amount: number): void {
    this.#refunded(deposit, amount);
    this.#creditArrived();
    this.#hear();
  }

  #refunded(deposit: WalkedDeposit, amount: number): void {
    deposit.refunded += amount;
    this.refunds.push({ deposit, amount, returned: false });
    // No dispute can be about what was refunded.
    for (const contest of this.contests) contest.held = Math.min(contest.held, this.#contested(contest));
    this.#take(amount);
  }

  sendBack(refund: { deposit: WalkedDeposit; amount: number; returned: boolean }): void {
    refund.returned = true;
    refund.deposit.refunded -= refund.amount;
    this.receive(refund.amount);
  }

  dispute(deposit: WalkedDeposit, claimed: number): void {
    deposit.disputed = true;
    this.contests.push({ deposit, claimed, held: 0 });
    this.#fillContests();
    this.#hear();
  }

  decide(contest: WalkedContest, won: boolean): void {
    this.contests = this.contests.filter((other) => other !== contest);
    contest.deposit.disputed = !won;
    if (won) this.#creditArrived();
    else this.#take(this.#contested(contest));
    this.#hear();
  }

  #contested({ claimed, deposit }: WalkedContest): number {
    return Math.min(claimed, deposit.paid - deposit.refunded);
  }

  #take(amount: number): void {
    const paid = Math.min(amount, Math.max(0, this.available));
    this.credit -= paid;
    this.owed += amount - paid;
  }

  #fillContests(): void {
    for (const contest of this.contests)
      contest.held += Math.max(0, Math.min(this.#contested(contest) - contest.held, this.available));
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
    this.#fillContests();
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
