/** Instances ended together by a stop or a reclaim, in batches, until the team's watch has signalled the workflows. */
import type { Tx } from './client.ts';

/** The number of instances in a row. */
const BATCH = 200;

/** A batch in the form of runs of an earlier release. */
export interface TeamStop {
  id: number;
  instanceIds: string[];
}

export async function insertTeamStops(tx: Tx, teamId: string, second: number, instanceIds: string[]): Promise<void> {
  const batches = Array.from({ length: Math.ceil(instanceIds.length / BATCH) }, (_, i) =>
    instanceIds.slice(i * BATCH, (i + 1) * BATCH),
  );
  await tx.teamStop.createMany({
    data: batches.map((batch) => ({ teamId, second, instanceIds: batch, announced: false })),
  });
}

export const markTeamStops = async (tx: Tx, ids: number[]): Promise<void> => {
  if (ids.length > 0) await tx.teamStop.updateMany({ where: { id: { in: ids } }, data: { announced: true } });
};

/** The running instances of a team, or of a project of the team. */
export async function runningInstanceIds(tx: Tx, teamId: string, project: string | null): Promise<string[]> {
  const rows = await tx.instance.findMany({
    where: { teamId, endSecond: null, ...(project !== null && { project }) },
    select: { id: true },
    orderBy: [{ startSecond: 'asc' }, { id: 'asc' }],
  });
  return rows.map(({ id }) => id);
}
