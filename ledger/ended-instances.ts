/** The costs of ended instances, for the mail and the events about their end. */
import type { EndReason } from '../billing/change.ts';
import { type Micros, subtract } from '../billing/money.ts';
import { costOfSegmentsMicros } from '../billing/usage.ts';
import type { Tx } from '../prisma/client.ts';
import { findInstances } from '../prisma/instances.ts';
import { type SegmentOfInstance, segmentsOf } from '../prisma/segments.ts';

export interface EndedInstance {
  instanceId: string;
  teamId: string;
  gpuType: string;
  region: string;
  startSecond: number;
  endSecond: number;
  costMicros: Micros;
  /** The cost of one more second. */
  nextSecondMicros: Micros;
  reason: EndReason;
}

/**
 * Finds the ended instances among the ids, oldest first. The cost is the formula's over their segments
 * (docs/rules.md#what-an-instance-costs).
 */
export async function endedInstances(db: Tx, ids: string[]): Promise<EndedInstance[]> {
  const segmentsById = new Map<string, SegmentOfInstance[]>();
  for (const segment of await segmentsOf(db, ids))
    segmentsById.set(segment.instanceId, [...(segmentsById.get(segment.instanceId) ?? []), segment]);
  return (await findInstances(db, ids)).flatMap(({ id, teamId, gpuType, region, startSecond, endSecond, reason }) => {
    if (endSecond === null || reason === null) return [];
    const segments = segmentsById.get(id) ?? [];
    const cost = costOfSegmentsMicros(segments, endSecond);
    const withNextSecond = costOfSegmentsMicros(runningOn(segments), endSecond + 1);
    const ended = { instanceId: id, teamId, gpuType, region, startSecond, endSecond, reason };
    return [{ ...ended, costMicros: cost, nextSecondMicros: subtract(withNextSecond, cost) }];
  });
}

/** The segments, in order, as if the last segment had not ended. */
const runningOn = (segments: readonly SegmentOfInstance[]): SegmentOfInstance[] =>
  segments.map((segment, index) => (index === segments.length - 1 ? { ...segment, endSecond: null } : segment));
