/** Records an operator's acts on a whole team: stop its instances together, suspend, archive, and end either state. */
import type { Account, BillingSettings } from '../billing/account.ts';
import type { EndReason, FactOutcome } from '../billing/change.ts';
import { archiveTeam, stopInstances, suspendTeam, unarchiveTeam, unsuspendTeam } from '../billing/team-state.ts';
import { setSuspendedNote } from '../prisma/accounts.ts';
import type { Tx } from '../prisma/client.ts';
import { insertConsent } from '../prisma/consents.ts';
import { paymentsWithoutOutcome } from '../prisma/deposits.ts';
import { recordFact } from '../prisma/record.ts';
import { insertTeamStops, runningInstanceIds } from '../prisma/team-stops.ts';
import { type EndedInstance, endedInstances } from './ended-instances.ts';
import { actIn, type LedgerWorld } from './world.ts';

export interface TeamStopped {
  /** The second of the fact. */
  second: number;
  /** The instances that this call ended, oldest first, without instances that had ended before. */
  ended: EndedInstance[];
}

export const teamStateActs = (world: LedgerWorld) => ({
  stopTeam: actIn(world, stopTeam),
  suspendTeam: actIn(world, suspend),
  unsuspendTeam: actIn(world, unsuspend),
  archiveTeam: actIn(world, archive),
  unarchiveTeam: actIn(world, unarchive),
});

/** Ends all running instances of a team, or of one project, in a single transaction. */
const stopTeam = (
  { db, settings }: LedgerWorld,
  input: { teamId: string; project: string | null; nowSecond: number },
  causedBy: string,
): Promise<TeamStopped> =>
  recordFact(
    db,
    { teamId: input.teamId, causedBy, throughSecond: input.nowSecond },
    async (account, tx): Promise<{ outcome: FactOutcome; answer: (tx: Tx) => Promise<TeamStopped> }> => {
      const instanceIds = new Set(await runningInstanceIds(tx, input.teamId, input.project));
      const outcome = stopInstances(account, settings, { instanceIds, reason: 'operator' }, input.nowSecond);
      return { outcome, answer: stopped(input.teamId, outcome) };
    },
  );

/**
 * Suspends a team. With `stop`, its running instances end in the same transaction.
 * @throws BillingError `team_archived`
 */
const suspend = (
  { db, settings }: LedgerWorld,
  input: { teamId: string; note: string | null; stop: boolean; nowSecond: number },
  causedBy: string,
): Promise<TeamStopped> =>
  recordFact(
    db,
    { teamId: input.teamId, causedBy, throughSecond: input.nowSecond },
    async (account, tx): Promise<{ outcome: FactOutcome; answer: (tx: Tx) => Promise<TeamStopped> }> => {
      const instanceIds = new Set(input.stop ? await runningInstanceIds(tx, input.teamId, null) : []);
      const outcome = suspendTeam(account, settings, { instanceIds, reason: 'operator' }, input.nowSecond);
      const answer = async (within: Tx) => {
        if (account.suspendedSecond === null || input.note !== null)
          await setSuspendedNote(within, input.teamId, input.note);
        return stopped(input.teamId, outcome)(within);
      };
      return { outcome, answer };
    },
  );

/** Lets a suspended team spend again. */
const unsuspend = (world: LedgerWorld, input: { teamId: string; nowSecond: number }, causedBy: string): Promise<void> =>
  change(world, input, causedBy, unsuspendTeam, (tx) => setSuspendedNote(tx, input.teamId, null));

/**
 * Archives a team. Auto top-up is switched off, with a consent row.
 * @throws BillingError `team_in_use`
 */
const archive = (
  { db, settings }: LedgerWorld,
  input: { teamId: string; keepsBalance: boolean; actor: string; nowSecond: number },
  causedBy: string,
): Promise<void> =>
  recordFact(
    db,
    { teamId: input.teamId, causedBy, throughSecond: input.nowSecond },
    async (account, tx): Promise<{ outcome: FactOutcome; answer: (tx: Tx) => Promise<void> }> => {
      const { teamId, keepsBalance, actor, nowSecond } = input;
      const { deposits, refunds } = await paymentsWithoutOutcome(tx, teamId);
      const openPayments = [
        ...(deposits > 0 ? [`${deposits} deposits without an outcome`] : []),
        ...(refunds > 0 ? [`${refunds} refunds without an outcome`] : []),
      ];
      const outcome = archiveTeam(account, settings, { keepsBalance, openPayments }, nowSecond);
      const { policy } = outcome.account;
      if (account.policy?.enabled && policy)
        await insertConsent(tx, {
          ...{ teamId, actor, cause: causedBy },
          second: outcome.account.asOfSecond,
          oldPolicy: account.policy,
          newPolicy: policy,
        });
      return { outcome, answer: async () => {} };
    },
  );

/** Lets an archived team take facts again. */
const unarchive = (world: LedgerWorld, input: { teamId: string; nowSecond: number }, causedBy: string): Promise<void> =>
  change(world, input, causedBy, unarchiveTeam);

const change = (
  { db, settings }: LedgerWorld,
  input: { teamId: string; nowSecond: number },
  causedBy: string,
  fact: (account: Account, settings: BillingSettings, nowSecond: number) => FactOutcome,
  then: (tx: Tx) => Promise<void> = async () => {},
): Promise<void> =>
  recordFact(db, { teamId: input.teamId, causedBy, throughSecond: input.nowSecond }, async (account) => ({
    outcome: fact(account, settings, input.nowSecond),
    answer: then,
  }));

const endedBy = ({ effects }: FactOutcome, reason: EndReason): string[] =>
  effects.flatMap((effect) =>
    effect.kind === 'instance_ended' && effect.reason === reason ? [effect.instanceId] : [],
  );

/** The answer of a stop. The written row makes the watch order the machines to stop. */
const stopped =
  (teamId: string, outcome: FactOutcome) =>
  async (tx: Tx): Promise<TeamStopped> => {
    const second = outcome.account.asOfSecond;
    const ids = endedBy(outcome, 'operator');
    if (ids.length > 0) await insertTeamStops(tx, teamId, second, ids);
    return { second, ended: await endedInstances(tx, ids) };
  };
