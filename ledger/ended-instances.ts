/** The costs of ended instances, for the mail and the events about their end. */
import type { EndReason } from '../billing/change.ts';
import { type Micros, micros } from '../billing/money.ts';
import { costMicros } from '../billing/usage.ts';
import type { Tx } from '../prisma/client.ts';
import { findInstances } from '../prisma/instances.ts';
import { segmentsOf } from '../prisma/segments.ts';

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
  const costs = new Map<string, number>();
  const nextSeconds = new Map<string, number>();
  for (const { instanceId, rateMicrosPerHour, startSecond, endSecond } of await segmentsOf(db, ids)) {
    const cost = endSecond === null ? 0 : costMicros(rateMicrosPerHour, endSecond - startSecond);
    costs.set(instanceId, (costs.get(instanceId) ?? 0) + cost);
    if (endSecond === null) continue;
    // Segments are in order, so the instance ended in the last one.
    const withNext = costMicros(rateMicrosPerHour, endSecond + 1 - startSecond);
    nextSeconds.set(instanceId, withNext - cost);
  }
  return (await findInstances(db, ids)).flatMap(({ id, teamId, gpuType, region, startSecond, endSecond, reason }) =>
    endSecond === null || reason === null
      ? []
      : [
          {
            instanceId: id,
            teamId,
            gpuType,
            region,
            startSecond,
            endSecond,
            reason,
            costMicros: micros(costs.get(id) ?? 0),
            nextSecondMicros: micros(nextSeconds.get(id) ?? 0),
          },
        ],
  );
}
