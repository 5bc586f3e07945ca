/**
 * What a scenario must come to, worked out a second time and in another way.
 *
 * The product computes the second at which a balance meets a line. This file computes nothing ahead: it walks through
 * the seconds one after another and at each of them adds up the team's facts from the beginning. It is slow and hard to
 * get wrong, and it imports nothing from the product, so that agreement between the two means something.
 *
 * The order within one second: first what the clock brings (a due top-up, then exhaustion), then the events in file
 * order, and after each event the clock once more, since an event can make a top-up due or take the last credit.
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
  | { at: number; do: 'start'; team: string; instance: string; hourly: string }
  | { at: number; do: 'stop'; instance: string }
  | { at: number; do: 'deposit'; team: string; amount: string }
  | {
      at: number;
      do: 'tokens';
      team: string;
      model: { input: string; output: string };
      input: number;
      output: number;
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
export type EmailResult = { at: number; kind: 'auto_top_up_failed' | 'credits_exhausted' };
export type Refusal = { at: number; instance: string; code: 'insufficient_credit' };
export type EndReason = 'stopped' | 'out_of_credits';

const COOLDOWN_SECONDS = 300;
const MIN_START_MICROS = 3_000_000n;
const SECONDS_PER_HOUR = 3600n;
const MILLIONTHS_PER_MICRO = 1_000_000n;

/** The whole state of a walk. Plain data, so that `structuredClone` gives a copy to look ahead with. */
export type World = {
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
  lastAttemptAt: number | undefined;
  chargesLeft: number;
  deposits: DepositResult[];
  emails: EmailResult[];
};

type Instance = {
  team: string;
  rateMicrosPerHour: bigint;
  startedAt: number;
  end?: { at: number; reason: EndReason };
};

/** The exact result of a scenario. */
export function expectedResult(scenario: Scenario): ScenarioResult {
  const world = createWorld(scenario.teams);
  for (const event of inOrder(scenario.events)) {
    if (event.at > scenario.until) break;
    applyEvent(world, event);
  }
  walkTo(world, scenario.until);
  return resultOf(world);
}

/** The teams with their first deposits and policies, at second 0, with what the clock brings there. */
export function createWorld(teams: Record<string, ScenarioTeam>): World {
  const world: World = { second: 0, teams: new Map(), instances: new Map(), refused: [] };
  for (const [name, given] of Object.entries(teams)) {
    const team: Team = {
      creditMicros: 0n,
      owedMicros: 0n,
      tokensExact: 0n,
      running: [],
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
    if (cooldownEnd(team) <= now && wantsTopUp(team, now)) {
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
      const instance: Instance = { team: event.team, rateMicrosPerHour: micros(event.hourly), startedAt: now };
      world.instances.set(event.instance, instance);
      team.running.push(instance);
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
      return team;
    }
    case 'autoTopUp':
      if (event.enabled !== undefined) team.policy.enabled = event.enabled;
      if (event.threshold !== undefined) team.policy.thresholdMicros = micros(event.threshold);
      if (event.amount !== undefined) team.policy.amountMicros = micros(event.amount);
      return team;
    default:
      throw new Error(`no such event: ${JSON.stringify(event)}`);
  }
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
