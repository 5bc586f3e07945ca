/**
 * An account with everything that was ever asked of its keeper, as the rows would hold it: so that a test can say what
 * happens to a team in one line a fact. After each fact all that must always hold is held to hold.
 */
import assert from 'node:assert/strict';
import {
  type Account,
  type BillingSettings,
  emptyAccount,
  moneySecond,
  spendableMicros,
} from '../../billing/account.ts';
import type { Effect, EndReason, FactOutcome } from '../../billing/change.ts';
import type { DepositDispute, DisputeStatus } from '../../billing/credited-deposit.ts';
import { recordDispute } from '../../billing/disputes.ts';
import { advance, creditDeposit, failAttempt, grantCredit, recordUsage, setPolicy } from '../../billing/facts.ts';
import {
  type ClosedSegment,
  repriceInstance,
  settleInstance,
  startInstance,
  stopInstance,
} from '../../billing/instances.ts';
import { creditAccount, owedAccount, type Transfer } from '../../billing/ledger.ts';
import { type Micros, micros, parseDollars, ZERO } from '../../billing/money.ts';
import { adjustRefund, bookRefund, requestRefund } from '../../billing/money-back.ts';
import type { TopUpPolicy } from '../../billing/top-up.ts';
import { costMicros, type Meter } from '../../billing/usage.ts';
import { givenOrder, SETTINGS } from './pure-run.ts';

export const TEAM = 't';
export { SETTINGS };

export interface InstanceOfBook {
  startSecond: number;
  endSecond?: number;
  reason?: EndReason;
}
export type SegmentOfBook = Meter & { endSecond?: number };
export interface Ended {
  number: number;
  second: number;
  instanceIds: string[];
}

export interface DepositOfBook {
  depositId: string;
  creditedMicros: Micros;
  refundedMicros: Micros;
  disputes: DepositDispute[];
}
export interface RefundOfBook {
  refundId: string;
  depositId: string;
  amountMicros: Micros;
  takenMicros: Micros;
  turn: number;
  returned: boolean;
}

export const policyOf = (threshold: string, amount: string, more: Partial<TopUpPolicy> = {}): TopUpPolicy => ({
  enabled: true,
  thresholdMicros: parseDollars(threshold),
  amountMicros: parseDollars(amount),
  paymentMethodId: 'pm_1',
  monthlyCapMicros: null,
  ...more,
});

export class Book {
  account: Account;
  readonly settings: BillingSettings;
  readonly transfers: Transfer[] = [];
  readonly instances = new Map<string, InstanceOfBook>();
  readonly segments: SegmentOfBook[] = [];
  readonly exhaustions: Ended[] = [];
  readonly lows: number[] = [];
  readonly capped: Array<{ at: number; cap: Micros }> = [];
  readonly attempts: Array<{ at: number; amountMicros: Micros; outcome: 'in_flight' | 'succeeded' | 'failed' }> = [];
  readonly deposits: DepositOfBook[] = [];
  readonly refunds: RefundOfBook[] = [];
  /** By the row that the team began to owe with. */
  readonly owes: string[] = [];
  #ids = 0;

  constructor(settings: BillingSettings = SETTINGS, second = 0) {
    this.settings = settings;
    this.account = emptyAccount(TEAM, second);
  }

  // ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

  look(at: number): this {
    return this.keep(advance(this.read(at), this.settings, at));
  }

  start(instanceId: string, hourly: string | Micros, at: number): this {
    const rateMicrosPerHour = typeof hourly === 'string' ? parseDollars(hourly) : hourly;
    return this.keep(startInstance(this.read(at), this.settings, givenOrder(instanceId, rateMicrosPerHour), at));
  }

  stop(instanceId: string, at: number, options: { backTo?: number; reason?: EndReason } = {}): this {
    const lastPosting = this.transfers.findLast(
      (transfer) => transfer.instanceId === instanceId && transfer.code === 'instance_usage',
    );
    const stop = {
      instanceId,
      reason: options.reason ?? ('stopped' as const),
      closedSegments: this.segmentsOf(instanceId).filter(isClosed),
      ...(options.backTo !== undefined && { atSecond: options.backTo }),
      ...(lastPosting && { lastPostingReference: lastPosting.reference }),
    };
    return this.keep(stopInstance(this.read(at), this.settings, stop, at));
  }

  reprice(instanceId: string, hourly: string | Micros, at: number): this {
    const rateMicrosPerHour = typeof hourly === 'string' ? parseDollars(hourly) : hourly;
    return this.keep(repriceInstance(this.read(at), this.settings, { instanceId, rateMicrosPerHour }, at));
  }

  settle(instanceId: string, at: number): this {
    return this.keep(settleInstance(this.read(at), this.settings, instanceId, at));
  }

