/**
 * What a scenario must come to, worked out a second time and in another way.
 *
 * The product computes the second at which a balance meets a line. This file computes nothing ahead: it walks through
 * the seconds one after another and at each of them adds up the team's facts from the beginning. It is slow and hard to
 * get wrong, and it imports nothing from the product, so that agreement between the two means something.
 *
 * The order within one second: first what the clock brings (budgets, a due top-up, then exhaustion), then the events in
 * file order, and after each event the clock once more, since an event can make a top-up due or take the last credit.
 */

export type Scenario = {
  note?: string;
  startAt: string;
  until: number;
  teams: Record<string, ScenarioTeam>;
  events: ScenarioEvent[];
};

export type ScenarioTeam = {
  deposit?: string;
  card?: { declinesAfter?: number };
  autoTopUp?: { threshold: string; amount: string };
};

export type ScenarioEvent =
  | { at: number; do: 'start'; team: string; instance: string; hourly: string; project?: string }
  | { at: number; do: 'stop'; instance: string }
  | { at: number; do: 'deposit'; team: string; amount: string }
  | {
      at: number;
      do: 'tokens';
      team: string;
      model: { input: string; output: string };
      input: number;
      output: number;
      project?: string;
    }
  | {
      at: number;
      do: 'budget';
      team: string;
      project?: string;
      period: 'day' | 'month';
      amount: string;
      action: 'mail' | 'refuse' | 'stop';
    }
  | { at: number; do: 'autoTopUp'; team: string; enabled?: boolean; threshold?: string; amount?: string };

export type ScenarioResult = {
  teams: Record<string, TeamResult>;
  instances: Record<string, InstanceResult>;
  refused: Refusal[];
  ledger: { balanced: boolean };
};

export type TeamResult = {
  balance: string;
  owed: string;
  autoTopUp: { enabled: boolean };
  deposits: DepositResult[];
  emails: EmailResult[];
};

export type InstanceResult = {
  team: string;
  status: 'active' | 'terminated';
  startedAt: number;
  endedAt?: number;
  seconds: number;
  cost: string;
  reason?: EndReason;
};

export type DepositResult = {
  at: number;
  amount: string;
  label: 'Deposit' | 'Auto Top-Up';
  status: 'succeeded' | 'failed';
};
export type EmailResult = { at: number; kind: 'auto_top_up_failed' | 'credits_exhausted' | 'budget_met' };
export type Refusal = { at: number; instance: string; code: 'insufficient_credit' | 'budget_met' };
export type EndReason = 'stopped' | 'out_of_credits' | 'budget';

const COOLDOWN_SECONDS = 300;
const MIN_START_MICROS = 3_000_000n;
const SECONDS_PER_HOUR = 3600n;
const MILLIONTHS_PER_MICRO = 1_000_000n;

/** The whole state of a walk. Plain data, so that `structuredClone` gives a copy to look ahead with. */
export type World = {
  /** The unix second at which the scenario starts: days and months are UTC. */
  startSecond: number;
  /** The second up to which the clock has been heard, this one included. */
  second: number;
  teams: Map<string, Team>;
  instances: Map<string, Instance>;
  refused: Refusal[];
};

export type Team = {
  /** Credit that came less credit taken by usage and by ended instances. */
  creditMicros: bigint;
  owedMicros: bigint;
  /** Exact cost of all token usage so far, in millionths of a micro. */
  tokensExact: bigint;
  running: Instance[];
  policy: { enabled: boolean; thresholdMicros: bigint; amountMicros: bigint };
  /** In the order of their first setting. */
  budgets: Budget[];
  /** Every instance that ever ran, and what each token event posted. */
  ran: Instance[];
  posted: { at: number; project: string | undefined; micros: bigint }[];
  lastAttemptAt: number | undefined;
  chargesLeft: number;
  deposits: DepositResult[];
  emails: EmailResult[];
};

export type Budget = {
  project: string | undefined;
  period: 'day' | 'month';
  action: 'mail' | 'refuse' | 'stop';
  amountMicros: bigint;
  /** The first second of the period in which it was met last. */
  metInPeriod: number | undefined;
};

