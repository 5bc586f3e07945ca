/**
 * The facts of instances: started, re-priced, announced to be reclaimed, put in an order, settled, stopped.
 * Source: docs/rules.md#what-an-instance-costs, docs/rules.md#stops.
 */
import { type Account, type BillingSettings, maySpend, moneySecond, spendableMicros } from './account.ts';
import { budgetRefusal, recountStretch } from './budgets.ts';
import { type AccountChange, creditArrived, type EndReason, type FactOutcome, postMeter } from './change.ts';
import { applyFact } from './clock.ts';
import { hasCoverFor } from './covers.ts';
import { BillingError } from './errors.ts';
import { creditAccount, REVENUE, referenceOf } from './ledger.ts';
import { checkBurnLimit } from './met-budgets.ts';
import { mustHaveAllMeters } from './meter-sums.ts';
import { formatForPeople, larger, MICROS_PER_CENT, type Micros, micros, subtract, ZERO } from './money.ts';
import type { Pricing } from './prices.ts';
import { beginSegment, rerate, reviewVolume } from './rerating.ts';
import { burnMicrosPerHour } from './runway.ts';
import { spendingRefused } from './team-state.ts';
import { costMicros, type Meter } from './usage.ts';

/** The instance to start, and its price. */
export interface InstanceOrder {
  instanceId: string;
  project?: string | null;
  pricing: Pricing;
  gpuType: string;
  region: string;
  /** The list price at the second of the start, or the price that the platform gives. */
  listMicrosPerHour: Micros;
  /** By the platform: charged as given. */
  given: boolean;
  shedOrder: number | null;
}

/** The refusal of a `reserved` start without a free reservation. */
export const noReservation = (): BillingError =>
  new BillingError(
    'no_reservation',
    'no reservation of this gpuType and region has room for another instance',
    'pricing',
  );

/**
 * The refusal of any start now, or null when a start is allowed, apart from the ceiling on burn.
 * @param project the project of the start; null concerns the team's budgets only
 * @returns `team_archived`, `team_suspended`; `insufficient_credit` below the minimum and while an exhaustion is open;
 *   `budget_met`
 */
export function startRefusal(
  account: Account,
  settings: BillingSettings,
  project: string | null = null,
): BillingError | null {
  if (!maySpend(account)) return spendingRefused(account);
  const isEnough = spendableMicros(account, account.asOfSecond) >= settings.minStartMicros;
  if (account.standsAtSecond === null && isEnough) return budgetRefusal(account, project);
  return new BillingError('insufficient_credit', whyNotStart(account, settings));
}

/** Explains why credit allows no start now, with the amounts that would be enough. */
function whyNotStart(account: Account, settings: BillingSettings): string {
  if (account.standsAtSecond !== null)
    return 'Credit is used up and a charge is under way: nothing can be started until its outcome is known.';
  const available = larger(spendableMicros(account, account.asOfSecond), ZERO);
  const missing = Math.ceil(subtract(settings.minStartMicros, available) / MICROS_PER_CENT) * MICROS_PER_CENT;
  return `${formatForPeople(settings.minStartMicros)} of credit is needed, and ${formatForPeople(available)} is available: add ${formatForPeople(micros(missing))} or more.`;
}

/**
 * Opens an instance's meter at the fact's second, at its list price less the team's discount, or at zero where a
 * reservation covers the instance.
 * @throws BillingError `team_suspended`, `team_archived`; `insufficient_credit` when less than the minimum is
 *   available, or an exhaustion is open; `budget_met`; `no_reservation` for a `reserved` start when no reservation has
 *   room; `burn_limit`
 */
export function startInstance(
  account: Account,
  settings: BillingSettings,
  order: InstanceOrder,
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const refusal = startRefusal(change.account, settings, order.project);
    if (refusal) throw refusal;
    const presentMicros = burnMicrosPerHour(change.account);
    openMeters(change, [order]);
    checkBurnLimit(change, presentMicros);
  });
}

/**
 * Opens the meters of instances that start together, without a check of credit.
 * @throws BillingError `no_reservation`
 */
