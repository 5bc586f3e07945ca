/** Checks a start by the account row alone, without reading the meters, which can be many. */
import type { Micros } from '../billing/money.ts';
import type { Db } from './client.ts';
import { runPrepared } from './prepared.ts';

/** Running meters may have used much since the balance was posted: below so many times the minimum, the account is read. */
const IN_DOUBT_BELOW = 100n;

const READ = {
  name: 'read-plain-credit',
  text: `SELECT posted_micros - held_micros AS free_micros,
      suspended_second IS NOT NULL OR archived_second IS NOT NULL OR stands_at_second IS NOT NULL AS is_blocked
    FROM accounts WHERE team_id = $1`,
};

/** True if a start of the team may be refused. Its account is then read in full. */
export async function mayNotStart(db: Db, teamId: string, minStartMicros: Micros): Promise<boolean> {
  const [row] = await runPrepared<{ free_micros: bigint; is_blocked: boolean }>(db, READ, [teamId]);
  return row !== undefined && (row.is_blocked || row.free_micros < BigInt(minStartMicros) * IN_DOUBT_BELOW);
}
