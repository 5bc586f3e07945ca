/** A few numbers over all teams, each from a partial index: cheap enough to be asked every few seconds. */
import type { Tx } from './client.ts';

export interface Gauges {
  runningInstances: number;
  burnMicrosPerHour: number;
  noticesNotHandedOn: number;
  exhaustionsNotAnnounced: number;
}

export async function readGauges(tx: Tx): Promise<Gauges> {
  const [row] = await tx.$queryRaw<Array<Record<keyof Gauges, bigint>>>`
    SELECT running.count AS "runningInstances", running.burn AS "burnMicrosPerHour",
      (SELECT count(*) FROM notices WHERE NOT handed_on) AS "noticesNotHandedOn",
      (SELECT count(*) FROM exhaustions WHERE NOT announced) AS "exhaustionsNotAnnounced"
    FROM (
      SELECT count(*) AS count, COALESCE(sum(rate_micros_per_hour), 0)::bigint AS burn FROM segments WHERE end_second IS NULL
    ) AS running`;
  return {
    runningInstances: Number(row?.runningInstances ?? 0),
    burnMicrosPerHour: Number(row?.burnMicrosPerHour ?? 0),
    noticesNotHandedOn: Number(row?.noticesNotHandedOn ?? 0),
    exhaustionsNotAnnounced: Number(row?.exhaustionsNotAnnounced ?? 0),
  };
}
