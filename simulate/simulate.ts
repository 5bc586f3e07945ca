/**
 * Runs a scenario through the real workflows, activities and Postgres in skipped time, and reads the result from the
 * ledger. The driver plays the api and the person; everything else is the product.
 */
import { randomBytes } from 'node:crypto';
import { BillingError, refusalAmong } from '../billing/errors.ts';
import { type Micros, micros } from '../billing/money.ts';
import type { TopUpPolicy } from '../billing/top-up.ts';
import type { StripeStandIn } from '../embedded/stripe/index.ts';
import { AS_RECORDED, readAccount } from '../prisma/accounts.ts';
import { isSpared } from '../prisma/look-marks.ts';
import { savePaymentMethod } from '../prisma/payment-methods.ts';
import { notedWake, notingRecords } from '../prisma/recorded.ts';
import { createTeam, setStripeCustomer } from '../prisma/teams.ts';
import { inputOfStarted, startInstanceWorkflow } from '../workflows/signals.ts';
import { type BudgetEvent, setBudget } from './budgets.ts';
import { ClockStandsStill } from './clock.ts';
import { type Engine, startEngine } from './engine.ts';
import { untilQuiet } from './open-work.ts';
import { readResult } from './result.ts';
import type { Scenario, ScenarioEvent, ScenarioResult } from './scenario.ts';
import { SCENARIO_SETTINGS } from './settings.ts';
import type { Surroundings } from './surroundings.ts';

export interface SimulateOptions {
  /** Milliseconds between an instance's settlements; 0 for settlement at the end only. The bill is the same. */
  settleEveryMs?: number;
  /** 0 replays each workflow's whole history at every step. */
  maxCachedWorkflows?: number;
  onEvent?: (event: ScenarioEvent) => void;
}

const HOUR_MS = 3_600_000;
/**
 * The bill does not depend on the number of settlements, so a long scenario settles less often than the product's hour.
 */
const SETTLEMENTS_AT_MOST = 100;
const settleEvery = ({ until }: Scenario) => HOUR_MS * Math.ceil(Math.max(1, until / 3600 / SETTLEMENTS_AT_MOST));

export { SCENARIO_SETTINGS };

/** Played again on another server, because a stopped clock is no fault of the product. */
const TRIES = 3;

export async function simulate(
  surroundings: Surroundings,
  scenario: Scenario,
  options: SimulateOptions = {},
): Promise<ScenarioResult> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await playOnce(surroundings, scenario, options);
    } catch (error) {
      if (!(error instanceof ClockStandsStill) || tries === TRIES) throw error;
    }
  }
}

async function playOnce(
  surroundings: Surroundings,
  scenario: Scenario,
  options: SimulateOptions,
): Promise<ScenarioResult> {
  const { maxCachedWorkflows } = options;
  const engine = await startEngine(surroundings, {
    settings: SCENARIO_SETTINGS,
    ...(maxCachedWorkflows !== undefined && { maxCachedWorkflows }),
  });
  const settled = { settleEveryMs: settleEvery(scenario), ...options };
  const run = new Run({ ...engine, standIn: surroundings.stripe, options: settled });
  try {
    return await Promise.race([run.play(scenario), engine.stopped]);
  } finally {
    await engine.close();
  }
}

/** The refusals of a start that a scenario may expect. */
const REFUSED = ['insufficient_credit', 'budget_met'] as const;

interface Parts extends Engine {
  standIn: StripeStandIn;
  options: SimulateOptions;
}