type Instance = {
  team: string;
  project: string | undefined;
  rateMicrosPerHour: bigint;
  startedAt: number;
  end?: { at: number; reason: EndReason };
};

/** The exact result of a scenario. */
export function expectedResult(scenario: Scenario): ScenarioResult {
  const world = createWorld(scenario.teams, Date.parse(scenario.startAt) / 1000);
  for (const event of inOrder(scenario.events)) {
    if (event.at > scenario.until) break;
    applyEvent(world, event);
  }
  walkTo(world, scenario.until);
  return resultOf(world);
}

/** The teams with their first deposits and policies, at second 0, with what the clock brings there. */
export function createWorld(teams: Record<string, ScenarioTeam>, startSecond: number): World {
  const world: World = { startSecond, second: 0, teams: new Map(), instances: new Map(), refused: [] };
  for (const [name, given] of Object.entries(teams)) {
    const team: Team = {
      creditMicros: 0n,
      owedMicros: 0n,
      tokensExact: 0n,
      running: [],
      budgets: [],
      ran: [],
      posted: [],
      policy: {
        enabled: given.autoTopUp !== undefined,
        thresholdMicros: micros(given.autoTopUp?.threshold ?? '0'),
        amountMicros: micros(given.autoTopUp?.amount ?? '0'),
      },
      lastAttemptAt: undefined,
      chargesLeft: given.card?.declinesAfter ?? Number.POSITIVE_INFINITY,
      deposits: [],
      emails: [],
    };
    world.teams.set(name, team);
    if (given.deposit !== undefined) receive(team, 0, micros(given.deposit), 'Deposit');
  }
  for (const team of world.teams.values()) hearClock(world, team);
  return world;
}

/** Goes to the event's second, lets the event happen, and hears the clock again before any later event of that second. */
export function applyEvent(world: World, event: ScenarioEvent): void {
  walkTo(world, event.at);
  const team = act(world, event);
  if (team !== undefined) hearClock(world, team);
}

export function walkTo(world: World, target: number): void {
  while (world.second < target) step(world, target);
}

/** One second on; only while no instance runs anywhere does it go straight to the next second that can matter. */
export function step(world: World, target: number): void {
  let next = target;
  for (const team of world.teams.values()) {
    if (team.running.length > 0) next = Math.min(next, world.second + 1);
    else if (wantsTopUp(team, world.second)) next = Math.min(next, Math.max(world.second + 1, cooldownEnd(team)));
  }
  world.second = next;
  for (const team of world.teams.values()) hearClock(world, team);
}

/** What the clock brings to a team at this second, until it brings nothing more. */
function hearClock(world: World, team: Team): void {
  const now = world.second;
  for (;;) {
    const budget = nextToMeet(world, team);
    if (budget !== undefined) {
      meet(world, team, budget);
    } else if (cooldownEnd(team) <= now && wantsTopUp(team, now)) {
      charge(team, now);
    } else if (team.running.length > 0 && available(team, now + 1) < 0n) {
      // The next second can't be paid in full, so this is the last that can: all end together, here.
      for (const instance of [...team.running]) end(team, instance, now, 'out_of_credits');
      team.emails.push({ at: now, kind: 'credits_exhausted' });
    } else {
      return;
    }
  }
}

