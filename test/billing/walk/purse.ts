/**
 * A team's credit in the walk: what was paid in, used, held, paid back and contested. What runs costs by the second;
 * how much of that there is by now, and what the clock brings after each fact, is the walk's.
 */
export interface WalkedDeposit {
  paid: number;
  refunded: number;
}

export interface WalkedRefund {
  deposit: WalkedDeposit;
  amount: number;
  returned: boolean;
}

export interface WalkedDispute {
  deposit: WalkedDeposit;
  claimed: number;
  status: 'open' | 'won' | 'lost';
  held: number;
  /** As lost, from credit or as owed. */
  taken: number;
}

export interface WalkedHold {
  id: string;
  amount: number;
  /** At this second it is not held any more. */
  until: number;
  ended: 'voided' | 'expired' | 'settled' | null;
}

export abstract class Purse {
  /** The present second. */
  abstract second: number;
  /** All that came in less all that was taken, before what runs or ran. */
  credit = 0;
  owed = 0;
  /** All token usage so far, exactly, in millionths of a micro. */
  usedExact = 0n;
  readonly charges: Array<{ second: number; amount: number }> = [];
  readonly deposits: WalkedDeposit[] = [];
  readonly refunds: WalkedRefund[] = [];
  readonly disputes: WalkedDispute[] = [];
  readonly holds: WalkedHold[] = [];
  #reopened: WalkedDispute | null = null;
  protected lowArmed = false;

  /** What there is, as of the second at which the money stands. */
  abstract get available(): number;
  protected abstract readonly moneySecond: number;
  abstract readonly isOpen: boolean;
  protected abstract readonly lowLevel: number;
  /** What the clock brings after a fact. */
  protected abstract hear(): void;

  heldAt(second: number): number {
    const contested = this.disputes.reduce((sum, { held }) => sum + held, 0);
    return this.holds.reduce(
      (sum, { amount, until, ended }) => (ended === null && second < until ? sum + amount : sum),
      contested,
    );
  }

  receive(amount: number): void {
    this.credit += amount;
    this.creditArrived();
    this.hear();
  }

  payIn(amount: number): void {
    this.deposits.push({ paid: amount, refunded: 0 });
    this.receive(amount);
  }

  use(exact: bigint): void {
    this.#charge(exact);
    this.hear();
  }

  // ── Holds ────────────────────────────────────────────────────────────────────────────────────────────────────────

  hold(id: string, amount: number, until: number): boolean {
    if (this.isOpen || amount > this.available) return false;
    this.holds.push({ id, amount, until, ended: null });
    this.hear();
    return true;
  }

  voidHold(id: string): boolean {
    const hold = this.holds.find((hold) => hold.id === id);
    if (!hold || !this.#holds(hold)) return false;
    hold.ended = 'voided';
    this.creditArrived();
    this.hear();
    return true;
  }

  /** Settles the holds that have not ended, and charges what was used. */
  useWithHolds(exact: bigint, ids: readonly string[]): void {
    const settled = this.holds.filter((hold) => ids.includes(hold.id) && this.#holds(hold));
    for (const hold of settled) hold.ended = 'settled';
    this.#charge(exact);
    if (settled.length > 0) this.creditArrived();
    this.hear();
  }

  /** Whether any were let go. */
  protected expireHolds(second: number): boolean {
    const expiring = this.holds.filter(({ ended, until }) => ended === null && until <= second);
    for (const hold of expiring) hold.ended = 'expired';
    return expiring.length > 0;
  }

  #holds({ ended, until }: WalkedHold): boolean {
    return ended === null && this.moneySecond < until;
  }

  #charge(exact: bigint): void {
    const before = this.usedExact / 1_000_000n;
    this.usedExact += exact;
    const amount = Number(this.usedExact / 1_000_000n - before);
    this.charges.push({ second: this.second, amount });
    this.take(amount);
  }

  // ── Money back ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Without an amount all that can be; a card is paid in whole cents. */
  refund(deposit: WalkedDeposit, asked: number | null): boolean {
    const most = Math.max(0, Math.min(deposit.paid - deposit.refunded, this.available));
    const whole = Math.floor(most / 10_000) * 10_000;
    const amount = asked ?? whole;
    if (this.#isDisputed(deposit) || whole === 0 || amount <= 0 || amount > whole) return false;
    this.#refunded(deposit, amount);
    this.hear();
    return true;
  }

  found(deposit: WalkedDeposit, amount: number): void {
    this.#refunded(deposit, amount);
    this.creditArrived();
    this.hear();
  }

  #refunded(deposit: WalkedDeposit, amount: number): void {
    this.refunds.push({ deposit, amount, returned: false });
    deposit.refunded += amount;
    this.#settle(deposit, () => this.take(amount));
  }