class Run {
  private readonly parts: Parts;
  /**
   * A part of each id, because ids must be unique over all runs on one Temporal server. The maps below have the ids by
   * name.
   */
  private readonly runId = randomBytes(5).toString('hex');
  private readonly teamIds = new Map<string, string>();
  private readonly instanceIds = new Map<string, string>();
  private readonly policies = new Map<string, TopUpPolicy>();
  private readonly refused: ScenarioResult['refused'] = [];
  private facts = 0;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  async play(scenario: Scenario): Promise<ScenarioResult> {
    const { clock, options } = this.parts;
    for (const [name, team] of Object.entries(scenario.teams)) await this.openTeam(name, team.card?.declinesAfter);
    await clock.goTo(0);
    for (const [name, { deposit, autoTopUp }] of Object.entries(scenario.teams)) {
      if (deposit !== undefined) await this.deposit(name, deposit, 0);
      if (autoTopUp) await this.setPolicy(name, { ...autoTopUp, enabled: true });
    }
    await this.untilQuiet();
    for (const event of [...scenario.events].sort((a, b) => a.at - b.at)) {
      if (event.at > scenario.until) break;
      if (clock.second(event.at) > clock.now) {
        await clock.goTo(event.at);
        await this.untilQuiet();
      }
      options.onEvent?.(event);
      await this.happen(event);
      await this.untilQuiet();
    }
    await clock.goTo(scenario.until);
    await this.untilQuiet();
    const { teamIds, instanceIds, refused } = this;
    return readResult({
      db: this.parts.db,
      clock,
      settings: SCENARIO_SETTINGS,
      teamIds,
      instanceIds,
      refused,
      until: scenario.until,
    });
  }

  private untilQuiet(): Promise<void> {
    return untilQuiet(this.parts.db, this.parts.clock, [...this.teamIds.values()]);
  }

  private teamId(name: string): string {
    return known(this.teamIds, name, (count) => `t${count}-${this.runId}`);
  }

  private instanceId(name: string): string {
    return known(this.instanceIds, name, (count) => `i${count}-${this.runId}`);
  }

