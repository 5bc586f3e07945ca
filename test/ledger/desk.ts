/**
 * The ledger's acts against a real Postgres, in one line each, through two pools as by two processes; and the bill of a
 * team calculated a second time, from its rows alone.
 */

import type { BillingSettings } from '../../billing/account.ts';
import type { EndReason } from '../../billing/change.ts';
import { type Micros, micros, parseDollars } from '../../billing/money.ts';
import type { ReservationTerm } from '../../billing/prices.ts';
import type { TopUpPolicy } from '../../billing/top-up.ts';
import { createLedger, type Ledger } from '../../ledger/index.ts';
import type { SaidUsage } from '../../ledger/usage-prices.ts';
import { connectDb, type Db } from '../../prisma/client.ts';
import { createTeam } from '../../prisma/teams.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';
import { newDatabase } from '../support/database.ts';
import { checkMeterSums } from './meter-sums.ts';

export { SETTINGS };

const FOREVER = Number.MAX_SAFE_INTEGER;
const CAUSE = 'test';

export interface StartOf {
  teamId: string;
  id: string;
  hourly: string;
  at: number;
  body?: string;
  callId?: string;
  notAfterMs?: number;
  nowMs?: number;
}

export interface ReservationOf {
  teamId: string;
  id: string;
  gpuType: string;
  at: number;
  count?: number;
  term?: ReservationTerm;
  renew?: boolean;
  body?: string;
  callId?: string;
  notAfterMs?: number;
  nowMs?: number;
}

/** The acts of one process. */
export class Desk {
  readonly db: Db;
  readonly ledger: Ledger;

  constructor(db: Db, settings: BillingSettings = SETTINGS) {
    this.db = db;
    this.ledger = createLedger({ db, settings });
  }

  async team(id: string, deposit?: string, at = 0): Promise<string> {
    await createTeam(this.db, { id, name: 'A team', email: 'a@example.com' }, 0);
    if (deposit) await this.deposit(id, deposit, at);
    return id;
  }

  /** A confirmed payment. Answers its id. */
  async deposit(teamId: string, amount: string, at: number, depositId = `dep_${teamId}_${unique()}`): Promise<string> {
    await this.openDeposit(teamId, amount, at, depositId);
    await this.credit(depositId, at);
    return depositId;
  }

  openDeposit(teamId: string, amount: string, at: number, depositId: string, callId = `call_${unique()}`) {
    return this.ledger.openDeposit({
      depositId,
      teamId,
      kind: 'saved_card',
      amountMicros: parseDollars(amount),
      paymentMethodId: null,
      receivedSecond: at,
      callId,
      notAfterMs: FOREVER,
      nowMs: 0,
    });
  }

  /** Marks the calls of an act through a second as an api of an earlier release did. */
  async abandon(act: string, second: number): Promise<void> {
    await this.db.abandonedCall.create({ data: { callId: act, second } });
  }

  /** Records a deposit as the api does. */
  recordDeposit(teamId: string, amount: string, at: number, depositId: string, requestHash = 'hash') {
    const asked = { depositId, teamId, kind: 'saved_card' as const, paymentMethodId: null, requestHash };
    return this.ledger.recordDeposit({ ...asked, amountMicros: parseDollars(amount), receivedSecond: at }, CAUSE);
  }

  credit(depositId: string, at: number) {
    return this.ledger.creditDeposit({ depositId, nowSecond: at, receiptUrl: null }, CAUSE);
  }

  fail(depositId: string, at: number, failureCode = 'declined') {
    return this.ledger.failDeposit({ depositId, nowSecond: at, status: 'failed', failureCode }, CAUSE);
  }

  start({ teamId, id, hourly, at, body = 'hash', callId = `call_${unique()}`, ...limits }: StartOf) {
    return this.ledger.admitInstance(
      {
        spec: {
          id,
          teamId,
          project: null,
          gpuType: 'h100',
          region: 'eu',
          pricing: 'on_demand',
          hourlyMicros: parseDollars(hourly),
          shedOrder: null,
          resumedFrom: null,
          requestHash: body,
        },
        rateMicrosPerHour: parseDollars(hourly),
        callId,
        notAfterMs: limits.notAfterMs ?? FOREVER,
        nowMs: limits.nowMs ?? 0,
        receivedSecond: at,
      },
      CAUSE,
    );
  }

  /** Without a term: a month. */
  reserve({ teamId, id, gpuType, at, body = 'hash', callId = `call_${unique()}`, ...more }: ReservationOf) {
    const { count = 1, term = '1m', renew = false, notAfterMs = FOREVER, nowMs = 0 } = more;
    const spec = { id, teamId, gpuType, region: 'eu', count, term, renew, requestHash: body };
    return this.ledger.openReservation({ spec, callId, notAfterMs, nowMs, receivedSecond: at }, CAUSE);
  }

