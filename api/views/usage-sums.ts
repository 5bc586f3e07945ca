/** The JSON form of sums of usage. Source: docs/rules.md#sums. */
import { setImmediate as others } from 'node:timers/promises';
import type { BillingSettings } from '../../billing/account.ts';
import { partsOfRange } from '../../billing/buckets.ts';
import { formatSecond } from '../../billing/time.ts';
import {
  GROUPED_BY,
  type GroupedBy,
  isTimeUnit,
  type Stretch,
  type UsageGroup,
  UsageGroups,
} from '../../billing/usage-groups.ts';
import { bySums, readAccount } from '../../prisma/accounts.ts';
import type { Db, Tx } from '../../prisma/client.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { type RecordedStretch, segmentStretches, termStretches } from '../../prisma/stretch-rows.ts';
import { getTeam } from '../../prisma/teams.ts';
import { tokenSumsIn } from '../../prisma/token-quarters.ts';
import { Amount, amount, Time, z } from '../http/schemas.ts';
import { type Standing, standingOf } from './standing.ts';

const Value = z.string().nullable().optional();
const TIME_VALUES: Partial<Record<GroupedBy, string>> = {
  hour: 'the first second of the hour, in the time of the zone',
  day: 'the date in the time zone',
  month: 'the month in the time zone',
};
const values = Object.fromEntries(
  GROUPED_BY.map((by) => [
    by,
    Value.openapi({ description: TIME_VALUES[by] ?? 'null: the usage has no value in this dimension' }),
  ]),
) as Record<GroupedBy, typeof Value>;

export const UsageSum = z
  .object({
    ...values,
    cost: Amount,
    seconds: z.int().optional().openapi({ description: 'the seconds that instances ran, covered ones included' }),
    reservedSeconds: z.int().optional().openapi({ description: 'the seconds of the terms of reservations' }),
    inputTokens: z.int().optional(),
    outputTokens: z.int().optional(),
    filter: z.record(z.string(), z.string()).openapi({
      description: 'the parameters of GET /v1/teams/{team}/transactions that list the group’s rows of the ledger',
    }),
  })
  .openapi('UsageSum');

export const UsageSums = z
  .object({
    from: Time,
    to: Time,
    timeZone: z.string(),
    data: z.array(UsageSum),
    total: Amount.openapi({ description: 'the sum of the groups' }),
  })
  .openapi('UsageSums');
type UsageSumsView = z.input<typeof UsageSums>;

export interface AskedSums {
  by: readonly GroupedBy[];
  /** Absent: the creation of the team. */
  fromSecond?: number | undefined;
  /** The first second after the range. Absent: the second after the present one. */
  toSecond?: number | undefined;
  timeZone: string;
}

/** The present ends of stretches: a running one is counted through the second at which money stands. */
function asStanding(recorded: readonly RecordedStretch[], { effects, moneySecond }: Standing): Stretch[] {
  const keyOf = (of: Stretch['of'], id: string, number: number) => `${of}/${number}/${id}`;
  const stretches = new Map(recorded.map((each) => [keyOf(each.of, each.id, each.number), each]));
  const lastOf = new Map(recorded.map((each) => [`${each.of}/${each.id}`, each]));
  const put = (changed: Omit<RecordedStretch, 'values'>, reservation?: string | null) => {
    const last = lastOf.get(`${changed.of}/${changed.id}`);
    if (!last) return;
    const values = { ...last.values, ...(reservation !== undefined && { reservation }) };
    stretches.set(keyOf(changed.of, changed.id, changed.number), { ...changed, values });
  };
  for (const effect of effects) {
    if (effect.kind === 'meter_opened' || effect.kind === 'meter_closed') {
      const { instanceId: id, segment: number, rateMicrosPerHour, startSecond, priced } = effect.meter;
      const endSecond = effect.kind === 'meter_closed' ? effect.endSecond : null;
      put({ of: 'instance', id, number, rateMicrosPerHour, startSecond, endSecond }, priced.coveredBy);
    }
    if (effect.kind === 'reservation_opened' || effect.kind === 'reservation_closed') {
      const { reservationId: id, termNumber: number, rateMicrosPerHour, startSecond } = effect.reservation;
      const endSecond = effect.kind === 'reservation_closed' ? effect.endSecond : null;
      put({ of: 'reservation', id, number, rateMicrosPerHour, startSecond, endSecond });
    }
  }
  return [...stretches.values()].map((each) => ({ ...each, endSecond: each.endSecond ?? moneySecond }));
}

