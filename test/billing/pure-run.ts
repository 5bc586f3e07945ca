/**
 * A scenario through the pure rules alone: billing/ with nothing around it, so that thousands of them take seconds. The
 * real workflows, activities and Postgres run the same scenarios in simulate.
 */
import { type Account, emptyAccount } from '../../billing/account.ts';
import type { AlertTerms, BudgetTerms } from '../../billing/alerts.ts';
import { periodStart } from '../../billing/budgets.ts';
import type { Effect, FactOutcome } from '../../billing/change.ts';
import { BillingError } from '../../billing/errors.ts';
import { advance, creditDeposit, failAttempt, recordUsage, setPolicy } from '../../billing/facts.ts';
import { type InstanceOrder, settleInstance, startInstance, stopInstance } from '../../billing/instances.ts';
import { add, formatDollars, type Micros, micros, parseDollars, ZERO } from '../../billing/money.ts';
import { availableMicros } from '../../billing/runway.ts';
import { type RecordedSpend, setAlerts } from '../../billing/setting-alerts.ts';
import { tokensCost } from '../../billing/tokens.ts';
import { costBetweenMicros, type Meter, meterCostMicros } from '../../billing/usage.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';
import type {
  DepositResult,
  EmailResult,
  EndReason,
  Scenario,
  ScenarioEvent,
  ScenarioResult,
} from '../oracle/oracle.ts';

/** An instance at a price that the platform gives. */
export const givenOrder = (instanceId: string, hourlyMicros: Micros, project: string | null = null): InstanceOrder => ({
  instanceId,
  ...(project !== null && { project }),
  pricing: 'on_demand',
  gpuType: 'any',
  region: 'anywhere',
  listMicrosPerHour: hourlyMicros,
  given: true,
  shedOrder: null,
});

export { SETTINGS };

type StartEvent = Extract<ScenarioEvent, { do: 'start' }>;
type BudgetEvent = Extract<ScenarioEvent, { do: 'budget' }>;

interface TeamRun {
  account: Account;
  charges: number;
  declinesAfter: number;
  deposits: DepositResult[];
  emails: EmailResult[];
  ledgerMicros: number;
  /** What the rows of a database would hold: ended stretches of running and tokens. */
  stretches: Array<Meter & { endSecond: number }>;
  tokens: Array<{ second: number; project: string | null; micros: Micros }>;
}

interface InstanceRun {
  team: string;
  startedAt: number;
  endedAt?: number;
  reason?: EndReason;
  postedMicros: number;
}

/** Called between events: another moment at which a process may happen to look or settle. */
export type Between = (
  look: (team: string, second: number) => void,
  settle: (instance: string, second: number) => void,
  second: number,
) => void;

