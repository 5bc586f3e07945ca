/**
 * The present state of a team: the recorded state, brought up to date by the arithmetic of writes, without writing.
 * Past its exhaustion second a team reads as ended at that second. Source: docs/rules.md#facts-and-their-seconds.
 */
import { type Account, type BillingSettings, moneySecond, spendableMicros } from '../../billing/account.ts';
import type { Effect, EndReason } from '../../billing/change.ts';
import { advance } from '../../billing/facts.ts';
import { type Micros, ZERO } from '../../billing/money.ts';
import { availableMicros } from '../../billing/runway.ts';
import type { TermOfReservation } from '../../prisma/reservations.ts';
import type { SegmentOfInstance } from '../../prisma/segments.ts';

export interface Standing {
  account: Account;
  nowSecond: number;
  /** The second through which money runs: now, or X while a charge in flight keeps an exhaustion open. */
  moneySecond: number;
  /** Instances that a crossing has ended and no transaction has recorded yet. */
  ended: ReadonlyMap<string, { endSecond: number; reason: EndReason }>;
  /** Effects of crossings that no row says yet. */
  effects: readonly Effect[];
}

export function standingOf(recorded: Account, settings: BillingSettings, second: number): Standing {
  const outcome = advance(recorded, settings, second);
  const nowSecond = outcome.account.asOfSecond;
  const ended = new Map(
    outcome.effects.flatMap((effect) =>
      effect.kind === 'instance_ended'
        ? [[effect.instanceId, { endSecond: effect.endSecond, reason: effect.reason }] as const]
        : [],
    ),
  );
  const { account, effects } = outcome;
  return { account, nowSecond, moneySecond: moneySecond(account, nowSecond), ended, effects };
}

/** The present segments of some instances: the recorded segments, cut and continued by crossings since. */
export function segmentsAsStanding(rows: readonly SegmentOfInstance[], { effects }: Standing): SegmentOfInstance[] {
  const segments = new Map(rows.map((row) => [`${row.instanceId}/${row.segment}`, row]));
  const instances = new Set(rows.map(({ instanceId }) => instanceId));
  for (const effect of effects) {
    if (effect.kind !== 'meter_opened' && effect.kind !== 'meter_closed') continue;
    const { meter } = effect;
    const endSecond = effect.kind === 'meter_closed' ? effect.endSecond : null;
    if (instances.has(meter.instanceId)) segments.set(`${meter.instanceId}/${meter.segment}`, { ...meter, endSecond });
  }
  return [...segments.values()];
}

/** The present terms of some reservations. */
export function termsAsStanding(rows: readonly TermOfReservation[], { effects }: Standing): TermOfReservation[] {
  const terms = new Map(rows.map((row) => [`${row.reservationId}/${row.termNumber}`, row]));
  const reservations = new Set(rows.map(({ reservationId }) => reservationId));
  for (const effect of effects) {
    if (effect.kind !== 'reservation_opened' && effect.kind !== 'reservation_closed') continue;
    const { reservation } = effect;
    const closedSecond = effect.kind === 'reservation_closed' ? effect.endSecond : null;
    if (reservations.has(reservation.reservationId))
      terms.set(`${reservation.reservationId}/${reservation.termNumber}`, { ...reservation, closedSecond });
  }
  return [...terms.values()];
}

/**
 * The amount that the team can spend. While its money stands at X the amount is zero, because the rest does not pay for
 * one more second. Credit that has arrived since is shown.
 */
export function shownAvailableMicros({ account, nowSecond }: Standing): Micros {
  const { standsAtSecond } = account;
  if (standsAtSecond !== null && availableMicros(account, standsAtSecond + 1) < 0) return ZERO;
  return spendableMicros(account, nowSecond);
}