/** The number of parts after which other work of the process has its turn. */
const PARTS_A_TURN = 200_000;

async function addStretches(groups: UsageGroups, stretches: readonly Stretch[]): Promise<void> {
  let parts = 0;
  for (const stretch of stretches) {
    parts += groups.addStretch(stretch);
    if (parts < PARTS_A_TURN) continue;
    parts = 0;
    await others();
  }
}

/** The group's rows: those of its time, with its values; a parameter without a text means no value. */
function filterOf(by: readonly GroupedBy[], group: UsageGroup): Record<string, string> {
  const dimensions = by.flatMap((each, index) => (isTimeUnit(each) ? [] : [[each, group.values[index] ?? '']]));
  return {
    from: formatSecond(group.fromSecond),
    to: formatSecond(group.toSecond),
    ...Object.fromEntries(dimensions),
  };
}

const viewGroup = (by: readonly GroupedBy[], group: UsageGroup): z.input<typeof UsageSum> => ({
  ...Object.fromEntries(by.map((each, index) => [each, group.values[index] ?? null])),
  cost: amount(group.costMicros),
  ...(group.instanceSeconds !== null && { seconds: group.instanceSeconds }),
  ...(group.reservedSeconds !== null && { reservedSeconds: group.reservedSeconds }),
  ...(group.tokens && { inputTokens: Number(group.tokens.input), outputTokens: Number(group.tokens.output) }),
  filter: filterOf(by, group),
});

/** @throws BillingError `not_found`, `too_many_groups` */
export const readUsageSums = (
  db: Db,
  settings: BillingSettings,
  { teamId, nowSecond }: { teamId: string; nowSecond: number },
  asked: AskedSums,
): Promise<UsageSumsView> =>
  inSnapshot(db, (tx) =>
    bySums([], async (named) => {
      const { createdSecond } = await getTeam(tx, teamId);
      const account = await readAccount(tx, teamId, { throughSecond: nowSecond, ...named });
      const standing = standingOf(account, settings, nowSecond);
      const { fromSecond = createdSecond, toSecond = standing.nowSecond + 1, by, timeZone } = asked;
      // Nothing is used before the team is created, or after the present second.
      const range = [Math.max(fromSecond, createdSecond), Math.min(toSecond, standing.nowSecond + 1)] as const;
      const groups = await groupsIn(tx, { teamId, by, timeZone, range }, standing);
      const total = groups.reduce((sum, { costMicros }) => sum + costMicros, 0n);
      return {
        from: formatSecond(fromSecond),
        to: formatSecond(toSecond),
        timeZone,
        data: groups.map((group) => viewGroup(by, group)),
        total: amount(total),
      };
    }),
  );

interface Range {
  teamId: string;
  by: readonly GroupedBy[];
  timeZone: string;
  range: readonly [fromSecond: number, toSecond: number];
}

async function groupsIn(tx: Tx, { teamId, by, timeZone, range }: Range, standing: Standing): Promise<UsageGroup[]> {
  const [fromSecond, toSecond] = range;
  const parts = partsOfRange(by.filter(isTimeUnit), timeZone, fromSecond, toSecond);
  if (parts.length === 0) return [];
  const groups = new UsageGroups(by, parts);
  const boundarySeconds = [...parts.map((part) => part.fromSecond), toSecond];
  const ofTokens = { model: by.includes('model'), project: by.includes('project') };
  for (const sum of await tokenSumsIn(tx, { teamId, boundarySeconds, by: ofTokens })) groups.addTokens(sum);
  const segments = await segmentStretches(tx, teamId, fromSecond, toSecond);
  const terms = await termStretches(tx, teamId, fromSecond, toSecond);
  await addStretches(groups, asStanding([...segments, ...terms], standing));
  return groups.groups();
}
