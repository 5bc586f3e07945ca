/** A few numbers over all teams, each from a partial index: cheap enough to be asked every few seconds. */
import type { Tx } from './client.ts';

export interface Gauges {
  runningInstances: number;
  burnMicrosPerHour: number;
  noticesNotHandedOn: number;
  exhaustionsNotAnnounced: number;
  /** Over the last seven reports: a day that was put right is compared again, and then shows none. */
  reconciliationDifferences: number;
  /** When the latest compared day began, in unix seconds; 0 before the first. */
  reconciledDaySecond: number;
}

export async function readGauges(tx: Tx): Promise<Gauges> {
  const [row] = await tx.$queryRaw<Array<Record<keyof Gauges, bigint>>>`
    SELECT running.count AS "runningInstances", running.burn AS "burnMicrosPerHour",
      (SELECT count(*) FROM notices WHERE NOT handed_on) AS "noticesNotHandedOn",
      (SELECT count(*) FROM exhaustions WHERE NOT announced) AS "exhaustionsNotAnnounced",
      (SELECT COALESCE(sum(differences), 0) FROM (SELECT differences FROM reconciliations ORDER BY day DESC LIMIT 7) AS latest)
        AS "reconciliationDifferences",
      (SELECT COALESCE(extract(epoch FROM max(day)::timestamp), 0)::bigint FROM reconciliations) AS "reconciledDaySecond"
    FROM (
      SELECT count(*) AS count, COALESCE(sum(rate_micros_per_hour), 0)::bigint AS burn FROM segments WHERE end_second IS NULL
    ) AS running`;
  return {
    runningInstances: Number(row?.runningInstances ?? 0),
    burnMicrosPerHour: Number(row?.burnMicrosPerHour ?? 0),
    noticesNotHandedOn: Number(row?.noticesNotHandedOn ?? 0),
    exhaustionsNotAnnounced: Number(row?.exhaustionsNotAnnounced ?? 0),
    reconciliationDifferences: Number(row?.reconciliationDifferences ?? 0),
    reconciledDaySecond: Number(row?.reconciledDaySecond ?? 0),
  };
}