  deposit(amount: string | Micros, at: number): this {
    const deposit = { depositId: this.id('dep'), amountMicros: toAmount(amount) };
    const { depositId, amountMicros: creditedMicros } = deposit;
    this.deposits.push({ depositId, creditedMicros, refundedMicros: ZERO, disputes: [] });
    return this.keep(creditDeposit(this.read(at), this.settings, deposit, at));
  }

  grant(amount: string | Micros, at: number): this {
    const grant = { grantId: this.id('grant'), amountMicros: toAmount(amount) };
    return this.keep(grantCredit(this.read(at), this.settings, grant, at));
  }

  /** `cost` in dollars, or exactly in millionths of a micro. */
  use(cost: string | bigint, at: number): this {
    const exact = typeof cost === 'bigint' ? cost : BigInt(parseDollars(cost)) * 1_000_000n;
    return this.keep(recordUsage(this.read(at), this.settings, { eventId: this.id('ev'), cost: exact }, at));
  }

  policy(policy: TopUpPolicy, at: number): this {
    return this.keep(setPolicy(this.read(at), this.settings, policy, at));
  }

  /** The charge in flight succeeded, as is known at a second. */
  succeed(at: number): this {
    const { depositId, amountMicros, number } = this.#inFlight();
    this.attempts[number - 1]!.outcome = 'succeeded';
    return this.keep(creditDeposit(this.read(at), this.settings, { depositId, amountMicros }, at));
  }

  fail(at: number): this {
    const { depositId, number } = this.#inFlight();
    this.attempts[number - 1]!.outcome = 'failed';
    return this.keep(failAttempt(this.read(at), this.settings, depositId, at));
  }

  /** Without an amount: all that can be refunded. */
  refund(deposit: DepositOfBook, amount: string | Micros | null, at: number): this {
    const refundId = this.id('ref');
    const asked = { refundId, deposit, amountMicros: amount === null ? null : toAmount(amount) };
    const taken = requestRefund(this.read(at), this.settings, asked, at);
    return this.#refunded(refundId, deposit, taken.amountMicros, taken);
  }

