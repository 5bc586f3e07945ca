/** Warns in the log when a process connects to the database as a role that could change the ledger. */
import type { Log } from '../activities/world.ts';
import type { Db } from '../prisma/client.ts';
import { mayChangeLedger } from '../prisma/privileges.ts';

export async function warnOfOwner(db: Db, log: Pick<Log, 'warn'>): Promise<void> {
  // Other parts report a database that does not answer.
  if (await mayChangeLedger(db).catch(() => false))
    log.warn(
      {},
      'DATABASE_URL connects as a role that may change the ledger: see "The log warns that the role may change the ledger" in docs/operating.md',
    );
}