export function openMeters(change: AccountChange, orders: readonly InstanceOrder[]): Meter[] {
  const { account } = change;
  const startSecond = account.asOfSecond;
  if (orders.some(({ given }) => !given)) reviewVolume(change, startSecond);
  const opening = orders.map((order) => {
    if (order.pricing === 'reserved' && !hasCoverFor(order, account.meters, account.reservations))
      throw noReservation();
    const { instanceId, project = null, shedOrder, ...price } = order;
    const meter: Meter = {
      instanceId,
      ...(project !== null && { project }),
      segment: 1,
      rateMicrosPerHour: order.listMicrosPerHour,
      priced: { ...price, discountBasisPoints: 0, discountKind: null, coveredBy: null },
      startSecond,
      instanceStartSecond: startSecond,
      postedMicros: ZERO,
      shedOrder,
      reclaimSecond: null,
    };
    account.meters.push(meter);
    return meter;
  });
  rerate(change, startSecond, opening);
  for (const meter of opening) change.effects.push({ kind: 'meter_opened', meter: { ...meter } });
  return opening;
}

/**
 * The meter of an instance, or undefined where the instance does not run.
 * @throws MetersNeeded where the meter may be in the sums
 */
function runningMeter(account: Account, instanceId: string): Meter | undefined {
  const running = account.meters.find((meter) => meter.instanceId === instanceId);
  if (!running) mustHaveAllMeters(account, `whether ${instanceId} runs`);
  return running;
}

/** A segment that a re-price has ended, with the fields that a stop in the past needs. */
export type ClosedSegment = Meter & { endSecond: number };

/**
 * Ends a running instance: at `atSecond` if given, else at the fact's second. For an end in the past, a correcting
 * transfer returns the amount that was posted beyond. An instance that an exhaustion has already ended keeps its
 * end X, and the effects have that end.
 * @throws BillingError `at_out_of_range` before the start or in the future
 */
export function stopInstance(
  account: Account,
  settings: BillingSettings,
  stop: {
    instanceId: string;
    reason: EndReason;
    closedSegments: readonly ClosedSegment[];
    atSecond?: number;
    lastPostingReference?: string;
  },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { account } = change;
    const running = runningMeter(account, stop.instanceId);
    if (!running) return;
    const closed = [...stop.closedSegments, ...cutByNow(change, stop.instanceId)];
    const lastPosting = postedByNow(change, stop.instanceId) ?? stop.lastPostingReference;
    const first = closed[0] ?? running;
    const latest = moneySecond(account, account.asOfSecond);
    const endSecond = Math.min(stop.atSecond ?? latest, latest);
    if (stop.atSecond !== undefined && (stop.atSecond < first.startSecond || stop.atSecond > account.asOfSecond))
      throw new BillingError('at_out_of_range', 'at must lie between the start of the instance and now', 'at');

    const segments = [...closed, running];
    const postedBeyond = segments.reduce((sum, segment) => {
      const end = Math.min(endSecond, 'endSecond' in segment ? (segment.endSecond as number) : endSecond);
      return sum + Math.max(0, segment.postedMicros - costMicros(segment.rateMicrosPerHour, end - segment.startSecond));
    }, 0);
    for (const segment of closed.filter((each) => each.endSecond > endSecond)) {
      recountStretch(account, segment, segment.endSecond, endSecond);
      closeAt(change, segment, Math.max(endSecond, segment.startSecond));
    }
    account.meters = account.meters.filter((meter) => meter !== running);
    postMeter(change, running, endSecond);
    change.spentOver(running, endSecond);
    closeAt(change, running, Math.max(endSecond, running.startSecond));
    change.effects.push({ kind: 'instance_ended', instanceId: stop.instanceId, endSecond, reason: stop.reason });

    const reference = referenceOf.instanceEnd(stop.instanceId, endSecond);
    change.transfer({
      debitAccount: REVENUE,
      creditAccount: creditAccount(account.teamId),
      amountMicros: micros(postedBeyond),
      code: 'instance_correction',
      reference,
      second: account.asOfSecond,
      instanceId: stop.instanceId,
      ...(lastPosting && { correctsReference: lastPosting }),
    });
    // An end in the past gives credit back also where none of it was posted yet: the bill is the same either way.
    creditArrived(change, reference);
    // The reservation of the ended instance may cover another instance from here on.
    rerate(change, latest);
  });
}

/** Segments ended by crossings of this change. No row has the ends yet. */
const cutByNow = ({ effects }: AccountChange, instanceId: string): ClosedSegment[] =>
  effects.flatMap((effect) =>
    effect.kind === 'meter_closed' && effect.meter.instanceId === instanceId
      ? [{ ...effect.meter, endSecond: effect.endSecond }]
      : [],
  );

