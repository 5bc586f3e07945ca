/**
 * The JSON form of an instance: live while running, ended at X after the end of credit, whether or not the end is
 * recorded yet.
 */

import type { BillingSettings } from '../../billing/account.ts';
import { BillingError } from '../../billing/errors.ts';
import { ZERO } from '../../billing/money.ts';
import { PRICINGS, priceInWords } from '../../billing/prices.ts';
import { formatSecond } from '../../billing/time.ts';
import { costOfSegmentsMicros, segmentCostMicros } from '../../billing/usage.ts';
import type { Receipt } from '../../ledger/instances.ts';
import { bySums, readAccounts, readWithAccount } from '../../prisma/accounts.ts';
import { type CallDetails, detailsOf, NO_DETAILS } from '../../prisma/call-details.ts';
import type { Db, Tx } from '../../prisma/client.ts';
import type { Instance as InstanceRow } from '../../prisma/instances.ts';
import { type SegmentOfInstance, segmentsOf } from '../../prisma/segments.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { Metadata } from '../http/metadata.ts';
import { Amount, amount, Time, timeOrNull, z } from '../http/schemas.ts';
import { type Standing, segmentsAsStanding, standingOf } from './standing.ts';

export const END_REASONS = ['stopped', 'out_of_credits', 'spot_reclaimed', 'operator', 'budget'] as const;
export const STATUSES = ['active', 'terminated'] as const;

const Segment = z
  .object({
    hourly: Amount.openapi({ description: 'the charged rate: the list price less the discount, or 0 if covered' }),
    startedAt: Time,
    endedAt: Time.nullable(),
    seconds: z.int(),
    cost: Amount,
    list: Amount.openapi({ description: 'the price before discount and cover, or the price that the platform gave' }),
    discountPercent: z.number(),
    discountKind: z.enum(['volume', 'assigned']).nullable(),
    coveredBy: z.string().nullable().openapi({ description: 'the reservation that covers the segment' }),
    why: z.string().openapi({
      description: 'the reason for the rate, in words',
      example: 'on-demand list price $2.490000 less 5 % volume discount',
    }),
  })
  .openapi('Segment');

export const Instance = z
  .object({
    id: z.string(),
    team: z.string(),
    project: z.string().nullable(),
    gpuType: z.string(),
    region: z.string(),
    pricing: z.enum(PRICINGS),
    status: z.enum(STATUSES),
    startedAt: Time,
    endedAt: Time.nullable(),
    seconds: z.int(),
    cost: Amount,
    hourly: Amount.openapi({ description: 'the rate of the last segment' }),
    reason: z.enum(END_REASONS).nullable(),
    segments: z
      .array(Segment)
      .openapi({ description: 'one segment for each price: each begins at the end of the previous one' }),
    shedOrder: z.int().nullable(),
    reclaimAt: Time.nullable().openapi({ description: 'the second at which the platform reclaims the spot instance' }),
    resumedFrom: z.string().nullable(),
    metadata: Metadata,
  })
  .openapi('Instance');
type InstanceView = z.input<typeof Instance>;

export const ReceiptBody = z
  .object({
    id: z.string(),
    startedAt: Time,
    endedAt: Time,
    seconds: z.int(),
    cost: Amount,
    reason: z.enum(END_REASONS),
  })
  .openapi('Receipt');

export const viewReceipt = (receipt: Receipt): z.input<typeof ReceiptBody> => ({
  id: receipt.instanceId,
  startedAt: formatSecond(receipt.startSecond),
  endedAt: formatSecond(receipt.endSecond),
  seconds: receipt.seconds,
  cost: amount(receipt.costMicros),
  reason: receipt.reason,
});

/** Two changes in one second, or a stop in the past, leave segments without a second. Such segments are not shown. */
function lasting<T extends { segment: SegmentOfInstance; seconds: number }>(parts: T[]): T[] {
  const shown = parts.filter(({ segment, seconds }) => seconds > 0 || segment.endSecond === null);
  return shown.length > 0 ? shown : parts.slice(0, 1);
}