  /** Lists a GPU: an hour costs so many dollars on demand, and half of them reserved. */
  list(gpuType: string, hourly: string, nowSecond: number) {
    const onDemandMicros = parseDollars(hourly);
    const each = micros(onDemandMicros / 2);
    const reservedMicros = { '1m': each, '3m': each, '6m': each, '12m': each };
    const price = { gpuType, region: 'eu', onDemandMicros, spotMicros: each, reservedMicros };
    return this.ledger.changeGpuPrice({ price, effectiveFromSecond: null, actor: 'me', nowSecond });
  }

  settleReservation(reservationId: string, at: number) {
    return this.ledger.settleReservation({ reservationId, nowSecond: at }, CAUSE);
  }

  renew(reservationId: string, renew: boolean, at: number) {
    return this.ledger.setRenewal({ reservationId, renew, nowSecond: at }, CAUSE);
  }

  stop(instanceId: string, at: number, more: { backTo?: number; reason?: EndReason; platformAsked?: boolean } = {}) {
    const { backTo, reason = 'stopped', platformAsked = true } = more;
    return this.ledger.stopInstance(
      { instanceId, reason, nowSecond: at, platformAsked, ...(backTo !== undefined && { atSecond: backTo }) },
      CAUSE,
    );
  }

  settle(instanceId: string, at: number) {
    return this.ledger.settleInstance({ instanceId, nowSecond: at }, CAUSE);
  }

  reprice(instanceId: string, hourly: string, at: number) {
    return this.ledger.repriceInstance({ instanceId, rateMicrosPerHour: parseDollars(hourly), nowSecond: at }, CAUSE);
  }

  look(teamId: string, at: number) {
    return this.ledger.lookAhead({ teamId, nowSecond: at }, CAUSE);
  }

  /** A look of the watch, and everything that it announces. */
  async lookAndTell(teamId: string, at: number) {
    const { ended, notices } = await this.look(teamId, at);
    const noticeIds = notices.map(({ noticeId }) => noticeId);
    const signalled = ended && { ...ended, signalled: ended.from + ended.instanceIds.length };
    await this.ledger.markTold({ teamId, exhaustions: [], noticeIds, ...(signalled && { ended: signalled }) });
  }

  /** At a dollar a million, a token costs a micro. */
  async use(teamId: string, eventId: string, tokens: number, at: number) {
    const [result] = (await this.useAll([usageEvent(teamId, eventId, tokens)], at)).results;
    return result?.status;
  }

  useAll(events: SaidUsage[], at: number) {
    return this.ledger.recordUsage({ events, receivedSecond: at, causedBy: CAUSE });
  }

  /** What a model's tokens cost: at a dollar a million, a token is a micro. */
  price(model: string, input: string, at: number, output = input) {
    const price = { model, inputMicrosPerMillion: parseDollars(input), outputMicrosPerMillion: parseDollars(output) };
    return this.ledger.changeModelPrice({ price, effectiveFromSecond: null, actor: 'me', nowSecond: at });
  }

  async hold(teamId: string, holdId: string, model: string, tokens: number, at: number, ttlSeconds = 600) {
    const order = { holdId, teamId, model, maxInputTokens: tokens, maxOutputTokens: 0, ttlSeconds, nowSecond: at };
    return (await this.ledger.placeHold(order, CAUSE)).hold;
  }

  async void(holdId: string, at: number) {
    return (await this.ledger.voidHold({ holdId, nowSecond: at }, CAUSE)).hold;
  }

  grant(teamId: string, grantId: string, amount: string, at: number) {
    return this.ledger.grant({ teamId, grantId, amountMicros: parseDollars(amount), note: '', nowSecond: at }, CAUSE);
  }

  /** Without an amount: all that can be refunded. */
  refund(teamId: string, depositId: string, amount: string | null, at: number, refundId: string, callId?: string) {
    const amountMicros = amount === null ? null : parseDollars(amount);
    const call = { callId: callId ?? `call_${unique()}`, receivedSecond: at, notAfterMs: FOREVER, nowMs: 0 };
    return this.ledger.requestRefund({ refundId, depositId, teamId, amountMicros, actor: 'me', ...call }, CAUSE);
  }

  closeRefund(refundId: string, outcome: 'succeeded' | 'failed', at: number) {
    const failureCode = outcome === 'failed' ? 'charge_disputed' : null;
    return this.ledger.closeRefund({ refundId, outcome, failureCode, nowSecond: at }, CAUSE);
  }

  /** Made at the provider. */
  foundRefund(
    depositId: string,
    amount: string,
    at: number,
    stripeRefundId: string,
    namedRefundId: string | null = null,
  ) {
    const found = { refundId: `ref_${stripeRefundId}`, depositId, stripeRefundId, namedRefundId };
    return this.ledger.bookRefund({ ...found, amountMicros: parseDollars(amount), nowSecond: at }, CAUSE);
  }

