/** Recorded facts without a look of the team's watch. */
import type { Tx } from './client.ts';

/** Teams with instances whose machines are to be stopped, a mail or event to hand on, or a charge in flight. */
export async function teamsWithUntold(tx: Tx): Promise<string[]> {
  const rows = await tx.$queryRaw<Array<{ team_id: string }>>`
    SELECT team_id FROM exhaustions WHERE NOT announced
    UNION SELECT team_id FROM team_stops WHERE NOT announced
    UNION SELECT team_id FROM notices WHERE NOT handed_on
    UNION SELECT team_id FROM accounts WHERE attempt_deposit_id IS NOT NULL
    ORDER BY team_id`;
  return rows.map((row) => row.team_id);
}
