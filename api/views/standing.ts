/**
 * How a team stands now: what is recorded, and what the clock has brought since, by the arithmetic that writes use and
 * without writing. Past its exhaustion second a team reads as ended there. Source: docs/rules.md#facts-and-their-seconds.
 */
import { type Account, moneySecond, spendableMicros, type Terms } from '../../billing/account.ts';
import type { Effect, EndReason } from '../../billing/change.ts';
import { advance } from '../../billing/facts.ts';
import { type Micros, ZERO } from '../../billing/money.ts';
import { availableMicros } from '../../billing/runway.ts';
import type { TermOfReservation } from '../../prisma/reservations.ts';
import type { SegmentOfInstance } from '../../prisma/segments.ts';

export interface Standing {
  account: Account;
  nowSecond: number;
  /** Through which second money runs: now, or X while a charge in flight keeps an exhaustion open. */
  moneySecond: number;
  /** Instances that the clock has ended and no transaction has yet. */
  ended: ReadonlyMap<string, { endSecond: number; reason: EndReason }>;
  /** What the clock has brought and no row says yet. */
  effects: readonly Effect[];
}

export function standingOf(recorded: Account, terms: Terms, second: number): Standing {
  const outcome = advance(recorded, terms, second);
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

/** The segments of some instances as they stand: those that rows say, cut and continued where the clock has done so since. */
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

/** The terms of some reservations as they stand. */
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
 * What the team can spend. While its money stands at X that is nothing: what is left there does not pay for one second
 * more. Credit that has arrived since is shown.
 */
export function shownAvailableMicros({ account, nowSecond }: Standing): Micros {
  const { standsAtSecond } = account;
  if (standsAtSecond !== null && availableMicros(account, standsAtSecond + 1) < 0) return ZERO;
  return spendableMicros(account, nowSecond);
}
