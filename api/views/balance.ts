/** The JSON form of a team's balance. */
import type { Terms } from '../../billing/account.ts';
import { firstBelowSecond, runsOutSecond } from '../../billing/forecast.ts';
import { classCostBetweenMicros } from '../../billing/meter-sums.ts';
import { total } from '../../billing/money.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { monthStart, nextMonthStart } from '../../billing/time.ts';
import { costBetweenMicros, type Metered } from '../../billing/usage.ts';
import { bySums, readAccount } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import { termsBetween } from '../../prisma/reservations.ts';
import { closedSegmentsMicros, segmentsBetween } from '../../prisma/segments.ts';
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
      costBetweenMicros(stretch, fromSecond, Math.min(stretch.until ?? moneySecond, toSecond)),
    ),
  );

/** The cost of the team's instances in `[fromSecond, toSecond)`, through the present second at the most. */
async function instancesCostIn(tx: Tx, standing: Standing, fromSecond: number, toSecond: number): Promise<bigint> {
  const { account, moneySecond, effects } = standing;
  const { teamId, meters, summed } = account;
  const isAsRecorded = effects.every(({ kind }) => kind !== 'meter_opened' && kind !== 'meter_closed');
  if (meters.length === 0 && isAsRecorded) {
    const running = summed?.classes.map((each) => classCostBetweenMicros(summed, each, fromSecond, moneySecond)) ?? [];
    return total(await closedSegmentsMicros(tx, teamId, fromSecond, toSecond), ...running);
  }
  const segments = segmentsAsStanding(await segmentsBetween(tx, teamId, fromSecond, toSecond), standing);
  const stretches = segments.map((segment) => ({ ...segment, until: segment.endSecond }));
  return costIn(stretches, standing, fromSecond, toSecond);
}

export const readBalance = (tx: Tx, terms: Terms, teamId: string, second: number): Promise<z.input<typeof Balance>> =>
  bySums([], async (named) => {
    const account = await readAccount(tx, teamId, { throughSecond: second, for: 'forecast', ...named });
    return balanceOf(tx, terms, standingOf(account, terms, second));
  });

async function balanceOf(tx: Tx, terms: Terms, standing: Standing): Promise<z.input<typeof Balance>> {
  const { account, nowSecond } = standing;
  const { teamId, meters, summed } = account;
  const month = [monthStart(nowSecond), nextMonthStart(nowSecond)] as const;
  const instances = await instancesCostIn(tx, standing, ...month);
  const reserved = termsAsStanding(await termsBetween(tx, teamId, ...month), standing);
  const stretches = reserved.map((term) => ({ ...term, until: term.closedSecond }));
  const tokens = await tokenUsageMicros(tx, teamId, ...month);
  return {
    available: amount(shownAvailableMicros(standing)),
    posted: amount(account.postedMicros),
    held: amount(account.heldMicros),
    owed: amount(account.owedMicros),
    burnPerHour: amount(burnMicrosPerHour(account)),
    runsOutAt: timeOrNull(runsOutSecond(account, terms)),
    lowAt: timeOrNull(firstBelowSecond(account, terms, terms.lowLevelMicros)),
    thisMonth: amount(total(instances, costIn(stretches, standing, ...month), tokens)),
    activeInstances: new Set(meters.map((meter) => meter.instanceId)).size + (summed?.count ?? 0),
    asOf: timeOrNull(nowSecond) as string,
  };
}
