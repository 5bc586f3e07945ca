/**
 * Reservations: capacity that is paid for a whole term, used or not, at a rate below on-demand. Covered instances cost
 * nothing. Source: docs/rules.md#reservations.
 */
import { type Account, type BillingSettings, moneySecond } from './account.ts';
import type { FactOutcome } from './change.ts';
import { applyFact } from './clock.ts';
import { BillingError } from './errors.ts';
import { startRefusal } from './instances.ts';
import { checkBurnLimit } from './met-budgets.ts';
import { type Micros, ZERO } from './money.ts';
import { MONTHS_OF_TERM, type ReservationTerm } from './prices.ts';
import { rerate } from './rerating.ts';
import { rateFor } from './reservation-meter.ts';
import { openTerm, postReservation } from './reservation-terms.ts';
import { burnMicrosPerHour } from './runway.ts';
import { addMonths } from './time.ts';

/** The reservation to open. */
export interface ReservationOrder {
  reservationId: string;
  gpuType: string;
  region: string;
  count: number;
  term: ReservationTerm;
  renew: boolean;
  /** The reserved price of one instance, micros per hour. */
  unitMicrosPerHour: Micros;
}

/**
 * Begins a reservation at the fact's second; from then on it covers.
 * @throws BillingError `team_suspended`, `team_archived`; `insufficient_credit` when less than the minimum is available, or
 *   an exhaustion is open; `budget_met`, `burn_limit`
 */
export function openReservation(
  account: Account,
  settings: BillingSettings,
  order: ReservationOrder,
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { account } = change;
    const { unitMicrosPerHour, ...reserved } = order;
    const startSecond = account.asOfSecond;
    const refusal = startRefusal(account, settings);
    if (refusal) throw refusal;
    const presentMicros = burnMicrosPerHour(account);
    openTerm(change, {
      ...reserved,
      termNumber: 1,
      reservedSecond: startSecond,
      rateMicrosPerHour: rateFor(order.count, unitMicrosPerHour),
      startSecond,
      endSecond: addMonths(startSecond, MONTHS_OF_TERM[order.term]),
      postedMicros: ZERO,
    });
    rerate(change, startSecond);
    checkBurnLimit(change, presentMicros);
  });
}

/**
 * Posts the amount that a reservation owes by now. A settlement is no fact: the bill is the same for any number of
 * settlements.
 */
export function settleReservation(
  account: Account,
  settings: BillingSettings,
  reservationId: string,
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { account } = change;
    const running = account.reservations.find((reservation) => reservation.reservationId === reservationId);
    if (running) postReservation(change, running, moneySecond(account, account.asOfSecond));
  });
}

/**
 * Says whether another term is to follow.
 * @throws BillingError `reservation_ended`
 */
export function setRenewal(
  account: Account,
  settings: BillingSettings,
  renewal: { reservationId: string; renew: boolean },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, ({ account, effects }) => {
    const running = account.reservations.find(({ reservationId }) => reservationId === renewal.reservationId);
    if (!running) throw new BillingError('reservation_ended', 'the reservation has ended');
    if (running.renew === renewal.renew) return;
    running.renew = renewal.renew;
    effects.push({ kind: 'renewal_set', reservationId: renewal.reservationId, renew: renewal.renew });
  });
}
