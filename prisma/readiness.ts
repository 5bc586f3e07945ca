/** Checks that the database takes writes: a full disk, or a standby after a failover, still answers reads. */
import type { Db } from './client.ts';

/** Writes one row. @throws the error of the refused write */
export async function proveWritable(db: Db, nowSecond: number): Promise<void> {
  await db.$executeRaw`
    INSERT INTO readiness (id, second) VALUES (1, ${nowSecond}) ON CONFLICT (id) DO UPDATE SET second = EXCLUDED.second`;
}
