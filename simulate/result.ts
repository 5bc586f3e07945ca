/** The result of a scenario, read from the ledger's rows, in the scenario's own names and offsets. */
import { type BillingSettings, spendableMicros } from '../billing/account.ts';
import { advance } from '../billing/facts.ts';
import { formatDollars, micros } from '../billing/money.ts';
import { costOfSegmentsMicros } from '../billing/usage.ts';
import { readAccount } from '../prisma/accounts.ts';
import type { Db } from '../prisma/client.ts';
import { listDeposits } from '../prisma/deposits.ts';
import { type Instance, listInstances } from '../prisma/instances.ts';
import { noticesOf } from '../prisma/notices.ts';
import { type SegmentOfInstance, segmentsOf } from '../prisma/segments.ts';
import { trialBalance } from '../prisma/transfers.ts';
import type { ScenarioClock } from './clock.ts';
import type { ScenarioResult } from './scenario.ts';

export interface Finished {
  db: Db;
  clock: ScenarioClock;
  settings: BillingSettings;
  /** Names of the scenario to ids of the product. */
  teamIds: Map<string, string>;
  instanceIds: Map<string, string>;
  refused: ScenarioResult['refused'];
  until: number;
}

type TeamResult = ScenarioResult['teams'][string];
type InstanceResult = ScenarioResult['instances'][string];

const ALL = { limit: 100_000 };
/** The kinds of mails in a result. Other kinds depend on the warnings of a deployment. */
const MAIL_KINDS = ['auto_top_up_failed', 'credits_exhausted', 'budget_met'];

export async function readResult(finished: Finished): Promise<ScenarioResult> {
  const teams: Record<string, TeamResult> = {};
  const instances: Record<string, InstanceResult> = {};
  for (const [name, teamId] of finished.teamIds) {
    teams[name] = await teamResult(finished, teamId);
    Object.assign(instances, await instanceResults(finished, name, teamId));
  }
  const { balanced } = await trialBalance(finished.db);
  return { teams, instances, refused: finished.refused, ledger: { balanced } };
}

async function teamResult({ db, clock, settings }: Finished, teamId: string): Promise<TeamResult> {
  const { account } = advance(await readAccount(db, teamId, { throughSecond: clock.now }), settings, clock.now);
  const { data: deposits } = await listDeposits(db, teamId, ALL);
  const mails = (await noticesOf(db, teamId)).filter(
    ({ channel, kind, sentSecond }) => channel === 'mail' && sentSecond !== null && MAIL_KINDS.includes(kind),
  );
  return {
    balance: formatDollars(spendableMicros(account, clock.now)),
    owed: formatDollars(account.owedMicros),
    autoTopUp: { enabled: account.policy?.enabled ?? false },
    // A charge takes no scenario time: its second is the second at which the attempt was due.
    deposits: deposits.reverse().map(({ openedSecond, amountMicros, label, status }) => ({
      at: clock.offset(openedSecond),
      amount: formatDollars(amountMicros),
      label,
      status,
    })),
    emails: mails.map(({ second, kind }) => ({ at: clock.offset(second), kind })),
  };
}

async function instanceResults(
  finished: Finished,
  team: string,
  teamId: string,
): Promise<Record<string, InstanceResult>> {
  const { db, clock, instanceIds, until } = finished;
  const { data } = await listInstances(db, { teamId }, ALL);
  const ids = data.map(({ id }) => id);
  const segments = await segmentsOf(db, ids);
  const names = new Map([...instanceIds].map(([name, id]) => [id, name]));
  return Object.fromEntries(
    data.map((instance) => {
      const own = segments.filter(({ instanceId }) => instanceId === instance.id);
      return [names.get(instance.id) ?? instance.id, instanceResult(instance, own, team, clock, until)];
    }),
  );
}

function instanceResult(
  { startSecond, endSecond, reason }: Instance,
  segments: SegmentOfInstance[],
  team: string,
  clock: ScenarioClock,
  until: number,
): InstanceResult {
  const throughSecond = endSecond ?? clock.second(until);
  const cost = costOfSegmentsMicros(segments, throughSecond);
  return {
    team,
    status: endSecond === null ? 'active' : 'terminated',
    startedAt: clock.offset(startSecond),
    seconds: throughSecond - startSecond,
    cost: formatDollars(micros(cost)),
    ...(endSecond !== null && { endedAt: clock.offset(endSecond), reason: reason ?? 'unknown' }),
  };
}
