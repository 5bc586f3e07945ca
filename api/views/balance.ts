/** The JSON form of a team's balance. */
import type { BillingSettings } from '../../billing/account.ts';
import { lowLevelsOf } from '../../billing/crossings.ts';
import { firstBelowSecond, runsOutSecond } from '../../billing/forecast.ts';
import { MetersNeeded, RemaindersNeeded, summedCostBetweenMicros } from '../../billing/meter-sums.ts';
import { total, Uncountable } from '../../billing/money.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { monthStart, nextMonthStart } from '../../billing/time.ts';
import type { Metered } from '../../billing/usage.ts';
import { clippedCostMicros } from '../../billing/usage-groups.ts';
import { bySums, readAccount } from '../../prisma/accounts.ts';
import { readForBalance } from '../../prisma/balance.ts';
import type { Db, Tx } from '../../prisma/client.ts';
import { termsBetween } from '../../prisma/reservations.ts';
import { closedSegmentsMicros, segmentsBetween } from '../../prisma/segments.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { tokenUsageMicros } from '../../prisma/usage-sums.ts';
import { Amount, amount, Time, timeOrNull, z } from '../http/schemas.ts';
import { type Standing, segmentsAsStanding, shownAvailableMicros, standingOf, termsAsStanding } from './standing.ts';

export const Balance = z
  .object({
    available: Amount,
    posted: Amount.openapi({
      description: 'the credit in the ledger, without the cost of running instances since the last posting',
    }),
    held: Amount,
    owed: Amount.openapi({
      description: 'an amount that is due without credit to pay it; the next credit pays it first',
    }),
    burnPerHour: Amount,
    runsOutAt: Time.nullable().openapi({ description: 'the last second that is paid in full, without future top-ups' }),
    lowAt: Time.nullable().openapi({
      description: 'the first second below the low-balance level; now, if the balance is already below',
    }),
    thisMonth: Amount.openapi({ description: 'usage of the UTC month so far' }),
    activeInstances: z.int(),
    asOf: Time,
  })
  .openapi('Balance');

/** The cost of stretches of running in `[fromSecond, toSecond)`, through the present second at the most. */
const costIn = (
  stretches: ReadonlyArray<Metered & { until: number | null }>,
  { moneySecond }: Standing,
  fromSecond: number,
  toSecond: number,
): bigint =>
  total(
    ...stretches.map((stretch) =>
      // A stretch that a crossing has ended before the range has no cost in the range.
      clippedCostMicros({ ...stretch, endSecond: stretch.until ?? moneySecond }, fromSecond, toSecond),
    ),
  );

/** The cost of the team's instances in `[fromSecond, toSecond)`, through the present second at the most. */
async function instancesCostIn(tx: Tx, standing: Standing, fromSecond: number, toSecond: number): Promise<bigint> {
  const { account, moneySecond, effects } = standing;
  const { teamId, meters, summed } = account;
  const isAsRecorded = effects.every(({ kind }) => kind !== 'meter_opened' && kind !== 'meter_closed');
  if (meters.length === 0 && isAsRecorded) {
    const running = summed ? summedCostBetweenMicros(summed, fromSecond, moneySecond) : 0n;
    return total(await closedSegmentsMicros(tx, teamId, fromSecond, toSecond), running);
  }
  const segments = segmentsAsStanding(await segmentsBetween(tx, teamId, fromSecond, toSecond), standing);
  const stretches = segments.map((segment) => ({ ...segment, until: segment.endSecond }));
  return costIn(stretches, standing, fromSecond, toSecond);
}

type BalanceView = z.input<typeof Balance>;

/** @throws BillingError `not_found` */
export const readBalance = async (
  db: Db,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<BalanceView> =>
  (await balanceByTotals(db, settings, teamId, second)) ??
  inSnapshot(db, (tx) => balanceBySums(tx, settings, teamId, second));

/** The balance by one statement, or by a second one with the remainders of all seconds. Null where these do not decide. */
export async function balanceByTotals(
  db: Db,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<BalanceView | null> {
  const [fromSecond, toSecond] = monthOf(second);
  const query = { teamId, second, fromSecond, toSecond, withSpending: settings.volumeTiers.length > 0 };
  for (const remaindersAt of ['now', 'all seconds'] as const) {
    const read = await readForBalance(db, { ...query, remaindersAt });
    if (!read) return null;
    const { knownRemainders } = read.account.summed ?? {};
    try {
      const standing = standingOf(read.account, settings, second);
      const { account, moneySecond, nowSecond } = standing;
      // The last fact, or the second at which money stands, may lie in another month.
      if ([moneySecond, nowSecond].some((each) => monthStart(each) !== fromSecond)) return null;
      const running = account.summed ? summedCostBetweenMicros(account.summed, fromSecond, moneySecond) : 0n;
      return balanceOf(standing, settings, total(read.endedMicros, running));
    } catch (error) {
      if (error instanceof RemaindersNeeded && knownRemainders && 'second' in knownRemainders) continue;
      if (error instanceof MetersNeeded || error instanceof Uncountable) return null;
      throw error;
    }
  }
  return null;
}

/** The balance by the sums of the meters by class, or by all meters. @param tx a snapshot */
export const balanceBySums = (
  tx: Tx,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<BalanceView> =>
  bySums([], async (named) => {
    const account = await readAccount(tx, teamId, { throughSecond: second, for: 'forecast', ...named });
    const standing = standingOf(account, settings, second);
    const month = monthOf(standing.nowSecond);
    const instances = await instancesCostIn(tx, standing, ...month);
    const reserved = termsAsStanding(await termsBetween(tx, teamId, ...month), standing);
    const stretches = reserved.map((term) => ({ ...term, until: term.closedSecond }));
    const tokens = await tokenUsageMicros(tx, teamId, ...month);
    return balanceOf(standing, settings, total(instances, costIn(stretches, standing, ...month), tokens));
  });

const monthOf = (second: number): [fromSecond: number, toSecond: number] => [
  monthStart(second),
  nextMonthStart(second),
];

export function balanceOf(standing: Standing, settings: BillingSettings, monthMicros: bigint): BalanceView {
  const { account, nowSecond } = standing;
  const { meters, summed } = account;
  const lowest = lowLevelsOf(account, settings).at(-1);
  return {
    available: amount(shownAvailableMicros(standing)),
    posted: amount(account.postedMicros),
    held: amount(account.heldMicros),
    owed: amount(account.owedMicros),
    burnPerHour: amount(burnMicrosPerHour(account)),
    runsOutAt: timeOrNull(runsOutSecond(account, settings)),
    lowAt: timeOrNull(lowest ? firstBelowSecond(account, settings, lowest.levelMicros) : null),
    thisMonth: amount(monthMicros),
    activeInstances: new Set(meters.map((meter) => meter.instanceId)).size + (summed?.count ?? 0),
    asOf: timeOrNull(nowSecond) as string,
  };
}
