/** Very many running instances of a team, inserted by one statement each instead of one fact each. */
import type { Db } from '../../prisma/client.ts';

export interface ManyRunning {
  teamId: string;
  count: number;
  /** Micros an hour of the first, the second and so on; the next instances begin again. */
  hourlyMicros: readonly number[];
  /** The starts are at this second and the seconds before it, one after the other. */
  startSecond: number;
  spreadSeconds: number;
}

/** Adds running instances at given prices. Their workflows are not due. */
export async function addRunning(db: Db, { teamId, count, hourlyMicros, startSecond, spreadSeconds }: ManyRunning) {
  const rates = hourlyMicros.map(BigInt);
  await db.$executeRaw`
    INSERT INTO instances (id, team_id, gpu_type, region, pricing, hourly_micros, request_hash, start_second)
    SELECT ${teamId} || '-running-' || n, ${teamId}, 'h100', 'eu', 'on_demand',
      (${rates}::bigint[])[1 + n % ${rates.length}::bigint], 'test', ${startSecond}::bigint - n % ${spreadSeconds}::bigint
    FROM generate_series(1, ${count}::bigint) AS n`;
  await db.$executeRaw`
    INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, start_second, posted_micros,
      list_micros_per_hour, given)
    SELECT id, 1, team_id, hourly_micros, start_second, 0, hourly_micros, true
    FROM instances WHERE team_id = ${teamId} AND id LIKE ${teamId} || '-running-%'`;
}