/** One event, at the world's second. Answers whose money it could have touched. */
function act(world: World, event: ScenarioEvent): Team | undefined {
  const now = world.second;
  if (event.do === 'stop') {
    const instance = world.instances.get(event.instance);
    if (instance === undefined || instance.end !== undefined) return undefined;
    const team = teamOf(world, instance.team);
    end(team, instance, now, 'stopped');
    return team;
  }
  const team = teamOf(world, event.team);
  switch (event.do) {
    case 'start': {
      if (world.instances.has(event.instance)) return undefined;
      if (available(team, now) < MIN_START_MICROS) {
        world.refused.push({ at: now, instance: event.instance, code: 'insufficient_credit' });
        return undefined;
      }
      if (team.budgets.some((budget) => budget.action !== 'mail' && isMet(world, budget) && covers(budget, event))) {
        world.refused.push({ at: now, instance: event.instance, code: 'budget_met' });
        return undefined;
      }
      const instance: Instance = {
        team: event.team,
        project: event.project,
        rateMicrosPerHour: micros(event.hourly),
        startedAt: now,
      };
      world.instances.set(event.instance, instance);
      team.running.push(instance);
      team.ran.push(instance);
      return team;
    }
    case 'deposit':
      receive(team, now, micros(event.amount), 'Deposit');
      return team;
    case 'tokens': {
      const postedBefore = team.tokensExact / MILLIONTHS_PER_MICRO;
      team.tokensExact += BigInt(event.input) * micros(event.model.input);
      team.tokensExact += BigInt(event.output) * micros(event.model.output);
      const due = team.tokensExact / MILLIONTHS_PER_MICRO - postedBefore;
      const taken = smaller(due, available(team, now));
      team.creditMicros -= taken;
      team.owedMicros += due - taken;
      team.posted.push({ at: now, project: event.project, micros: due });
      return team;
    }
    case 'budget':
      setBudget(team, event);
      return team;
    case 'autoTopUp':
      if (event.enabled !== undefined) team.policy.enabled = event.enabled;
      if (event.threshold !== undefined) team.policy.thresholdMicros = micros(event.threshold);
      if (event.amount !== undefined) team.policy.amountMicros = micros(event.amount);
      return team;
    default:
      throw new Error(`no such event: ${JSON.stringify(event)}`);
  }
}

function setBudget(team: Team, { project, period, action, amount }: Extract<ScenarioEvent, { do: 'budget' }>): void {
  const budget: Budget = { project, period, action, amountMicros: micros(amount), metInPeriod: undefined };
  const place = team.budgets.findIndex(
    (other) => other.project === project && other.period === period && other.action === action,
  );
  if (place === -1) team.budgets.push(budget);
  else team.budgets[place] = budget;
}

const IN_ORDER = ['stop', 'refuse', 'mail'] as const;

/** The budget whose turn it is at this second. */
function nextToMeet(world: World, team: Team): Budget | undefined {
  for (const action of IN_ORDER)
    for (const budget of team.budgets)
      if (budget.action === action && !isMet(world, budget) && isOver(world, team, budget)) return budget;
  return undefined;
}

/** A stop ends at the last second within; the others act at the first second above. */
function isOver(world: World, team: Team, budget: Budget): boolean {
  const now = world.second;
  if (spend(world, team, budget, now) > budget.amountMicros) return true;
  if (budget.action !== 'stop' || periodStart(world, budget, now + 1) !== periodStart(world, budget, now)) return false;
  return spend(world, team, budget, now + 1) > budget.amountMicros;
}

function meet(world: World, team: Team, budget: Budget): void {
  const now = world.second;
  budget.metInPeriod = periodStart(world, budget, now);
  if (budget.action === 'stop')
    for (const instance of [...team.running]) if (covers(budget, instance)) end(team, instance, now, 'budget');
  team.emails.push({ at: now, kind: 'budget_met' });
}

function isMet(world: World, budget: Budget): boolean {
  return budget.metInPeriod === periodStart(world, budget, world.second);
}

const covers = (budget: Budget, { project }: { project?: string | undefined }): boolean =>
  budget.project === undefined || budget.project === project;

/** What the scope of a budget has spent at a second since the start of that second's period. */
export function spend(world: World, team: Team, budget: Budget, second: number): bigint {
  const from = periodStart(world, budget, second);
  let sum = 0n;
  for (const instance of team.ran) {
    if (!covers(budget, instance)) continue;
    const until = Math.min(instance.end?.at ?? second, second);
    const since = Math.max(instance.startedAt, from);
    if (until > since) sum += cost(instance, BigInt(until)) - cost(instance, BigInt(since));
  }
  for (const token of team.posted)
    if (covers(budget, token) && token.at >= from && token.at <= second) sum += token.micros;
  return sum;
}