export function pureRun(scenario: Scenario, between: Between = () => {}): ScenarioResult {
  /** Days and months are UTC, so the scenario runs at its own seconds. */
  const base = Date.parse(scenario.startAt) / 1000;
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
      instance.endedAt = effect.endSecond - base;
      instance.reason = effect.reason as EndReason;
    }
    if (effect.kind === 'meter_closed') {
      const instance = instances.get(effect.meter.instanceId);
      if (instance) instance.postedMicros += effect.meter.postedMicros;
      run.stretches.push({ ...effect.meter, endSecond: effect.endSecond });
    }
    if (effect.kind === 'exhausted') run.emails.push({ at: effect.second - base, kind: 'credits_exhausted' });
    if (effect.kind === 'budget_met') run.emails.push({ at: effect.second - base, kind: 'budget_met' });
    if (effect.kind === 'policy_off')
      run.emails.push({ at: effect.attempt.openedSecond - base, kind: 'auto_top_up_failed' });
    void name;
  };

  const charge = (name: string, run: TeamRun): void => {
    const { attempt } = run.account;
    if (!attempt) return;
    const at = attempt.openedSecond;
    const amount = formatDollars(attempt.amountMicros);
    const succeeds = run.charges < run.declinesAfter;
    run.deposits.push({ at: at - base, amount, label: 'Auto Top-Up', status: succeeds ? 'succeeded' : 'failed' });
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
        base + at,
      ),
    );
  };

  for (const [name, { deposit: opening, card, autoTopUp }] of Object.entries(scenario.teams)) {
    const declinesAfter = card?.declinesAfter ?? Number.POSITIVE_INFINITY;
    teams.set(name, {
      account: emptyAccount(name, base),
      charges: 0,
      declinesAfter,
      deposits: [],
      emails: [],
      ledgerMicros: 0,
      stretches: [],
      tokens: [],
    });
    if (opening) deposit(name, 0, opening);
    if (autoTopUp)
      apply(name, setPolicy(team(name).account, SETTINGS, policy(true, autoTopUp.threshold, autoTopUp.amount), base));
  }

  let events = 0;
  for (const event of [...scenario.events].sort((a, b) => a.at - b.at)) {
    if (event.at > scenario.until) continue;
    events += 1;
    between(
      (name, second) => lookTo(name, base + second),
      (id, second) => settle(id, base + second),
      event.at,
    );
    for (const name of teams.keys()) lookTo(name, base + event.at);
    if (event.do === 'deposit') deposit(event.team, event.at, event.amount);
    else if (event.do === 'start') start(event);
    else if (event.do === 'stop') stop(event.instance, event.at);
    else if (event.do === 'tokens') {
      const price = {
        inputMicrosPerMillion: parseDollars(event.model.input),
        outputMicrosPerMillion: parseDollars(event.model.output),
      };
      const cost = tokensCost(price, event.input, event.output);
      const project = event.project ?? null;
      const usage = { eventId: `e${events}`, cost, ...(project !== null && { project }) };
      const outcome = recordUsage(team(event.team).account, SETTINGS, usage, base + event.at);
      const charged = outcome.effects.flatMap((effect) =>
        effect.kind === 'transfer' && /usage$/.test(effect.transfer.code) && /^usage/.test(effect.transfer.reference)
          ? [effect.transfer.amountMicros]
          : [],
      );
      for (const micros of charged) team(event.team).tokens.push({ second: base + event.at, project, micros });
      apply(event.team, outcome);
    } else if (event.do === 'budget') setBudget(event);
    else {
      const before = team(event.team).account.policy;
      const after = policy(
        event.enabled ?? before?.enabled ?? false,
        event.threshold ?? formatDollars(before?.thresholdMicros ?? micros(0)),
        event.amount ?? formatDollars(before?.amountMicros ?? micros(0)),
      );
      apply(event.team, setPolicy(team(event.team).account, SETTINGS, after, base + event.at));
    }
  }
  for (const name of teams.keys()) lookTo(name, base + scenario.until);
  return result();

  function settle(id: string, second: number): void {
    const instance = instances.get(id);
    if (!instance) return;
    lookTo(instance.team, second);
    apply(instance.team, settleInstance(team(instance.team).account, SETTINGS, id, second));
  }

  /** Replaces the budget of equal scope, period and action. The new one begins an episode, whatever its amount. */
  function setBudget({ at, team: name, period, action, amount, ...event }: BudgetEvent): void {
    const project = event.project ?? null;
    const run = team(name);
    const others = run.account.alerts?.budgets ?? [];
    const budget: BudgetTerms = { project, period, action, amountMicros: parseDollars(amount) };
    const isReplaced = (other: BudgetTerms) =>
      other.project === project && other.period === period && other.action === action;
    const place = others.findIndex(isReplaced);
    const put = (budgets: readonly BudgetTerms[]): void => {
      const asked: AlertTerms = { lowLevelsMicros: null, budgets, burnLimitMicros: null };
      const spendOf = (terms: BudgetTerms): RecordedSpend => spendOfRows(run, terms, base + at);
      apply(name, setAlerts(team(name).account, SETTINGS, { ...asked, spendOf }, base + at));
    };
    if (others[place]?.amountMicros === budget.amountMicros) put(others.filter((other) => !isReplaced(other)));
    put(place === -1 ? [...others, budget] : others.map((other, index) => (index === place ? budget : other)));
  }

  function start({ at, team: name, instance, hourly, project }: StartEvent): void {
    if (instances.has(instance)) return;
    try {
      const order = givenOrder(instance, parseDollars(hourly), project ?? null);
      const outcome = startInstance(team(name).account, SETTINGS, order, base + at);
      instances.set(instance, { team: name, startedAt: at, postedMicros: 0 });
      apply(name, outcome);
    } catch (error) {
      if (!(error instanceof BillingError)) throw error;
      if (error.code !== 'insufficient_credit' && error.code !== 'budget_met') throw error;
      refused.push({ at, instance, code: error.code });
    }
  }

  function stop(id: string, at: number): void {
    const instance = instances.get(id);
    if (!instance || instance.endedAt !== undefined) return;
    const stopped = { instanceId: id, reason: 'stopped' as const, closedSegments: [] };
    apply(instance.team, stopInstance(team(instance.team).account, SETTINGS, stopped, base + at));
  }

  function result(): ScenarioResult {
    const { until } = scenario;
    const instanceResults = [...instances].map(([id, instance]) => {
      const meter = team(instance.team).account.meters.find((running) => running.instanceId === id);
      const cost = meter ? meterCostMicros(meter, base + until) : micros(instance.postedMicros);
      const { team: name, startedAt, endedAt, reason } = instance;
      const ended = endedAt !== undefined && reason !== undefined ? { endedAt, reason } : {};
      const seconds = (endedAt ?? until) - startedAt;
      const status = endedAt === undefined ? ('active' as const) : ('terminated' as const);
      return [id, { team: name, status, startedAt, seconds, cost: formatDollars(cost), ...ended }] as const;
    });
    const teamResults = [...teams].map(([name, { account, deposits, emails }]) => [
      name,
      {
        balance: formatDollars(availableMicros(account, base + until)),
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

/** The spend since the start of the period, as a database would sum its rows. */
function spendOfRows({ stretches, tokens }: TeamRun, { project, period }: BudgetTerms, second: number): RecordedSpend {
  const from = periodStart(period, second);
  const isInScope = (row: { project?: string | null }) => project === null || row.project === project;
  const ran = stretches
    .filter((row) => isInScope(row) && row.endSecond > from)
    .map((row) => costBetweenMicros(row, Math.max(row.startSecond, from), row.endSecond));
  const used = tokens.filter((row) => isInScope(row) && row.second >= from).map(({ micros }) => micros);
  return { spentMicros: add(ZERO, ...ran, ...used), later: [] };
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