  /** Made at the provider. */
  found(deposit: DepositOfBook, amount: string | Micros, at: number): this {
    const found = { refundId: this.id('ref'), deposit, amountMicros: toAmount(amount) };
    return this.#refunded(
      found.refundId,
      deposit,
      found.amountMicros,
      bookRefund(this.read(at), this.settings, found, at),
    );
  }

  #refunded(refundId: string, deposit: DepositOfBook, amountMicros: Micros, outcome: FactOutcome): this {
    deposit.refundedMicros = micros(deposit.refundedMicros + amountMicros);
    this.refunds.push({
      ...{ refundId, depositId: deposit.depositId, amountMicros, takenMicros: amountMicros },
      ...{ turn: 1, returned: false },
    });
    return this.keep(outcome);
  }

  /** Refused by the provider, or sent back by the bank. */
  sendBack(refund: RefundOfBook, at: number): this {
    return this.adjust(refund, ZERO, at);
  }

  /** Sent after it had come back. */
  sendAgain(refund: RefundOfBook, at: number): this {
    return this.adjust(refund, refund.amountMicros, at);
  }

  adjust(refund: RefundOfBook, due: string | Micros, at: number): this {
    const deposit = this.deposits.find(({ depositId }) => depositId === refund.depositId)!;
    const dueMicros = toAmount(due);
    const { takenMicros } = refund;
    const outcome = adjustRefund(this.read(at), this.settings, { ...refund, dueMicros, deposit }, at);
    deposit.refundedMicros = micros(deposit.refundedMicros - takenMicros + dueMicros);
    refund.returned = dueMicros === 0;
    return this.keep(outcome);
  }

  dispute(deposit: DepositOfBook, claimed: string | Micros, at: number): this {
    const standing = { disputeId: this.id('disp'), status: 'open' as const, claimedMicros: toAmount(claimed) };
    return this.#stands(deposit, standing, at);
  }

  /** Decided, decided again, or open again. */
  decide(disputeId: string, status: DisputeStatus, at: number): this {
    const { deposit, dispute } = this.disputeOf(disputeId);
    return this.#stands(deposit, { disputeId, status, claimedMicros: dispute.claimedMicros }, at);
  }

  /** The provider says that another amount is contested. */
  claim(disputeId: string, claimed: string | Micros, at: number): this {
    const { deposit, dispute } = this.disputeOf(disputeId);
    return this.#stands(deposit, { disputeId, status: dispute.status, claimedMicros: toAmount(claimed) }, at);
  }

  #stands(
    deposit: DepositOfBook,
    standing: Pick<DepositDispute, 'disputeId' | 'status' | 'claimedMicros'>,
    at: number,
  ) {
    const outcome = recordDispute(this.read(at), this.settings, { deposit, standing }, at);
    const { disputeId } = standing;
    const row = deposit.disputes.find((dispute) => dispute.disputeId === disputeId);
    if (row) Object.assign(row, standing);
    else deposit.disputes.push({ ...standing, takenMicros: ZERO, turn: 0, lostReference: null });
    return this.keep(outcome);
  }

  // ── What can be read ─────────────────────────────────────────────────────────────────────────────────────────────

  get spendable(): Micros {
    return spendableMicros(this.account, this.account.asOfSecond);
  }

  get disputes(): DepositDispute[] {
    return this.deposits
      .flatMap(({ disputes }) => disputes)
      .sort((a, b) => numberOf(a.disputeId) - numberOf(b.disputeId));
  }

  disputeOf(disputeId: string): { deposit: DepositOfBook; dispute: DepositDispute } {
    for (const deposit of this.deposits)
      for (const dispute of deposit.disputes) if (dispute.disputeId === disputeId) return { deposit, dispute };
    throw new Error(`no dispute ${disputeId}`);
  }

  segmentsOf(instanceId: string): SegmentOfBook[] {
    return this.segments.filter((segment) => segment.instanceId === instanceId);
  }

  /** What the ledger has taken for an instance: usage less corrections. */
  postedFor(instanceId: string): number {
    return this.transfers
      .filter((transfer) => transfer.instanceId === instanceId)
      .reduce(
        (sum, { code, amountMicros }) => sum + (code === 'instance_correction' ? -amountMicros : amountMicros),
        0,
      );
  }

  codes(): string[] {
    return this.transfers.map((transfer) => transfer.code);
  }

  #inFlight() {
    assert(this.account.attempt, 'no attempt is in flight');
    return this.account.attempt;
  }

  protected id(prefix: string): string {
    this.#ids += 1;
    return `${prefix}_${this.#ids}`;
  }

  /** The account as whoever records a fact at a second reads it: open disputes lie in the order of their opening. */
  protected read(_at: number): Account {
    const contests = this.account.contests.toSorted((a, b) => numberOf(a.disputeId) - numberOf(b.disputeId));
    return { ...this.account, contests };
  }

  // ── Keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────

  protected keep({ account, effects }: FactOutcome): this {
    const before = this.account.asOfSecond;
    this.account = account;
    for (const effect of effects) this.note(effect);
    assert(account.asOfSecond >= before, 'the as-of second went back');
    this.holds();
    return this;
  }

  protected note(effect: Effect): void {
    if (effect.kind === 'transfer') this.transfers.push(effect.transfer);
    if (effect.kind === 'meter_opened') {
      const { instanceId, startSecond, segment } = effect.meter;
      this.segments.push({ ...effect.meter });
      if (segment === 1) this.instances.set(instanceId, { startSecond });
    }
    if (effect.kind === 'meter_posted') Object.assign(this.#segment(effect.meter), effect.meter);
    if (effect.kind === 'meter_closed')
      Object.assign(this.#segment(effect.meter), effect.meter, { endSecond: effect.endSecond });
    if (effect.kind === 'instance_ended') {
      const instance = this.instances.get(effect.instanceId);
      assert(instance && instance.endSecond === undefined, 'an instance ended twice');
      instance.endSecond = effect.endSecond;
      instance.reason = effect.reason;
    }
    if (effect.kind === 'exhausted') {
      const { number, second, instanceIds } = effect;
      this.exhaustions.push({ number, second, instanceIds });
    }
    if (effect.kind === 'dispute_turned') {
      const { takenMicros, turn, lostReference } = effect;
      Object.assign(this.disputeOf(effect.disputeId).dispute, { takenMicros, turn, lostReference });
    }
    if (effect.kind === 'refund_turned') {
      const { refundId, takenMicros, turn } = effect;
      Object.assign(this.refunds.find((refund) => refund.refundId === refundId)!, { takenMicros, turn });
    }
    if (effect.kind === 'owes') this.owes.push(effect.reference);
    if (effect.kind === 'low') this.lows.push(effect.second);
    if (effect.kind === 'capped') this.capped.push({ at: effect.second, cap: effect.capMicros });
    if (effect.kind === 'attempt_opened') {
      const { openedSecond, amountMicros } = effect.attempt;
      this.attempts.push({ at: openedSecond, amountMicros, outcome: 'in_flight' });
    }
  }

  #segment({ instanceId, segment }: Meter): SegmentOfBook {
    const found = this.segments.find((other) => other.instanceId === instanceId && other.segment === segment);
    assert(found, `no segment ${segment} of ${instanceId}`);
    return found;
  }

  /** What must hold after every fact, whatever came before it. */
  protected holds(): void {
    const { account, transfers, instances } = this;
    const balances = new Map<string, number>();
    for (const { creditAccount: to, debitAccount: from, amountMicros } of transfers) {
      assert(amountMicros > 0, 'a transfer of nothing');
      balances.set(to, (balances.get(to) ?? 0) + amountMicros);
      balances.set(from, (balances.get(from) ?? 0) - amountMicros);
    }
    const total = [...balances.values()].reduce((sum, balance) => sum + balance, 0);
    assert.equal(total, 0, 'the accounts do not sum to zero');
    assert.equal(
      account.postedMicros,
      balances.get(creditAccount(TEAM)) ?? 0,
      'credit is not the sum of its transfers',
    );
    assert.equal(
      account.owedMicros,
      0 - (balances.get(owedAccount(TEAM)) ?? 0),
      'owed is not the sum of its transfers',
    );
    assert(account.postedMicros >= 0 && account.owedMicros >= 0, 'a negative balance');
    assert(this.spendable >= 0, `available is negative: ${this.spendable}`);
    assert(account.owedMicros === 0 || this.spendable === 0, 'owes while there is credit');
    const contested = account.contests.reduce((sum, contest) => sum + contest.heldMicros, 0);
    const held = account.holdExpiries.reduce((sum, expiry) => sum + expiry.micros, contested);
    assert.equal(account.heldMicros, held, 'what is held is not what the disputes and the requests hold');
    assert(account.postedMicros >= held, 'more is held than there is');
    for (const { heldMicros, amountMicros } of account.contests) {
      assert(heldMicros >= 0 && heldMicros <= amountMicros, 'a dispute holds more than is contested');
      assert(heldMicros === amountMicros || this.spendable === 0, 'a dispute waits while there is credit');
    }
    for (const { depositId, refundedMicros, creditedMicros, disputes } of this.deposits) {
      assert(refundedMicros >= 0 && refundedMicros <= creditedMicros, 'more was refunded than was paid in');
      const claimed = disputes.reduce((sum, each) => sum + (each.status === 'lost' ? each.claimedMicros : 0), 0);
      const lost = Math.min(claimed, creditedMicros - refundedMicros);
      const taken = disputes.reduce((sum, { takenMicros }) => sum + takenMicros, 0);
      assert.equal(taken, lost, 'what disputes have taken is not what was lost of what is left of the deposit');
      const out = transfers.reduce((sum, { depositId: of, code, amountMicros }) => {
        if (of !== depositId || DEPOSIT_CODES.has(code)) return sum;
        return sum + (code === 'refund_returned' || code === 'dispute_reinstated' ? -amountMicros : amountMicros);
      }, 0);
      assert.equal(out, refundedMicros + lost, 'what left a deposit is not what was refunded and lost');
    }
    assert(account.remainderMillionths >= 0 && account.remainderMillionths < 1_000_000, 'the remainder is no fraction');
    let last = 0;
    for (const { code, reference, second } of transfers) {
      assert(second >= last && second <= account.asOfSecond, 'the transfers do not lie in the order of their seconds');
      if (code === 'instance_usage')
        assert(Number(reference.split('/').at(-1)) <= second, `${reference} lies in the future`);
      last = second;
    }
    assert.equal(new Set(transfers.map((transfer) => transfer.reference)).size, transfers.length, 'a reference twice');

    for (const [id, { startSecond, endSecond }] of instances) {
      const through = endSecond ?? moneySecond(account, account.asOfSecond);
      // A segment that a back-dated stop has taken away altogether is left with no length.
      const stretch = this.segmentsOf(id).filter(
        ({ startSecond: from, endSecond: to }) => to === undefined || to > from,
      );
      let at = startSecond;
      let cost = 0;
      for (const segment of stretch) {
        assert.equal(segment.startSecond, at, `the segments of ${id} do not tile`);
        at = segment.endSecond ?? Math.max(through, at);
        cost += costMicros(segment.rateMicrosPerHour, at - segment.startSecond);
      }
      assert(at === through || through === startSecond, `the segments of ${id} do not reach its end`);
      if (endSecond === undefined) assert(this.postedFor(id) <= cost, `more is posted for ${id} than it cost`);
      else assert.equal(this.postedFor(id), cost, `what is posted for ${id} is not what it cost`);
    }
  }
}

const DEPOSIT_CODES: ReadonlySet<string> = new Set(['deposit', 'auto_top_up', 'owed_collected']);
const numberOf = (id: string): number => Number(id.split('_')[1]);
const isClosed = (segment: SegmentOfBook): segment is ClosedSegment => segment.endSecond !== undefined;
const toAmount = (amount: string | Micros): Micros => (typeof amount === 'string' ? parseDollars(amount) : amount);
export const dollars = (amount: string): Micros => parseDollars(amount);
export const asMicros = micros;
