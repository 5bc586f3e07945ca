/**
 * Refuses a start that a plain read shows to be refused, so that it takes no row lock and no workflow. The locked check
 * decides over every start that the read lets through.
 */
import { performance } from 'node:perf_hooks';
import { BillingError } from '../billing/errors.ts';
import { startRefusal } from '../billing/instances.ts';
import { bySums, readAccount } from '../prisma/accounts.ts';
import { mayNotStart } from '../prisma/plain-credit.ts';
import { inSnapshot } from '../prisma/snapshot.ts';
import type { Call } from './calls.ts';
import { standingOf } from './views/standing.ts';
import type { ApiWorld } from './world.ts';

/** A team that was refused for its credit is read in full before each start for so long. */
const REMEMBERED_MS = 60_000;
const MOST_REMEMBERED = 10_000;

export interface EarlyRefusal {
  teamId: string;
  /** Whether the start must go on all the same: it repeats one that was admitted, or has another fault that is answered first. */
  goesOn: () => Promise<boolean>;
}

export type UnlessRefused = <T>(call: Call, about: EarlyRefusal, start: () => Promise<T>) => Promise<T>;

/**
 * Runs a start unless a plain read refuses it. Most teams cost one read of one row; the account is read in full where that
 * row leaves a doubt.
 * @throws BillingError `insufficient_credit`, `team_suspended`, `team_archived`, and whatever the start throws
 */
export function createEarlyRefusals({ db, terms }: ApiWorld): UnlessRefused {
  /** Teams that were refused for their credit, with the time until which that is remembered. */
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
    if (isRemembered(teamId) || (await mayNotStart(db, teamId, terms.minStartMicros))) {
      const refusal = await bySums([], async (named) => {
        const reach = { throughSecond: receivedSecond, ...named };
        const account = await inSnapshot(db, (tx) => readAccount(tx, teamId, reach));
        return startRefusal(standingOf(account, terms, receivedSecond).account, terms);
      });
      // After the read: a repeat finds what the first call started before it.
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