  sendBack(refund: WalkedRefund): void {
    refund.returned = true;
    refund.deposit.refunded -= refund.amount;
    this.credit += refund.amount;
    this.creditArrived();
    this.#settle(refund.deposit);
    this.hear();
  }

  sendAgain(refund: WalkedRefund): void {
    refund.returned = false;
    refund.deposit.refunded += refund.amount;
    this.#settle(refund.deposit, () => this.take(refund.amount));
    this.creditArrived();
    this.hear();
  }

  dispute(deposit: WalkedDeposit, claimed: number): void {
    this.disputes.push({ deposit, claimed, status: 'open', held: 0, taken: 0 });
    this.#settle(deposit);
    this.hear();
  }

  /** One that is open again comes after the others that wait for credit, until the next fact. */
  decide(dispute: WalkedDispute, status: WalkedDispute['status']): void {
    if (dispute.status !== 'open') this.#reopened = dispute;
    dispute.status = status;
    this.#settle(dispute.deposit);
    this.#reopened = null;
    this.hear();
  }

  claim(dispute: WalkedDispute, claimed: number): void {
    dispute.claimed = claimed;
    this.#settle(dispute.deposit);
    this.hear();
  }

  #isDisputed(deposit: WalkedDeposit): boolean {
    return this.disputes.some((dispute) => dispute.deposit === deposit && dispute.status !== 'won');
  }

  /** What is left of a deposit after refunds goes to its lost disputes, then to its open ones, each the older first. */
  #shareOf(dispute: WalkedDispute): number {
    const { deposit } = dispute;
    const inOrder = ['lost', 'open'].flatMap((status) =>
      this.disputes.filter((other) => other.deposit === deposit && other.status === status),
    );
    let rest = deposit.paid - deposit.refunded;
    for (const other of inOrder) {
      const share = Math.min(other.claimed, rest);
      if (other === dispute) return share;
      rest -= share;
    }
    return 0;
  }

  /** Credit that is freed or given back comes first; then what is taken, by a refund and by what is lost. */
  #settle(deposit: WalkedDeposit, refund = () => {}): void {
    const disputes = this.disputes.filter((dispute) => dispute.deposit === deposit);
    const lostOf = (dispute: WalkedDispute) => (dispute.status === 'lost' ? this.#shareOf(dispute) : 0);
    let isFreed = false;
    for (const dispute of disputes) {
      const most = dispute.status === 'open' ? this.#shareOf(dispute) : 0;
      isFreed ||= dispute.held > most;
      dispute.held = Math.min(dispute.held, most);
    }
    for (const dispute of disputes) {
      const back = dispute.taken - lostOf(dispute);
      if (back <= 0) continue;
      dispute.taken -= back;
      this.credit += back;
      this.creditArrived();
    }
    refund();
    for (const dispute of disputes) {
      const missing = lostOf(dispute) - dispute.taken;
      dispute.taken += missing;
      this.take(missing);
    }
    if (isFreed) this.creditArrived();
    this.#fillContests();
  }

  #fillContests(): void {
    const isLast = (dispute: WalkedDispute) => Number(dispute === this.#reopened);
    for (const dispute of this.disputes.toSorted((a, b) => isLast(a) - isLast(b)))
      if (dispute.status === 'open')
        dispute.held += Math.max(0, Math.min(this.#shareOf(dispute) - dispute.held, this.available));
  }

  // ── What is taken, and what is collected ─────────────────────────────────────────────────────────────────────────

  protected take(amount: number): void {
    const paid = Math.min(amount, Math.max(0, this.available));
    this.credit -= paid;
    this.owed += amount - paid;
  }

  protected creditArrived(): void {
    const collected = Math.min(this.owed, this.available);
    this.credit -= collected;
    this.owed -= collected;
    this.#fillContests();
    const { lowLevel } = this;
    if (this.available >= lowLevel + Math.floor(lowLevel / 10)) this.lowArmed = true;
  }
}