  private async openTeam(name: string, declinesAfter: number | undefined): Promise<void> {
    const { db, clock, stripe, standIn } = this.parts;
    const id = this.teamId(name);
    await createTeam(db, { id, name, email: `${id}@teams.example` }, clock.second(0));
    const customer = await stripe.customers.create({ metadata: { team: id } });
    const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id });
    await setStripeCustomer(db, id, customer.id);
    await savePaymentMethod(db, {
      id: `pm_${id}`,
      teamId: id,
      stripePaymentMethodId: card.id,
      brand: 'visa',
      last4: '4242',
      expMonth: 12,
      expYear: 2099,
      fingerprint: null,
      createdSecond: clock.second(0),
    });
    if (declinesAfter !== undefined) standIn.control.cards.decline({ customer: customer.id, after: declinesAfter });
  }

  private happen(event: ScenarioEvent): Promise<void> {
    return notingRecords(() => this.doing(event));
  }

  /** Wakes the watch as the api does after a fact: only where the watch would look too late otherwise. */
  private async wakeWatch(teamId: string): Promise<void> {
    if (!isSpared(notedWake(teamId))) await this.parts.wake.watch(teamId);
  }

  private async doing(event: ScenarioEvent): Promise<void> {
    if (event.do === 'start') return this.start(event);
    if (event.do === 'stop') return this.stop(event.instance);
    if (event.do === 'deposit') return this.deposit(event.team, event.amount, event.at);
    if (event.do === 'tokens') return this.tokens(event);
    if (event.do === 'budget') return this.setBudget(event);
    return this.setPolicy(event.team, event);
  }

  private async start(event: Extract<ScenarioEvent, { do: 'start' }>): Promise<void> {
    const { client, clock, options } = this.parts;
    const id = this.instanceId(event.instance);
    this.facts += 1;
    const spec = {
      id,
      teamId: this.teamId(event.team),
      project: event.project ?? null,
      gpuType: 'simulated',
      region: 'simulated',
      pricing: 'on_demand' as const,
      hourlyMicros: event.hourly,
      shedOrder: null,
      resumedFrom: null,
      requestHash: `${event.team} ${event.hourly} ${this.facts}`,
    };
    const { ledger } = this.parts;
    try {
      const started = await ledger.startInstance({ spec, receivedSecond: clock.now }, 'scenario');
      await startInstanceWorkflow(client, inputOfStarted(started, options.settleEveryMs ?? 0), 'scenario');
      await this.wakeWatch(spec.teamId);
    } catch (error) {
      if (refusalAmong(REFUSED, error) === null || !(error instanceof BillingError)) throw error;
      this.refused.push({ at: event.at, instance: event.instance, code: error.code });
    }
  }

  private async stop(instance: string): Promise<void> {
    const { ledger, wake, clock, db } = this.parts;
    const instanceId = this.instanceId(instance);
    const row = await db.instance.findUnique({ where: { id: instanceId } });
    if (!row) return;
    const stop = { instanceId, reason: 'stopped' as const, nowSecond: clock.now, platformAsked: true };
    await ledger.stopInstance(stop, 'scenario');
    await this.wakeWatch(row.teamId);
    await wake.instance(instanceId);
  }

  private async deposit(team: string, amountMicros: Micros, at: number): Promise<void> {
    const { ledger, clock } = this.parts;
    this.facts += 1;
    const depositId = `dep_${this.runId}_${this.facts}`;
    const order = {
      depositId,
      teamId: this.teamId(team),
      kind: 'confirmed' as const,
      amountMicros,
      paymentMethodId: null,
      receivedSecond: clock.second(at),
      callId: depositId,
      notAfterMs: Number.MAX_SAFE_INTEGER,
      nowMs: 0,
    };
    await ledger.openDeposit(order);
    await ledger.creditDeposit({ depositId, nowSecond: clock.now, receiptUrl: null }, 'scenario');
    await this.wakeWatch(this.teamId(team));
  }

  private async tokens(event: Extract<ScenarioEvent, { do: 'tokens' }>): Promise<void> {
    const { ledger, wake, clock } = this.parts;
    this.facts += 1;
    const teamId = this.teamId(event.team);
    const price = { inputMicrosPerMillion: event.model.input, outputMicrosPerMillion: event.model.output };
    const { input: inputTokens, output: outputTokens } = event;
    const usage = {
      teamId,
      eventId: `e${this.facts}`,
      model: 'simulated',
      price,
      inputTokens,
      outputTokens,
      project: event.project ?? null,
      atSecond: null,
      holdId: null,
    };
    const answer = await ledger.recordUsage({ events: [usage], receivedSecond: clock.now, causedBy: 'scenario' });
    if (!answer.teams.get(teamId)?.isWakeSpared) await wake.watch(teamId);
  }

  private async setBudget(event: BudgetEvent): Promise<void> {
    const teamId = this.teamId(event.team);
    await setBudget(this.parts, teamId, event);
    await this.wakeWatch(teamId);
  }

  private async setPolicy(
    team: string,
    change: { enabled?: boolean | undefined; threshold?: Micros | undefined; amount?: Micros | undefined },
  ): Promise<void> {
    const { ledger, wake, clock, db } = this.parts;
    const teamId = this.teamId(team);
    const before = (await readAccount(db, teamId, AS_RECORDED)).policy ?? this.policies.get(team);
    const policy: TopUpPolicy = {
      enabled: change.enabled ?? before?.enabled ?? false,
      thresholdMicros: change.threshold ?? before?.thresholdMicros ?? micros(5_000_000),
      amountMicros: change.amount ?? before?.amountMicros ?? micros(15_000_000),
      paymentMethodId: `pm_${teamId}`,
      monthlyCapMicros: null,
    };
    this.policies.set(team, policy);
    await ledger.setPolicy({ teamId, policy, actor: 'scenario', nowSecond: clock.now }, 'scenario');
    if (policy.enabled) await wake.autoTopUp(teamId);
    await this.wakeWatch(teamId);
  }
}

function known(ids: Map<string, string>, name: string, make: (count: number) => string): string {
  const id = ids.get(name) ?? make(ids.size + 1);
  ids.set(name, id);
  return id;
}
