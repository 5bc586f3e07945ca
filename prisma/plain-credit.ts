/** What the row of an account alone says of a start: its meters, which can be many, are not read. */
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

/** Whether a start of the team may be refused: its account is then to be read in full. */
export async function mayNotStart(db: Db, teamId: string, minStartMicros: Micros): Promise<boolean> {
  const [row] = await runPrepared<{ free_micros: bigint; is_blocked: boolean }>(db, READ, [teamId]);
  return row !== undefined && (row.is_blocked || row.free_micros < BigInt(minStartMicros) * IN_DOUBT_BELOW);
}
