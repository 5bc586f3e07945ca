/**
 * A scenario through the pure rules alone: billing/ with nothing around it, so that thousands of them take seconds. The
 * real workflows, activities and Postgres run the same scenarios in simulate.
 */
import { type Account, emptyAccount } from '../../billing/account.ts';
import type { Effect, FactOutcome } from '../../billing/change.ts';
import { BillingError } from '../../billing/errors.ts';
import { advance, creditDeposit, failAttempt, recordUsage, setPolicy } from '../../billing/facts.ts';
import { type InstanceOrder, settleInstance, startInstance, stopInstance } from '../../billing/instances.ts';
import { formatDollars, type Micros, micros, parseDollars } from '../../billing/money.ts';
import { availableMicros } from '../../billing/runway.ts';
import { tokensCost } from '../../billing/tokens.ts';
import { meterCostMicros } from '../../billing/usage.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';
import type { DepositResult, EmailResult, Scenario, ScenarioResult } from '../oracle/oracle.ts';

/** An instance at a price that the platform gives. */
export const givenOrder = (instanceId: string, hourlyMicros: Micros): InstanceOrder => ({
  instanceId,
  pricing: 'on_demand',
  gpuType: 'any',
  region: 'anywhere',
  listMicrosPerHour: hourlyMicros,
  given: true,
  shedOrder: null,
});

export { SETTINGS };

interface TeamRun {
  account: Account;
  charges: number;
  declinesAfter: number;
  deposits: DepositResult[];
  emails: EmailResult[];
  ledgerMicros: number;
}

interface InstanceRun {
  team: string;
  startedAt: number;
  endedAt?: number;
  reason?: 'stopped' | 'out_of_credits';
  postedMicros: number;
}

/** Called between events: another moment at which a process may happen to look or settle. */
export type Between = (
  look: (team: string, second: number) => void,
  settle: (instance: string, second: number) => void,
  second: number,
) => void;

