/** A team's balance as callers see it. */
import type { Terms } from '../../billing/account.ts';
import { add, type Micros, micros } from '../../billing/money.ts';
import { burnMicrosPerHour, exhaustionSecond, firstSecondBelow } from '../../billing/runway.ts';
import { monthStart, nextMonthStart } from '../../billing/time.ts';
import { costBetweenMicros } from '../../billing/usage.ts';
import { readAccount } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import { type SegmentOfInstance, segmentsBetween } from '../../prisma/segments.ts';
import { tokenUsageMicros } from '../../prisma/usage-sums.ts';
import { Amount, amount, Time, timeOrNull, z } from '../schemas.ts';
import { type Standing, shownAvailableMicros, standingOf } from './standing.ts';

export const Balance = z
  .object({
    available: Amount,
    posted: Amount.openapi({ description: 'what the ledger holds, before what running instances have cost since' }),
    held: Amount,
    owed: Amount.openapi({ description: 'usage that no credit was left for; the next credit pays it first' }),
    burnPerHour: Amount,
    runsOutAt: Time.nullable().openapi({ description: 'the last second that is paid in full, without future top-ups' }),
    lowAt: Time.nullable().openapi({ description: 'the first second below the low-balance level; now if it is below' }),
    thisMonth: Amount.openapi({ description: 'usage of the UTC month so far' }),
    activeInstances: z.int(),
    asOf: Time,
  })
  .openapi('Balance');

/** What the instances of a team have cost in `[fromSecond, toSecond)`, as far as the clock has come. */
function instanceUsageMicros(
  segments: SegmentOfInstance[],
  standing: Standing,
  fromSecond: number,
  toSecond: number,
): Micros {
  const endOf = ({ endSecond, instanceId }: SegmentOfInstance) =>
    endSecond ?? standing.ended.get(instanceId)?.endSecond ?? standing.moneySecond;
  return micros(
    segments.reduce(
      (sum, segment) => sum + costBetweenMicros(segment, fromSecond, Math.min(endOf(segment), toSecond)),
      0,
    ),
  );
}

export async function readBalance(
  tx: Tx,
  terms: Terms,
  teamId: string,
  second: number,
): Promise<z.input<typeof Balance>> {
  const standing = standingOf(await readAccount(tx, teamId), terms, second);
  const { account, nowSecond } = standing;
  const month = [monthStart(nowSecond), nextMonthStart(nowSecond)] as const;
  const segments = await segmentsBetween(tx, teamId, ...month);
  const tokens = await tokenUsageMicros(tx, teamId, ...month);
  return {
    available: amount(shownAvailableMicros(standing)),
    posted: amount(account.postedMicros),
    held: amount(account.heldMicros),
    owed: amount(account.owedMicros),
    burnPerHour: amount(burnMicrosPerHour(account)),
    runsOutAt: timeOrNull(exhaustionSecond(account)),
    lowAt: timeOrNull(firstSecondBelow(account, terms.lowLevelMicros, standing.moneySecond)),
    thisMonth: amount(add(instanceUsageMicros(segments, standing, ...month), tokens)),
    activeInstances: new Set(account.meters.map((meter) => meter.instanceId)).size,
    asOf: timeOrNull(nowSecond) as string,
  };
}
