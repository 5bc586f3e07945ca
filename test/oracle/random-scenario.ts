/**
 * Scenarios from a seed, aimed at the seconds where billing goes wrong.
 *
 * Random times almost never meet an exhaustion or a threshold, so the generator walks its own scenario while writing
 * it: it looks ahead on a copy for the next second at which the clock will act, and puts events on it or one off it.
 */
import {
  applyEvent,
  available,
  type Budget,
  createWorld,
  type Scenario,
  type ScenarioEvent,
  type ScenarioTeam,
  spend,
  step,
  type World,
} from './oracle.ts';

const SHORTEST_SECONDS = 120;
const LONGEST_SECONDS = 3 * 86_400;
const MOST_EVENTS = 40;
/** Charges of all teams, after which a scenario ends: each is a workflow, and a fast instance would bring about a thousand. */
const MOST_CHARGES = 100;
const COOLDOWN_SECONDS = 300;
const LEAST_TO_START_MICROS = 3_000_000n;

const TEAM_NAMES = ['acme', 'beta', 'zeta'];
// Month and year ends, a leap day, an ordinary noon: none of it may matter to a bill.
const STARTS = ['2026-03-01T00:00:00Z', '2026-02-28T23:59:30Z', '2028-02-29T00:00:00Z', '2025-12-31T23:00:00Z'];
const ODD_RATES = [
  '1.234567',
  '0.000001',
  '0.0036',
  '0.003599',
  '0.003601',
  '2.49',
  '0.10',
  '333.333333',
  '3600',
  '9999.999999',
  '10000',
];
const ODD_PRICES = ['0.0125', '0.60', '0.000001', '2.50', '10.00', '0.333333', '15', '75.123457'];

const PROJECTS = [undefined, 'train', 'serve'];
/** Turns the seed of a scenario into the seed of its budgets, so that a scenario without budgets stays the same. */
const OF_BUDGETS = 0x5bd1e995;

/** The same scenario for the same seed, always. */
export const randomScenario = (seed: number): Scenario => drawnScenario(mulberry32(seed), null);

/** The same kind of scenario, with projects and budgets. */
export const randomBudgetScenario = (seed: number): Scenario =>
  drawnScenario(mulberry32(seed), mulberry32(seed ^ OF_BUDGETS));

function drawnScenario(random: Random, budgeting: Random | null): Scenario {
  const span = Math.round(SHORTEST_SECONDS * (LONGEST_SECONDS / SHORTEST_SECONDS) ** random.fraction());
  const names = TEAM_NAMES.slice(0, random.pick([1, 1, 1, 2, 2, 3]));
  const teams: Record<string, ScenarioTeam> = {};
  for (const name of names) teams[name] = randomTeam(random);

  const startOfBudgets = budgeting?.pick(STARTS);
  const draft: Draft = {
    random,
    budgeting,
    span,
    world: createWorld(teams, Date.parse(startOfBudgets ?? '2026-03-01T00:00:00Z') / 1000),
    names,
    ids: Array.from({ length: random.int(1, 8) }, (_, i) => `i${i + 1}`),
    withPolicy: new Set(names.filter((name) => teams[name]?.autoTopUp !== undefined)),
  };
  const events: ScenarioEvent[] = [];
  const count = random.int(4, MOST_EVENTS);
  while (events.length < count && draft.world.second < span) {
    const { at, team } = nextMoment(draft, count - events.length);
    walkWithinCharges(draft.world, at);
    if (draft.world.second < at) break;
    for (const event of [
      ...randomBudgets(draft, team),
      ...randomEvents(draft, team).map((one) => inProject(draft, one)),
    ]) {
      events.push(event);
      applyEvent(draft.world, event);
    }
  }
  const drawn = random.pick(STARTS);
  const startAt = startOfBudgets ?? drawn;
  const end = randomEnd(draft);
  walkWithinCharges(draft.world, end);
  return { startAt, until: draft.world.second, teams, events };
}

/** Walks to a second, or to the one in which the last charge is made that a scenario may have. */
function walkWithinCharges(world: World, target: number): void {
  while (world.second < target && chargesOf(world) < MOST_CHARGES) step(world, target);
}

const chargesOf = ({ teams }: World): number =>
  [...teams.values()].reduce((sum, team) => sum + team.deposits.length, 0);

type Draft = {
  random: Random;
  /** Null for a scenario without budgets. */
  budgeting: Random | null;
  span: number;
  world: World;
  names: string[];
  ids: string[];
  /** Teams that have a threshold and an amount, so that an event may leave them out. */
  withPolicy: Set<string>;
};

function inProject({ budgeting }: Draft, event: ScenarioEvent): ScenarioEvent {
  if (budgeting === null || (event.do !== 'start' && event.do !== 'tokens')) return event;
  const project = budgeting.pick(PROJECTS);
  return project === undefined ? event : { ...event, project };
}