/** The last posting of this change for an instance. */
const postedByNow = ({ effects }: AccountChange, instanceId: string): string | undefined =>
  effects.reduce<string | undefined>(
    (last, effect) =>
      effect.kind === 'transfer' &&
      effect.transfer.code === 'instance_usage' &&
      effect.transfer.instanceId === instanceId
        ? effect.transfer.reference
        : last,
    undefined,
  );

/** Records a segment as closed at an end that may lie before its last posting. The cost is the formula's. */
function closeAt(change: AccountChange, segment: Meter, endSecond: number): void {
  const cost = costMicros(segment.rateMicrosPerHour, endSecond - segment.startSecond);
  const recordedSecond = change.account.asOfSecond;
  change.effects.push({ kind: 'meter_closed', meter: { ...segment, postedMicros: cost }, endSecond, recordedSecond });
}

/**
 * Ends one segment and begins the next at the same second, at the rate that the platform gives. From then on the
 * instance is charged as given. A re-price to the present rate changes nothing, so a repeat of the call does not add
 * another rounding.
 * @throws BillingError `instance_ended`; `at_out_of_range` for a second before the as-of second or in the future
 */
export function repriceInstance(
  account: Account,
  settings: BillingSettings,
  reprice: { instanceId: string; rateMicrosPerHour: Micros; atSecond?: number },
  nowSecond: number,
): FactOutcome {
  if (reprice.atSecond !== undefined && (reprice.atSecond < account.asOfSecond || reprice.atSecond > nowSecond))
    throw new BillingError(
      'at_out_of_range',
      "at must not lie before the team's last recorded fact, nor in the future",
      'at',
    );
  return applyFact(account, settings, reprice.atSecond ?? nowSecond, (change) => {
    const { account } = change;
    const running = runningMeter(account, reprice.instanceId);
    if (!running) throw new BillingError('instance_ended', 'the instance has ended');
    const { given, listMicrosPerHour } = running.priced;
    if (given && listMicrosPerHour === reprice.rateMicrosPerHour) return;
    const second = moneySecond(account, account.asOfSecond);
    const priced = {
      ...running.priced,
      listMicrosPerHour: reprice.rateMicrosPerHour,
      given: true,
      discountBasisPoints: 0,
      discountKind: null,
    };
    const covered = running.priced.pricing === 'reserved' ? running.priced.coveredBy : null;
    beginSegment(change, running, { ...priced, coveredBy: covered }, second);
    rerate(change, second);
  });
}

/**
 * Posts the amount that an instance owes through a second. A settlement is no fact: the bill is the same for any number
 * of settlements.
 */
export function settleInstance(
  account: Account,
  settings: BillingSettings,
  instanceId: string,
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const meter = runningMeter(change.account, instanceId);
    if (meter) postMeter(change, meter, moneySecond(change.account, change.account.asOfSecond));
  });
}

/**
 * Announces the second at which the platform takes a spot instance back. The instance ends at that second, whichever
 * process runs then. A new announcement replaces the earlier one.
 * @throws BillingError `instance_ended`; `not_spot`; `at_out_of_range` for a second in the past
 */
export function announceReclaim(
  account: Account,
  settings: BillingSettings,
  reclaim: { instanceId: string; reclaimSecond: number },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, ({ account, effects }) => {
    const { instanceId, reclaimSecond } = reclaim;
    const running = runningMeter(account, instanceId);
    if (!running) throw new BillingError('instance_ended', 'the instance has ended');
    if (running.priced.pricing !== 'spot') throw new BillingError('not_spot', 'only spot instances are reclaimed');
    if (reclaimSecond < account.asOfSecond)
      throw new BillingError('at_out_of_range', 'at must not lie in the past', 'at');
    if (running.reclaimSecond === reclaimSecond) return;
    running.reclaimSecond = reclaimSecond;
    effects.push({ kind: 'reclaim_announced', instanceId, reclaimSecond });
  });
}

/**
 * Sets the order in which the team's running instances end at the end of credit. Instances without a place end last.
 */
export const setShedOrder = (
  account: Account,
  settings: BillingSettings,
  order: ReadonlyMap<string, number>,
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, ({ account, effects }) => {
    mustHaveAllMeters(account, 'the order of ends');
    for (const meter of account.meters) {
      const shedOrder = order.get(meter.instanceId) ?? null;
      if (meter.shedOrder === shedOrder) continue;
      meter.shedOrder = shedOrder;
      effects.push({ kind: 'shed_order', instanceId: meter.instanceId, shedOrder });
    }
  });