  dispute(depositId: string, amount: string, at: number, disputeId: string) {
    const dispute = { disputeId, depositId, stripeDisputeId: `du_${disputeId}`, reason: 'fraudulent' };
    return this.ledger.openDispute({ ...dispute, amountMicros: parseDollars(amount), nowSecond: at }, CAUSE);
  }

  decide(disputeId: string, outcome: 'won' | 'lost', at: number, amount?: string) {
    const claimed = amount === undefined ? {} : { amountMicros: parseDollars(amount) };
    return this.ledger.closeDispute({ disputeId, outcome, nowSecond: at, ...claimed }, CAUSE);
  }

  /** The provider says that a dispute is open over so much. */
  claim(disputeId: string, amount: string, at: number) {
    return this.ledger.changeDispute({ disputeId, amountMicros: parseDollars(amount), nowSecond: at }, CAUSE);
  }

  policy(teamId: string, policy: Partial<TopUpPolicy> & { threshold: string; amount: string }, at: number) {
    const { threshold, amount, ...more } = policy;
    const whole: TopUpPolicy = {
      enabled: true,
      thresholdMicros: parseDollars(threshold),
      amountMicros: parseDollars(amount),
      paymentMethodId: 'pm_1',
      monthlyCapMicros: null,
      ...more,
    };
    return this.ledger.setPolicy({ teamId, policy: whole, actor: 'me', nowSecond: at }, CAUSE);
  }
}

/** At a dollar a million, a token costs a micro. */
export const usageEvent = (
  teamId: string,
  eventId: string,
  inputTokens: number,
  change: Partial<SaidUsage> = {},
): SaidUsage => ({
  teamId,
  eventId,
  model: 'a-model',
  price: { inputMicrosPerMillion: parseDollars('1'), outputMicrosPerMillion: parseDollars('1') },
  inputTokens,
  outputTokens: 0,
  project: null,
  atSecond: null,
  holdId: null,
  ...change,
});

let last = 0;
const unique = () => {
  last += 1;
  return last;
};

export interface Office {
  url: string;
  /** Two processes: each has a pool of its own. */
  one: Desk;
  two: Desk;
  /** As the owner of the tables. */
  owner: Db;
  close(): Promise<void>;
}

/** A database of one's own with two processes at work on it. */
export async function openOffice(settings: BillingSettings = SETTINGS): Promise<Office> {
  const database = await newDatabase();
  const second = connectDb(database.url, { connectionTimeoutMs: database.db.connectionTimeoutMs });
  return {
    url: database.url,
    one: new Desk(database.db, settings),
    two: new Desk(second, settings),
    owner: database.owner,
    async close() {
      await second.$disconnect();
      await database.close();
    },
  };
}

export interface Bill {
  /** What the team has, less what it owes, at the second of its last fact. */
  netMicros: bigint;
  instances: Record<string, bigint>;
  reservations: Record<string, bigint>;
}