/** A budget that will be met soon, is met already, is missed by a micro, or is far away. */
function randomBudgets({ budgeting, world }: Draft, team: string): ScenarioEvent[] {
  if (budgeting === null || !budgeting.chance(0.3)) return [];
  const project = budgeting.pick(PROJECTS);
  const budget: Budget = {
    project,
    period: budgeting.pick(['day', 'day', 'month']),
    action: budgeting.pick(['stop', 'stop', 'refuse', 'mail']),
    amountMicros: 0n,
    metInPeriod: undefined,
  };
  const of = world.teams.get(team)!;
  const now = world.second;
  const seconds = BigInt(budgeting.pick([0, 1, 2, 60, 300, budgeting.int(1, 90_000)]));
  let hourly = 0n;
  for (const { project: other, rateMicrosPerHour } of of.running)
    if (project === undefined || other === project) hourly += rateMicrosPerHour;
  const aimed = spend(world, of, budget, now) + (hourly * seconds) / 3600n + BigInt(budgeting.pick([-1, 0, 0, 1]));
  const amount = budgeting.chance(0.25) ? BigInt(budgeting.int(1, 40_000_000)) : clamp(aimed, 1n, 9_000_000_000n);
  const { period, action } = budget;
  return [
    { at: now, do: 'budget', team, ...(project !== undefined && { project }), period, amount: money(amount), action },
  ];
}

function randomTeam(random: Random): ScenarioTeam {
  const team: ScenarioTeam = {};
  if (random.chance(0.9)) team.deposit = random.chance(0.4) ? '15.00' : paymentAmount(random);
  if (random.chance(0.4)) team.card = { declinesAfter: random.pick([0, 1, 1, 2, 3]) };
  if (random.chance(0.5)) team.autoTopUp = { threshold: threshold(random), amount: paymentAmount(random) };
  return team;
}

/** When the next events happen and to which team: in the same second, soon, later, or where the clock will act. */
function nextMoment(draft: Draft, eventsLeft: number): { at: number; team: string } {
  const { random, world, span } = draft;
  const now = world.second;
  const any = random.pick(draft.names);
  const dice = random.fraction();
  if (dice < 0.25) return { at: now, team: any };
  if (dice < 0.65) {
    const act = nextClockAct(world, span);
    if (act !== undefined) {
      const aimed = act.at + random.pick([-1, 0, 0, 1, COOLDOWN_SECONDS - 1, COOLDOWN_SECONDS, COOLDOWN_SECONDS + 1]);
      return { at: Math.min(Math.max(aimed, now), span), team: random.chance(0.9) ? act.team : any };
    }
  }
  if (dice < 0.8) return { at: Math.min(now + random.int(1, 4), span), team: any };
  const gap = Math.ceil(((2 * (span - now)) / Math.max(eventsLeft, 1)) * random.fraction());
  return { at: Math.min(now + gap, span), team: any };
}

/** Where the clock next charges or ends something by itself, were nothing more to happen. */
function nextClockAct(world: World, until: number): { at: number; team: string } | undefined {
  const ahead = structuredClone(world);
  const acts = (name: string, of: World) => {
    const team = of.teams.get(name)!;
    return team.deposits.length + team.emails.length;
  };
  while (ahead.second < until) {
    step(ahead, until);
    for (const name of world.teams.keys()) {
      if (acts(name, ahead) !== acts(name, world)) return { at: ahead.second, team: name };
    }
  }
  return undefined;
}

function randomEnd(draft: Draft): number {
  const { random, world, span } = draft;
  const act = random.chance(0.3) ? nextClockAct(world, span) : undefined;
  if (act !== undefined) return Math.max(act.at + random.pick([-1, 0, 1]), world.second);
  return random.chance(0.1) ? world.second : span;
}

function randomEvents(draft: Draft, team: string): ScenarioEvent[] {
  const { random, world } = draft;
  const dice = random.fraction();
  if (dice < 0.35) {
    const free = draft.ids.filter((id) => !world.instances.has(id));
    // Several starts of one second, each checked by itself.
    const burst = random.chance(0.25) ? random.int(2, 4) : 1;
    if (free.length > 0) return free.slice(0, burst).map((id) => randomStart(draft, team, id));
  }
  if (dice < 0.5) return [{ at: world.second, do: 'stop', instance: stopTarget(draft, team) }];
  if (dice < 0.65) return [{ at: world.second, do: 'deposit', team, amount: paymentAmount(random) }];
  if (dice < 0.82) {
    const many = random.chance(0.2) ? random.int(2, 5) : 1;
    return Array.from({ length: many }, () => randomTokens(draft, team));
  }
  if (dice < 0.86) return startAtTheLeast(draft, team);
  return [randomPolicy(draft, team)];
}

