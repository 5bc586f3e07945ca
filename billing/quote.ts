/**
 * The effect of new instances on a team's runway. The instances are started on a copy of the account, by the rule that
 * starts real ones, and the copy is followed ahead. Source: docs/http.md#balance-and-quote.
 */
import type { Account, BillingSettings } from './account.ts';
import { AccountChange } from './change.ts';
import { bringUpToDate } from './clock.ts';
import type { BillingError } from './errors.ts';
import { nextTopUpSecond, runsOutSecond } from './forecast.ts';
import { type InstanceOrder, openMeters, startRefusal } from './instances.ts';
import { burnRefusal } from './met-budgets.ts';
import { add, type Micros, ZERO } from './money.ts';
import { uncoveredRateOf } from './prices.ts';
import { burnMicrosPerHour } from './runway.ts';
import { topUpWarnings, type Warning } from './warnings.ts';

/** The kind of instance to start, and how many. */
export type QuoteOrder = Omit<InstanceOrder, 'instanceId' | 'shedOrder'> & { count: number };

export interface Quote {
  /** The rate of an instance without a cover; 0 where all are covered. */
  hourlyMicros: Micros;
  /** The rate of all the new instances together. */
  totalMicrosPerHour: Micros;
  coveredCount: number;
  discountBasisPoints: number;
  /** The team's whole burn with the new instances. */
  burnMicrosPerHour: Micros;
  /** The last second that is paid in full, without future top-ups. */
  runsOutSecond: number | null;
  nextTopUpSecond: number | null;
  warnings: Warning[];
}

/**
 * @param account with the team's spending, and with the coming prices of the quoted instances
 * @throws BillingError `no_reservation`, as a start would
 */
export function quoteStarts(
  account: Account,
  settings: BillingSettings,
  { count, ...order }: QuoteOrder,
  nowSecond: number,
): Quote {
  const change = new AccountChange(account, settings);
  bringUpToDate(change, nowSecond);
  const refused = startRefusal(change.account, settings);
  const presentMicros = burnMicrosPerHour(change.account);
  // The slash prevents a collision: the id of an instance has no slash.
  const orders = Array.from({ length: count }, (_, i) => ({ ...order, instanceId: `quote/${i}`, shedOrder: null }));
  const opened = openMeters(change, orders);
  const uncovered = opened.find(({ priced }) => priced.coveredBy === null);
  const burn = burnMicrosPerHour(change.account);
  return {
    hourlyMicros: uncovered ? uncoveredRateOf(uncovered.priced) : ZERO,
    totalMicrosPerHour: add(ZERO, ...opened.map(({ rateMicrosPerHour }) => rateMicrosPerHour)),
    coveredCount: opened.filter(({ priced }) => priced.coveredBy !== null).length,
    discountBasisPoints: opened[0]?.priced.discountBasisPoints ?? 0,
    burnMicrosPerHour: burn,
    runsOutSecond: runsOutSecond(change.account, settings),
    nextTopUpSecond: nextTopUpSecond(change.account, settings),
    warnings: [
      ...refusalOf(refused ?? burnRefusal(change.account, presentMicros)),
      ...topUpWarnings(change.account.policy, burn, settings),
    ],
  };
}

/** The refusal of a start now, if a start would be refused. */
function refusalOf(refusal: BillingError | null): Warning[] {
  return refusal ? [{ code: refusal.code as Warning['code'], message: refusal.message }] : [];
}