/** The bill from the facts: segments, terms, deposits, grants and usage; no balance and no transfer is looked at. */
export async function billOf(db: Db, teamId: string): Promise<Bill> {
  const { asOfSecond, standsAtSecond } = await db.account.findUniqueOrThrow({ where: { teamId } });
  const now = standsAtSecond ?? asOfSecond;
  const instances: Record<string, bigint> = {};
  for (const segment of await db.segment.findMany({ where: { teamId } })) {
    const seconds = (segment.endSecond ?? now) - segment.startSecond;
    const cost = seconds > 0n ? (segment.rateMicrosPerHour * seconds) / 3600n : 0n;
    instances[segment.instanceId] = (instances[segment.instanceId] ?? 0n) + cost;
  }
  const reservations: Record<string, bigint> = {};
  for (const term of await db.reservationTerm.findMany({ where: { teamId } })) {
    const cost = (term.rateMicrosPerHour * ((term.closedSecond ?? now) - term.startSecond)) / 3600n;
    reservations[term.reservationId] = (reservations[term.reservationId] ?? 0n) + cost;
  }
  const credited = { in: ['succeeded', 'refunded', 'disputed'] };
  const deposits = await db.deposit.findMany({ where: { teamId, status: credited, method: 'card' } });
  const refunds = await db.refund.findMany({ where: { teamId, status: { not: 'failed' } } });
  const lost = await db.dispute.findMany({ where: { teamId, status: 'lost' } });
  // Crypto counts as received, also while its deposit is open for the rest.
  const receipts = await db.cryptoReceipt.findMany({ where: { teamId } });
  const revoked = await db.grantRevocation.findMany({ where: { teamId } });
  const taken = revoked.map(({ grantId }) => grantId);
  const grants = await db.grant.findMany({ where: { teamId, id: { notIn: taken } } });
  const usage = await db.usageEvent.findMany({ where: { teamId } });
  const sum = (amounts: bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
  const used = sum(usage.map(({ cost }) => BigInt(cost.toFixed()))) / 1_000_000n;
  const credits = sum([...deposits, ...receipts, ...grants].map(({ amountMicros }) => amountMicros));
  // Of a deposit no more is lost than was not refunded.
  const lostOf = deposits.map(({ id, amountMicros }) => {
    const back = sum(refunds.filter((refund) => refund.depositId === id).map((refund) => refund.amountMicros));
    const claimed = sum(lost.filter((dispute) => dispute.depositId === id).map((dispute) => dispute.amountMicros));
    return claimed < amountMicros - back ? claimed : amountMicros - back;
  });
  const out = sum(refunds.map(({ amountMicros }) => amountMicros)) + sum(lostOf);
  const ran = sum([...Object.values(instances), ...Object.values(reservations)]);
  return { netMicros: credits - out - used - ran, instances, reservations };
}

/** What the ledger and the stored balance say of the same. Throws where they disagree with each other. */
export async function booksOf(db: Db, teamId: string): Promise<Bill> {
  await checkMeterSums(db, teamId);
  const account = await db.account.findUniqueOrThrow({ where: { teamId } });
  const transfers = await db.transfer.findMany({ where: { teamId } });
  const balance = (name: string) =>
    transfers.reduce((sum, { creditAccount, debitAccount, amountMicros }) => {
      if (creditAccount === name) return sum + amountMicros;
      return debitAccount === name ? sum - amountMicros : sum;
    }, 0n);
  if (balance(`team/${teamId}/credit`) !== account.postedMicros)
    throw new Error('credit is not what its transfers sum to');
  if (balance(`team/${teamId}/owed`) !== -account.owedMicros) throw new Error('owed is not what its transfers sum to');

  const instances: Record<string, bigint> = {};
  let unposted = 0n;
  const now = account.standsAtSecond ?? account.asOfSecond;
  for (const { id } of await db.instance.findMany({ where: { teamId } })) {
    const posted = transfers
      .filter(({ instanceId }) => instanceId === id)
      .reduce(
        (sum, { code, amountMicros }) => sum + (code === 'instance_correction' ? -amountMicros : amountMicros),
        0n,
      );
    instances[id] = posted;
    const running = await db.segment.findFirst({ where: { instanceId: id, endSecond: null } });
    if (!running) continue;
    const due = (running.rateMicrosPerHour * (now - running.startSecond)) / 3600n - running.postedMicros;
    instances[id] = posted + due;
    unposted += due;
  }
  const disputed = await db.dispute.findMany({ where: { teamId, status: 'open' } });
  const pending = await db.hold.findMany({ where: { teamId, status: 'pending' } });
  const held = [
    ...disputed.map(({ heldMicros }) => heldMicros),
    ...pending.map(({ amountMicros }) => amountMicros),
  ].reduce((sum, heldMicros) => sum + heldMicros, 0n);
  if (held !== account.heldMicros)
    throw new Error(`the account holds ${account.heldMicros}, its disputes and holds ${held}`);

  const reservations: Record<string, bigint> = {};
  for (const { id } of await db.reservation.findMany({ where: { teamId } })) {
    const posted = transfers
      .filter(({ reservationId }) => reservationId === id)
      .reduce((sum, { amountMicros }) => sum + amountMicros, 0n);
    const running = await db.reservationTerm.findFirst({ where: { reservationId: id, closedSecond: null } });
    const due = running ? (running.rateMicrosPerHour * (now - running.startSecond)) / 3600n - running.postedMicros : 0n;
    reservations[id] = posted + due;
    unposted += due;
  }
  const available = account.postedMicros - unposted - held;
  if (available < 0n) throw new Error(`available is negative: ${available}`);
  if (available > 0n && account.owedMicros > 0n) throw new Error('owes while there is credit');
  return { netMicros: available + held - account.owedMicros, instances, reservations };
}

/** The segments of an ended instance, those of no length left out: they must tile its life. */
export async function lifeOf(db: Db, instanceId: string): Promise<number[]> {
  const segments = await db.segment.findMany({ where: { instanceId }, orderBy: { segment: 'asc' } });
  const lived = segments.filter(({ startSecond, endSecond }) => endSecond === null || endSecond > startSecond);
  return lived.flatMap(({ startSecond, endSecond }) => [Number(startSecond), Number(endSecond ?? -1n)]);
}

export const dollars = (amount: string): Micros => parseDollars(amount);
/** Does the same so many times at once. */
export const atOnce = <T>(times: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: times }, (_, i) => work(i)));