export function pureRun(scenario: Scenario, between: Between = () => {}): ScenarioResult {
  const teams = new Map<string, TeamRun>();
  const instances = new Map<string, InstanceRun>();
  const refused: ScenarioResult['refused'] = [];

  const team = (name: string) => {
    const run = teams.get(name);
    if (!run) throw new Error(`no team ${name}`);
    return run;
  };

  const apply = (name: string, outcome: FactOutcome): void => {
    const run = team(name);
    run.account = outcome.account;
    for (const effect of outcome.effects) note(name, run, effect);
    assertInvariants(run);
    if (run.account.attempt) charge(name, run);
  };

  const note = (name: string, run: TeamRun, effect: Effect): void => {
    if (effect.kind === 'transfer') {
      const { transfer } = effect;
      if (transfer.creditAccount.endsWith('/credit')) run.ledgerMicros += transfer.amountMicros;
      if (transfer.debitAccount.endsWith('/credit')) run.ledgerMicros -= transfer.amountMicros;
    }
    if (effect.kind === 'instance_ended') {
      const instance = instances.get(effect.instanceId);
      if (!instance) throw new Error(`no instance ${effect.instanceId}`);
      instance.endedAt = effect.endSecond;
      instance.reason = effect.reason as 'stopped' | 'out_of_credits';
    }
    if (effect.kind === 'meter_closed') {
      const instance = instances.get(effect.meter.instanceId);
      if (instance) instance.postedMicros += effect.meter.postedMicros;
    }
    if (effect.kind === 'exhausted') run.emails.push({ at: effect.second, kind: 'credits_exhausted' });
    if (effect.kind === 'policy_off') run.emails.push({ at: effect.attempt.openedSecond, kind: 'auto_top_up_failed' });
    void name;
  };

  const charge = (name: string, run: TeamRun): void => {
    const { attempt } = run.account;
    if (!attempt) return;
    const at = attempt.openedSecond;
    const amount = formatDollars(attempt.amountMicros);
    const succeeds = run.charges < run.declinesAfter;
    run.deposits.push({ at, amount, label: 'Auto Top-Up', status: succeeds ? 'succeeded' : 'failed' });
    if (succeeds) {
      run.charges += 1;
      apply(name, creditDeposit(run.account, SETTINGS, attempt, at));
    } else apply(name, failAttempt(run.account, SETTINGS, attempt.depositId, at));
  };

  /** Attempts are charged at their own second, so the clock is moved from one to the next. */
  const lookTo = (name: string, second: number): void => {
    for (;;) {
      const run = team(name);
      const outcome = advance(run.account, SETTINGS, second);
      const opened = outcome.effects.find((effect) => effect.kind === 'attempt_opened');
      apply(name, opened ? advance(run.account, SETTINGS, opened.attempt.openedSecond) : outcome);
      if (!opened) return;
    }
  };

  let deposits = 0;
  const deposit = (name: string, at: number, amount: string) => {
    team(name).deposits.push({
      at,
      amount: formatDollars(parseDollars(amount)),
      label: 'Deposit',
      status: 'succeeded',
    });
    deposits += 1;
    apply(
      name,
      creditDeposit(
        team(name).account,
        SETTINGS,
        { depositId: `d${deposits}`, amountMicros: parseDollars(amount) },
        at,
      ),
    );
  };

  for (const [name, { deposit: opening, card, autoTopUp }] of Object.entries(scenario.teams)) {
    const declinesAfter = card?.declinesAfter ?? Number.POSITIVE_INFINITY;
    teams.set(name, {
      account: emptyAccount(name, 0),
      charges: 0,
      declinesAfter,
      deposits: [],
      emails: [],
      ledgerMicros: 0,
    });
    if (opening) deposit(name, 0, opening);
    if (autoTopUp)
      apply(name, setPolicy(team(name).account, SETTINGS, policy(true, autoTopUp.threshold, autoTopUp.amount), 0));
  }

  let events = 0;
  for (const event of [...scenario.events].sort((a, b) => a.at - b.at)) {
    if (event.at > scenario.until) continue;
    events += 1;
    between(lookTo, (id, second) => settle(id, second), event.at);
    for (const name of teams.keys()) lookTo(name, event.at);
    if (event.do === 'deposit') deposit(event.team, event.at, event.amount);
    else if (event.do === 'start') start(event);
    else if (event.do === 'stop') stop(event.instance, event.at);
    else if (event.do === 'tokens') {
      const price = {
        inputMicrosPerMillion: parseDollars(event.model.input),
        outputMicrosPerMillion: parseDollars(event.model.output),
      };
      const cost = tokensCost(price, event.input, event.output);
      apply(event.team, recordUsage(team(event.team).account, SETTINGS, { eventId: `e${events}`, cost }, event.at));
    } else {
      const before = team(event.team).account.policy;
      const after = policy(
        event.enabled ?? before?.enabled ?? false,
        event.threshold ?? formatDollars(before?.thresholdMicros ?? micros(0)),
        event.amount ?? formatDollars(before?.amountMicros ?? micros(0)),
      );
      apply(event.team, setPolicy(team(event.team).account, SETTINGS, after, event.at));
    }
  }
  for (const name of teams.keys()) lookTo(name, scenario.until);
  return result();

  function settle(id: string, second: number): void {
    const instance = instances.get(id);
    if (!instance) return;
    lookTo(instance.team, second);
    apply(instance.team, settleInstance(team(instance.team).account, SETTINGS, id, second));
  }

  function start({
    at,
    team: name,
    instance,
    hourly,
  }: {
    at: number;
    team: string;
    instance: string;
    hourly: string;
  }): void {
    if (instances.has(instance)) return;
    try {
      const outcome = startInstance(team(name).account, SETTINGS, givenOrder(instance, parseDollars(hourly)), at);
      instances.set(instance, { team: name, startedAt: at, postedMicros: 0 });
      apply(name, outcome);
    } catch (error) {
      if (!(error instanceof BillingError) || error.code !== 'insufficient_credit') throw error;
      refused.push({ at, instance, code: 'insufficient_credit' });
    }
  }

  function stop(id: string, at: number): void {
    const instance = instances.get(id);
    if (!instance || instance.endedAt !== undefined) return;
    const stopped = { instanceId: id, reason: 'stopped' as const, closedSegments: [] };
    apply(instance.team, stopInstance(team(instance.team).account, SETTINGS, stopped, at));
  }

  function result(): ScenarioResult {
    const { until } = scenario;
    const instanceResults = [...instances].map(([id, instance]) => {
      const meter = team(instance.team).account.meters.find((running) => running.instanceId === id);
      const cost = meter ? meterCostMicros(meter, until) : micros(instance.postedMicros);
      const { team: name, startedAt, endedAt, reason } = instance;
      const ended = endedAt !== undefined && reason !== undefined ? { endedAt, reason } : {};
      const seconds = (endedAt ?? until) - startedAt;
      const status = endedAt === undefined ? ('active' as const) : ('terminated' as const);
      return [id, { team: name, status, startedAt, seconds, cost: formatDollars(cost), ...ended }] as const;
    });
    const teamResults = [...teams].map(([name, { account, deposits, emails }]) => [
      name,
      {
        balance: formatDollars(availableMicros(account, until)),
        owed: formatDollars(account.owedMicros),
        autoTopUp: { enabled: account.policy?.enabled ?? false },
        deposits,
        emails,
      },
    ]);
    return {
      teams: Object.fromEntries(teamResults),
      instances: Object.fromEntries(instanceResults),
      refused,
      ledger: { balanced: [...teams.values()].every((run) => run.ledgerMicros === run.account.postedMicros) },
    };
  }
}

function policy(enabled: boolean, threshold: string, amount: string) {
  return {
    enabled,
    thresholdMicros: parseDollars(threshold),
    amountMicros: parseDollars(amount),
    paymentMethodId: 'pm',
    monthlyCapMicros: null as Micros | null,
  };
}

/** What must hold after every step whatever came before it. */
function assertInvariants(run: TeamRun): void {
  const { account, ledgerMicros } = run;
  if (account.postedMicros < 0) throw new Error(`credit is negative: ${account.postedMicros}`);
  if (account.postedMicros !== ledgerMicros) throw new Error('the stored balance is not the sum of its transfers');
  if (account.owedMicros < 0) throw new Error('a negative debt');
  const available = availableMicros(account, account.standsAtSecond ?? account.asOfSecond);
  if (available < 0) throw new Error(`available is negative: ${available}`);
}