/** Usage that leaves the least with which an instance may start, or a micro less or more, and a start right behind it. */
function startAtTheLeast(draft: Draft, team: string): ScenarioEvent[] {
  const { random, world } = draft;
  const at = world.second;
  const spend = available(world.teams.get(team)!, at) - LEAST_TO_START_MICROS + BigInt(random.pick([-1, 0, 0, 1]));
  const id = draft.ids.find((free) => !world.instances.has(free));
  if (spend < 0n || id === undefined) return [randomTokens(draft, team)];
  const model = { input: '1.00', output: '1.00' };
  const tokens: ScenarioEvent = { at, do: 'tokens', team, model, input: Number(spend), output: 0 };
  return [tokens, { at, do: 'start', team, instance: id, hourly: random.pick(ODD_RATES) }];
}

function randomStart(draft: Draft, team: string, instance: string): ScenarioEvent {
  const { random, world, span } = draft;
  let hourly = random.pick(ODD_RATES);
  if (random.chance(0.65)) {
    // A rate that would use up the credit within the time left, so that most scenarios have something to decide.
    const left = available(world.teams.get(team)!, world.second);
    const seconds = BigInt(Math.max(1, Math.round((span - world.second) * random.fraction())));
    hourly = money(clamp((left * 3600n) / seconds, 1n, 10_000_000_000n));
  }
  return { at: world.second, do: 'start', team, instance, hourly };
}

function stopTarget(draft: Draft, team: string): string {
  const { random, world } = draft;
  const running = [...world.instances].filter(([, one]) => one.team === team && one.end === undefined);
  // Now and then one that has ended, was refused or never was.
  return running.length > 0 && random.chance(0.85) ? random.pick(running)[0] : random.pick(draft.ids);
}

function randomTokens(draft: Draft, team: string): ScenarioEvent {
  const { random, world } = draft;
  const base = { at: world.second, do: 'tokens', team } as const;
  const usedBy = world.teams.get(team)!;
  const left = available(usedBy, world.second);
  const style = random.fraction();
  if (style < 0.4) {
    // So little that only the carried remainder ever makes a micro of it.
    const model = { input: random.pick(ODD_PRICES), output: random.pick(ODD_PRICES) };
    return { ...base, model, input: random.int(0, 60), output: random.int(0, 9) };
  }
  if (style < 0.6) {
    const model = { input: random.pick(ODD_PRICES), output: random.pick(ODD_PRICES) };
    return { ...base, model, input: random.int(0, 3_000_000), output: random.int(0, 900_000) };
  }
  // At a dollar a million, a token costs a micro: take exactly all, leave exactly the threshold, miss either by one.
  const goal = random.chance(0.5) ? left : left - usedBy.policy.thresholdMicros;
  let tokens = goal + BigInt(random.pick([-1, 0, 0, 1, 1_000_000, random.int(1, 80_000_000)]));
  tokens = clamp(tokens, 0n, 6_000_000_000n);
  return { ...base, model: { input: '1.00', output: '1.00' }, input: Number(tokens), output: 0 };
}

function randomPolicy(draft: Draft, team: string): ScenarioEvent {
  const { random, world } = draft;
  const event = { at: world.second, do: 'autoTopUp', team, enabled: random.chance(0.65) } as const;
  if (draft.withPolicy.has(team) && random.chance(0.35)) return event;
  draft.withPolicy.add(team);
  // Sometimes the whole cent just at or above what is there, to meet "below" from both sides.
  const left = available(world.teams.get(team)!, world.second) / 10_000n + BigInt(random.int(0, 1));
  const near = random.chance(0.4) ? money(clamp(left * 10_000n, 5_000_000n, 500_000_000n)) : threshold(random);
  return { ...event, threshold: near, amount: paymentAmount(random) };
}

/** $15 to $5,000 in whole cents, the small ones far more often. */
function paymentAmount(random: Random): string {
  if (random.chance(0.3)) return random.pick(['15.00', '20.00', '50.00', '100.00', '5000.00']);
  return money(BigInt(Math.round(1500 * (500_000 / 1500) ** (random.fraction() ** 2))) * 10_000n);
}

/** $5 to $500 in whole cents. */
function threshold(random: Random): string {
  return money(BigInt(Math.round(500 * 100 ** random.fraction())) * 10_000n);
}

function money(micros: bigint): string {
  const digits = micros.toString().padStart(7, '0');
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

function clamp(value: bigint, least: bigint, most: bigint): bigint {
  if (value < least) return least;
  return value > most ? most : value;
}

type Random = {
  fraction(): number;
  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
};

/** A known small generator, written out so that a seed means the same scenario on every machine and for ever. */
export function mulberry32(seed: number): Random {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (least: number, most: number) => least + Math.floor(fraction() * (most - least + 1));
  return {
    fraction,
    int,
    chance: (probability) => fraction() < probability,
    pick: (from) => from[int(0, from.length - 1)]!,
  };
}