/** The first second of the period, counted from the start of the scenario. */
function periodStart({ startSecond }: World, { period }: Budget, second: number): number {
  const date = new Date((startSecond + second) * 1000);
  const day = period === 'day' ? date.getUTCDate() : 1;
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), day) / 1000 - startSecond;
}

function cost(instance: Instance, second: bigint): bigint {
  return (instance.rateMicrosPerHour * (second - BigInt(instance.startedAt))) / SECONDS_PER_HOUR;
}

/** Credit at a second, had nothing more happened by then; below zero past the last second that can be paid. */
export function available(team: Team, second: number): bigint {
  const at = BigInt(second);
  let left = team.creditMicros;
  for (const instance of team.running) left -= cost(instance, at);
  return left;
}

function wantsTopUp(team: Team, second: number): boolean {
  return team.policy.enabled && available(team, second) < team.policy.thresholdMicros;
}

/** Counted from the last attempt, whether it succeeded or failed and whatever the policy was meanwhile. */
function cooldownEnd(team: Team): number {
  return team.lastAttemptAt === undefined ? 0 : team.lastAttemptAt + COOLDOWN_SECONDS;
}

function charge(team: Team, second: number): void {
  team.lastAttemptAt = second;
  const { amountMicros } = team.policy;
  if (team.chargesLeft > 0) {
    team.chargesLeft -= 1;
    receive(team, second, amountMicros, 'Auto Top-Up');
    return;
  }
  team.policy.enabled = false;
  team.deposits.push({ at: second, amount: dollars(amountMicros), label: 'Auto Top-Up', status: 'failed' });
  team.emails.push({ at: second, kind: 'auto_top_up_failed' });
}

/** Credit arrives, and what is owed is collected from it before anything else can use it. */
function receive(team: Team, second: number, amountMicros: bigint, label: DepositResult['label']): void {
  team.deposits.push({ at: second, amount: dollars(amountMicros), label, status: 'succeeded' });
  const collected = smaller(team.owedMicros, amountMicros);
  team.owedMicros -= collected;
  team.creditMicros += amountMicros - collected;
}

function end(team: Team, instance: Instance, second: number, reason: EndReason): void {
  instance.end = { at: second, reason };
  team.running = team.running.filter((other) => other !== instance);
  team.creditMicros -= cost(instance, BigInt(second));
}

function resultOf(world: World): ScenarioResult {
  const now = world.second;
  const result: ScenarioResult = { teams: {}, instances: {}, refused: world.refused, ledger: { balanced: true } };
  for (const [name, team] of world.teams) {
    result.teams[name] = {
      balance: dollars(available(team, now)),
      owed: dollars(team.owedMicros),
      autoTopUp: { enabled: team.policy.enabled },
      deposits: team.deposits,
      emails: team.emails,
    };
  }
  for (const [id, instance] of world.instances) {
    const { team, startedAt, end } = instance;
    const until = end?.at ?? now;
    const seconds = until - startedAt;
    const spent = dollars(cost(instance, BigInt(until)));
    result.instances[id] =
      end === undefined
        ? { team, status: 'active', startedAt, seconds, cost: spent }
        : { team, status: 'terminated', startedAt, endedAt: end.at, seconds, cost: spent, reason: end.reason };
  }
  return result;
}

function inOrder(events: ScenarioEvent[]): ScenarioEvent[] {
  // Array sort is stable, so events of one second keep their file order.
  return [...events].sort((a, b) => a.at - b.at);
}

function teamOf(world: World, name: string): Team {
  const team = world.teams.get(name);
  if (team === undefined) throw new Error(`no such team: ${name}`);
  return team;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function micros(text: string): bigint {
  const match = /^(\d+)(?:\.(\d{1,6}))?$/.exec(text);
  if (match === null) throw new Error(`not an amount of dollars: ${text}`);
  return BigInt(match[1] ?? '') * 1_000_000n + BigInt((match[2] ?? '').padEnd(6, '0'));
}

function dollars(amount: bigint): string {
  const sign = amount < 0n ? '-' : '';
  const digits = (amount < 0n ? -amount : amount).toString().padStart(7, '0');
  return `${sign}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}
