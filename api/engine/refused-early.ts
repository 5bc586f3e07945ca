/**
 * Refuses a start by a plain read where possible, so the refusal takes no row lock and no workflow. The check under the
 * lock decides every other start.
 */
import { performance } from 'node:perf_hooks';
import { BillingError } from '../../billing/errors.ts';
import { startRefusal } from '../../billing/instances.ts';
import { bySums, readAccount } from '../../prisma/accounts.ts';
import { mayNotStart } from '../../prisma/plain-credit.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import type { Call } from '../http/calls.ts';
import { standingOf } from '../views/standing.ts';
import type { ApiWorld } from '../world.ts';

/** After a refusal for credit, each start of the team is preceded by a full read for this time. */
const REMEMBERED_MS = 60_000;
const MOST_REMEMBERED = 10_000;

export interface EarlyRefusal {
  teamId: string;
  /**
   * True if the start must go on after all: a repeat of an admitted start, or a start with another fault that is
   * answered first.
   */
  goesOn: () => Promise<boolean>;
}

export type UnlessRefused = <T>(call: Call, about: EarlyRefusal, start: () => Promise<T>) => Promise<T>;

/**
 * Runs a start unless a plain read refuses the start. Most teams cost one read of one row. The account is read in full
 * where the row leaves a doubt.
 * @throws BillingError `insufficient_credit`, `team_suspended`, `team_archived`, and every refusal of the start
 */
export function createEarlyRefusals({ db, settings }: ApiWorld): UnlessRefused {
  /** Teams refused for lack of credit, each with the time of removal from this list. */
  const refused = new Map<string, number>();
  const remember = (teamId: string): void => {
    const [oldest] = refused.keys();
    if (refused.size >= MOST_REMEMBERED && oldest !== undefined) refused.delete(oldest);
    refused.set(teamId, performance.now() + REMEMBERED_MS);
  };
  const isRemembered = (teamId: string): boolean => {
    if ((refused.get(teamId) ?? 0) > performance.now()) return true;
    refused.delete(teamId);
    return false;
  };

  return async ({ receivedSecond }, { teamId, goesOn }, start) => {
    if (isRemembered(teamId) || (await mayNotStart(db, teamId, settings.minStartMicros))) {
      const refusal = await bySums([], async (named) => {
        const reach = { throughSecond: receivedSecond, ...named };
        const account = await inSnapshot(db, (tx) => readAccount(tx, teamId, reach));
        return startRefusal(standingOf(account, settings, receivedSecond).account, settings);
      });
      // After the read, because a repeat must find the instance that the first call started before.
      if (refusal && !(await goesOn())) throw refusal;
    }
    try {
      return await start();
    } catch (error) {
      if (error instanceof BillingError && error.code === 'insufficient_credit') remember(teamId);
      throw error;
    }
  };
}