/** The discount that was applied. A covered instance has none, whatever the team's discount is. */
const discountOf = ({ priced: { discountBasisPoints, discountKind, coveredBy } }: SegmentOfInstance) =>
  coveredBy === null
    ? { discountPercent: discountBasisPoints / 100, discountKind }
    : { discountPercent: 0, discountKind: null };

function viewInstance(
  row: InstanceRow,
  rows: SegmentOfInstance[],
  { metadata }: Pick<CallDetails, 'metadata'>,
  standing: Standing,
): InstanceView {
  const segments = segmentsAsStanding(rows, standing);
  const ended = standing.ended.get(row.id);
  const endSecond = row.endSecond ?? ended?.endSecond ?? null;
  const through = endSecond ?? standing.moneySecond;
  const parts = segments.map((segment) => {
    const seconds = Math.max(0, Math.min(segment.endSecond ?? through, through) - segment.startSecond);
    return { segment, seconds, cost: segmentCostMicros(segment, through) };
  });
  return {
    id: row.id,
    team: row.teamId,
    project: row.project,
    gpuType: row.gpuType,
    region: row.region,
    pricing: row.pricing,
    status: endSecond === null ? 'active' : 'terminated',
    startedAt: formatSecond(row.startSecond),
    endedAt: timeOrNull(endSecond),
    seconds: Math.max(0, through - row.startSecond),
    cost: amount(costOfSegmentsMicros(segments, through)),
    hourly: amount(segments.at(-1)?.rateMicrosPerHour ?? row.hourlyMicros ?? ZERO),
    reason: row.reason ?? ended?.reason ?? null,
    segments: lasting(parts).map(({ segment, seconds, cost }) => ({
      ...discountOf(segment),
      hourly: amount(segment.rateMicrosPerHour),
      startedAt: formatSecond(segment.startSecond),
      endedAt: timeOrNull(segment.endSecond ?? endSecond),
      seconds,
      cost: amount(cost),
      list: amount(segment.priced.listMicrosPerHour),
      coveredBy: segment.priced.coveredBy,
      why: priceInWords(segment.priced),
    })),
    shedOrder: row.shedOrder,
    reclaimAt: timeOrNull(row.reclaimSecond),
    resumedFrom: row.resumedFrom,
    metadata: { ...metadata },
  };
}

/** The JSON form of one instance, from one snapshot. */
export const readInstance = (
  { db, settings }: { db: Db; settings: BillingSettings },
  id: string,
  second: number,
): Promise<InstanceView> =>
  inSnapshot(db, (tx) =>
    bySums([id], async (named) => {
      const { account, read } = await readWithAccount(tx, { instanceIds: [id] }, { throughSecond: second, ...named });
      const [row] = read.instances;
      if (!row) throw new BillingError('not_found', 'no such instance', 'id');
      const hash = row.detailsHash ?? null;
      const details = (await detailsOf(tx, [hash])).get(hash ?? '') ?? NO_DETAILS;
      return viewInstance(row, read.segments, details, standingOf(account, settings, second));
    }),
  );

/** The JSON forms of some rows, in a fixed number of reads for any number of teams. */
export async function readInstances(
  tx: Tx,
  settings: BillingSettings,
  rows: InstanceRow[],
  second: number,
): Promise<InstanceView[]> {
  const accounts = await readAccounts(tx, [...new Set(rows.map((row) => row.teamId))], { throughSecond: second });
  const standings = new Map([...accounts].map(([teamId, account]) => [teamId, standingOf(account, settings, second)]));
  const segments = new Map<string, SegmentOfInstance[]>(rows.map((row) => [row.id, []]));
  for (const segment of await segmentsOf(tx, [...segments.keys()])) segments.get(segment.instanceId)?.push(segment);
  const details = await detailsOf(
    tx,
    rows.map(({ detailsHash }) => detailsHash ?? null),
  );
  return rows.flatMap((row) => {
    const added = details.get(row.detailsHash ?? '') ?? NO_DETAILS;
    const standing = standings.get(row.teamId);
    return standing ? [viewInstance(row, segments.get(row.id) ?? [], added, standing)] : [];
  });
}
