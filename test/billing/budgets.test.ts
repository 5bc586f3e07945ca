/**
 * Tests budgets, low-balance levels of a team, and the ceiling on burn. Random budgets are compared with the walk second by
 * second in scenarios.test.ts; this file has the corners that the scenario format cannot express.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, emptyAccount, spendableMicros } from '../../billing/account.ts';
import type { AlertTerms, BudgetTerms } from '../../billing/alerts.ts';
import { budgetsOf, effectSecond, meetingOf, spendMicros } from '../../billing/budgets.ts';
import type { Effect, FactOutcome } from '../../billing/change.ts';
import {
  advance,
  assignDiscount,
  creditDeposit,
  failAttempt,
  grantCredit,
  recordUsage,
  setPolicy,
} from '../../billing/facts.ts';
import { runsOutSecond } from '../../billing/forecast.ts';
import { placeHold } from '../../billing/holds.ts';
import { type InstanceOrder, repriceInstance, startInstance, stopInstance } from '../../billing/instances.ts';
import { lookAfter } from '../../billing/looks.ts';
import { classOf, MetersNeeded, mergedClasses, meterSums } from '../../billing/meter-sums.ts';
import { formatDollars, micros, parseDollars } from '../../billing/money.ts';
import { openReservation } from '../../billing/reservations.ts';
import { NOTHING_SPENT, setAlerts } from '../../billing/setting-alerts.ts';
import { policyOf, SETTINGS } from './book.ts';
import { givenOrder } from './pure-run.ts';

const MIDNIGHT = 1_800_057_600;
const START = MIDNIGHT - 3_600;
const NONE: AlertTerms = { lowLevelsMicros: null, budgets: [], burnLimitMicros: null };

const budget = (amount: string, change: Partial<BudgetTerms> = {}): BudgetTerms => ({
  project: null,
  period: 'month',
  action: 'stop',
  amountMicros: parseDollars(amount),
  ...change,
});

/** A team with credit, and everything that was ever asked of its keeper, in one line a fact. */
class Team {
  account: Account = emptyAccount('t', START);
  readonly effects: Effect[] = [];
  last: FactOutcome = { account: this.account, effects: [] };

  keep(outcome: FactOutcome): this {
    this.account = outcome.account;
    this.effects.push(...outcome.effects);
    this.last = outcome;
    return this;
  }

  credit = (amount: string, at = START) =>
    this.keep(
      grantCredit(
        this.account,
        SETTINGS,
        { grantId: `g${this.effects.length}`, amountMicros: parseDollars(amount) },
        at,
      ),
    );
  set = (asked: Partial<AlertTerms> & { version?: number }, at: number) =>
    this.keep(setAlerts(this.account, SETTINGS, { ...NONE, ...asked, spendOf: () => NOTHING_SPENT }, at));
  start = (id: string, hourly: string, at: number, project: string | null = null, more: Partial<InstanceOrder> = {}) =>
    this.keep(startInstance(this.account, SETTINGS, { ...givenOrder(id, parseDollars(hourly), project), ...more }, at));
  stop = (instanceId: string, at: number, atSecond?: number) =>
    this.keep(
      stopInstance(
        this.account,
        SETTINGS,
        { instanceId, reason: 'stopped', closedSegments: [], ...(atSecond !== undefined && { atSecond }) },
        at,
      ),
    );
  use = (amount: string, at: number, project?: string) =>
    this.keep(
      recordUsage(
        this.account,
        SETTINGS,
        {
          eventId: `e${this.effects.length}`,
          cost: BigInt(parseDollars(amount)) * 1_000_000n,
          ...(project !== undefined && { project }),
        },
        at,
      ),
    );
  look = (at: number) => this.keep(advance(this.account, SETTINGS, at));

  get met() {
    return this.effects.flatMap((effect) => (effect.kind === 'budget_met' ? [effect.second - START] : []));
  }
  get lows() {
    return this.effects.flatMap((effect) =>
      effect.kind === 'low' ? [[effect.second - START, formatDollars(effect.levelMicros)]] : [],
    );
  }
  get ended() {
    return this.effects.flatMap((effect) =>
      effect.kind === 'instance_ended' ? [[effect.instanceId, effect.endSecond - START, effect.reason]] : [],
    );
  }
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'none';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a budget', () => {
  it('ends the instances of its scope at the last second within, covered instances too, and no others', () => {
    const team = new Team().credit('1000').set({ budgets: [budget('1', { project: 'x' })] }, START);
    const order = { gpuType: 'gpu', region: 'eu', count: 1, term: '1m' as const, renew: false };
    team.keep(
      openReservation(
        team.account,
        SETTINGS,
        { ...order, reservationId: 'r', unitMicrosPerHour: parseDollars('1') },
        START,
      ),
    );
    team.start('covered', '5', START, 'x', { gpuType: 'gpu', region: 'eu', given: false });
    team
      .start('a', '360', START, 'x')
      .start('other', '360', START, 'y')
      .look(START + 100);
    expect(team.ended.sort()).toEqual([
      ['a', 10, 'budget'],
      ['covered', 10, 'budget'],
    ]);
    expect(team.account.meters.map(({ instanceId }) => instanceId)).toEqual(['other']);
    expect(team.account.reservations).toHaveLength(1);
    expect(team.met).toEqual([10]);
  });

  it('counts reservations for the team, which run on and may pass the amount', () => {
    const team = new Team().credit('1000').set({ budgets: [budget('1', { period: 'day' })] }, START);
    const order = { gpuType: 'gpu', region: 'eu', count: 1, term: '1m' as const, renew: false };
    team.keep(
      openReservation(
        team.account,
        SETTINGS,
        { ...order, reservationId: 'r', unitMicrosPerHour: parseDollars('360') },
        START,
      ),
    );
    team.look(START + 100);
    expect(team.met).toEqual([10]);
    const [met] = budgetsOf(team.account);
    expect(met && spendMicros(team.account, met, START + 100)).toBe(parseDollars('10'));
    // The next day begins another episode, which is met after ten seconds too.
    team.look(MIDNIGHT + 100);
    expect(team.met).toEqual([10, 3_610]);
  });

  it('refuses starts, holds and reservations of its scope after credit was checked, and until the period ends', () => {
    const team = new Team()
      .credit('100')
      .set({ budgets: [budget('1', { action: 'refuse', project: 'x', period: 'day' })] }, START);
    team.use('1.000001', START + 5, 'x');
    const hold = (project: string | null, at: number) =>
      codeOf(() => placeHold(team.account, SETTINGS, { amountMicros: micros(1), ttlSeconds: 60, project }, at));
    expect(codeOf(() => team.start('a', '1', START + 5, 'x'))).toBe('budget_met');
    expect(hold('x', START + 5)).toBe('budget_met');
    expect([hold(null, START + 5), hold('y', START + 5)]).toEqual(['none', 'none']);
    expect(codeOf(() => new Team().set({ budgets: [budget('1')] }, START).start('a', '1', START))).toBe(
      'insufficient_credit',
    );
    expect(hold('x', MIDNIGHT - 1)).toBe('budget_met');
    expect(hold('x', MIDNIGHT)).toBe('none');
    const ofTeam = new Team().credit('100').set({ budgets: [budget('1', { action: 'stop' })] }, START);
    ofTeam.use('2', START + 5);
    const order = { reservationId: 'r', gpuType: 'gpu', region: 'eu', count: 1, term: '1m' as const, renew: false };
    expect(
      codeOf(() =>
        openReservation(ofTeam.account, SETTINGS, { ...order, unitMicrosPerHour: parseDollars('1') }, START + 6),
      ),
    ).toBe('budget_met');
  });

  it('keeps its episode where it stays the same, and begins another where the amount changes', () => {
    const team = new Team().credit('100').set({ budgets: [budget('1', { action: 'mail' })] }, START);
    team.use('3', START + 5);
    team.set({ budgets: [budget('1', { action: 'mail' })], burnLimitMicros: parseDollars('50') }, START + 6);
    expect(team.met).toEqual([5]);
    team.keep(
      setAlerts(
        team.account,
        SETTINGS,
        {
          ...NONE,
          budgets: [budget('2', { action: 'mail' })],
          spendOf: () => ({ spentMicros: parseDollars('3'), later: [] }),
        },
        START + 7,
      ),
    );
    expect(team.met).toEqual([5, 7]);
  });

  it('takes back nothing that it did, where an instance ended earlier than thought', () => {
    const team = new Team().credit('100').set({ budgets: [budget('1', { action: 'refuse' })] }, START);
    team.start('a', '360', START).look(START + 50);
    expect(team.met).toEqual([11]);
    team.stop('a', START + 50, START + 2);
    const [met] = budgetsOf(team.account);
    expect(met && spendMicros(team.account, met, START + 50)).toBe(parseDollars('0.2'));
    expect(codeOf(() => team.start('b', '1', START + 51))).toBe('budget_met');
    expect(team.met).toEqual([11]);
  });

  it('counts a re-priced instance by its segments, and none of it twice after a stop in the past', () => {
    const team = new Team().credit('1000').set({ budgets: [budget('500', { action: 'mail' })] }, START);
    team.start('a', '360', START);
    team.keep(
      repriceInstance(team.account, SETTINGS, { instanceId: 'a', rateMicrosPerHour: parseDollars('720') }, START + 10),
    );
    const closed = team.effects.flatMap((effect) =>
      effect.kind === 'meter_closed' ? [{ ...effect.meter, endSecond: effect.endSecond }] : [],
    );
    team.keep(
      stopInstance(
        team.account,
        SETTINGS,
        { instanceId: 'a', reason: 'stopped', closedSegments: closed, atSecond: START + 4 },
        START + 20,
      ),
    );
    const [only] = budgetsOf(team.account);
    expect(only && spendMicros(team.account, only, START + 20)).toBe(parseDollars('0.4'));
  });
});

describe('while a charge in flight holds an exhaustion open', () => {
  /** $10 of credit at $360 an hour: X is second 100. The attempt opens when credit is below $5, at second 51. */
  const charging = (amount: string, action: BudgetTerms['action'] = 'stop') => {
    const team = new Team().credit('10');
    team.keep(setPolicy(team.account, SETTINGS, policyOf('5', '100'), START));
    team
      .set({ budgets: [budget(amount, { action })] }, START)
      .start('a', '360', START)
      .look(START + 110);
    expect([team.account.standsAtSecond, team.met]).toEqual([START + 100, []]);
    return team;
  };
  const succeed = (team: Team, at: number) =>
    team.keep(
      creditDeposit(
        team.account,
        SETTINGS,
        { depositId: team.account.attempt?.depositId ?? '', amountMicros: parseDollars('100') },
        at,
      ),
    );

  it('budgets stand at X, and after a success the seconds since are worked out in order', () => {
    const team = succeed(charging('11.05'), START + 130);
    expect(team.ended).toEqual([['a', 110, 'budget']]);
    expect(team.met).toEqual([110]);
    expect(spendableMicros(team.account, START + 130)).toBe(parseDollars('99'));
  });

  it('tokens of the time count at their own second after a success', () => {
    const team = charging('13').use('2', START + 115);
    expect(team.met).toEqual([]);
    succeed(team, START + 130);
    // $11.50 and $2 at second 115: the fact lifts the spend above, so the budget is met in that second.
    expect(team.met).toEqual([115]);
    expect(team.ended).toEqual([['a', 115, 'budget']]);
  });

  it('after a failure all end at X, and tokens of the time count at their own second', () => {
    const team = charging('11').use('2', START + 115);
    team.keep(failAttempt(team.account, SETTINGS, team.account.attempt?.depositId ?? '', START + 130));
    expect(team.ended).toEqual([['a', 100, 'out_of_credits']]);
    expect(team.met).toEqual([115]);
  });
});

describe('the ceiling on burn', () => {
  it('refuses the start after which the burn would be above, naming the numbers, and not the one that meets it', () => {
    const team = new Team()
      .credit('100')
      .set({ burnLimitMicros: parseDollars('10') }, START)
      .start('a', '4', START);
    expect(() => team.start('b', '6.000001', START)).toThrow(
      'The burn of the team would be $10.000001 an hour, above its limit of $10.00 an hour: it is $4.00 an hour now.',
    );
    team.start('b', '6', START);
    expect(codeOf(() => team.start('c', '0.000001', START))).toBe('burn_limit');
    const order = { reservationId: 'r', gpuType: 'gpu', region: 'eu', count: 1, term: '1m' as const, renew: false };
    expect(
      codeOf(() => openReservation(team.account, SETTINGS, { ...order, unitMicrosPerHour: micros(1) }, START)),
    ).toBe('burn_limit');
  });

  it('is checked after credit and budgets', () => {
    const team = new Team()
      .credit('100')
      .set({ budgets: [budget('1')], burnLimitMicros: parseDollars('1') }, START)
      .use('2', START);
    expect(codeOf(() => team.start('a', '5', START))).toBe('budget_met');
  });

  it('only mails where a new price lifts the burn above, once until the burn is at the ceiling or below', () => {
    const team = new Team()
      .credit('100')
      .set({ burnLimitMicros: parseDollars('10') }, START)
      .start('a', '4', START);
    const reprice = (hourly: string, at: number) =>
      team.keep(
        repriceInstance(
          team.account,
          SETTINGS,
          { instanceId: 'a', rateMicrosPerHour: parseDollars(hourly) },
          START + at,
        ),
      );
    reprice('12', 1);
    reprice('13', 2);
    reprice('10', 3);
    reprice('11', 4);
    expect(team.effects.flatMap((effect) => (effect.kind === 'burn_above' ? [effect.second - START] : []))).toEqual([
      1, 4,
    ]);
    expect(team.account.meters).toHaveLength(1);
  });

  it('mails at the second at which a discount ends', () => {
    const team = new Team().credit('100');
    team.keep(assignDiscount(team.account, SETTINGS, { basisPoints: 5_000, untilSecond: START + 60 }, START));
    team.set({ burnLimitMicros: parseDollars('3') }, START).start('a', '4', START, null, { given: false });
    team.look(START + 500);
    expect(team.effects.flatMap((effect) => (effect.kind === 'burn_above' ? [effect.second - START] : []))).toEqual([
      60,
    ]);
  });
});

describe('low-balance levels of a team', () => {
  const levels = (...amounts: string[]) => ({ lowLevelsMicros: amounts.map((amount) => parseDollars(amount)) });

  it('each warn once, at the first second below, in place of the level of the deployment', () => {
    const team = new Team()
      .credit('30')
      .set(levels('20', '25', '5'), START)
      .start('a', '360', START)
      .look(START + 299);
    expect(team.lows).toEqual([
      [51, '25.000000'],
      [101, '20.000000'],
      [251, '5.000000'],
    ]);
  });

  it('warn once of the lowest, where a call leads below several', () => {
    const team = new Team()
      .credit('30')
      .set(levels('20', '25', '5'), START)
      .use('12', START + 5);
    expect(team.lows).toEqual([[5, '20.000000']]);
    team.use('1', START + 6);
    expect(team.lows).toHaveLength(1);
  });

  it('warn again only after credit was a tenth above the level', () => {
    const team = new Team()
      .credit('30')
      .set(levels('20'), START)
      .use('11', START + 1);
    team.credit('2', START + 2).use('2', START + 3);
    expect(team.lows).toHaveLength(1);
    team.credit('3', START + 4).use('3', START + 5);
    expect(team.lows.map(([at]) => at)).toEqual([1, 5]);
  });

  it('do not warn of a level that credit is already below when the level is set, and keep their state', () => {
    const team = new Team().credit('15').set(levels('20', '10'), START);
    expect(team.lows).toEqual([]);
    team
      .use('6', START + 1)
      .set(levels('10'), START + 2)
      .look(START + 3);
    expect(team.lows).toEqual([[1, '10.000000']]);
  });

  it('are not sent while auto top-up can still charge', () => {
    const team = new Team().credit('30').set(levels('20'), START);
    team.keep(setPolicy(team.account, SETTINGS, policyOf('5', '100'), START)).use('15', START + 1);
    expect(team.lows).toEqual([]);
  });
});

describe('a change of alerts', () => {
  it('is refused where another came between, and the last writer wins without a version', () => {
    const team = new Team().credit('5').set({ version: 0 }, START);
    expect(codeOf(() => team.set({ version: 0 }, START))).toBe('version_conflict');
    expect(team.set({}, START).set({ version: 2 }, START).account.alerts?.version).toBe(3);
  });
});

describe('the second of a budget', () => {
  const hourly = fc.integer({ min: 1, max: 900_000_000 });
  const history = fc.record({
    meters: fc.array(fc.record({ hourly, from: fc.integer({ min: 0, max: 3_000 }), project: fc.boolean() }), {
      minLength: 1,
      maxLength: 5,
    }),
    amount: fc.integer({ min: 1, max: 80_000_000 }),
    ofProject: fc.boolean(),
    period: fc.constantFrom('day' as const, 'month' as const),
    action: fc.constantFrom('stop' as const, 'refuse' as const, 'mail' as const),
    looks: fc.array(fc.integer({ min: 0, max: 9_000 }), { maxLength: 6 }),
  });

  it('is the second at which it is met, for any looks in between, and the forecast knows it', () => {
    fc.assert(
      fc.property(history, ({ meters, amount, ofProject, period, action, looks }) => {
        const terms = budget('1', { project: ofProject ? 'x' : null, period, action, amountMicros: micros(amount) });
        const run = (between: readonly number[]) => {
          const team = new Team().credit('100000').set({ budgets: [terms] }, START);
          const acts = meters.map((meter, index) => ({ ...meter, index })).sort((a, b) => a.from - b.from);
          for (const { hourly, from, project, index } of acts) {
            for (const at of between) if (at <= from) team.look(START + at);
            try {
              team.start(`i${index}`, formatDollars(micros(hourly)), START + from, project ? 'x' : null);
            } catch (error) {
              expect((error as { code: string }).code).toBe('budget_met');
            }
          }
          const [only] = budgetsOf(team.account);
          const meeting =
            only && only.metSecond === null ? meetingOf(team.account, only, team.account.asOfSecond) : null;
          const foretold = meeting && only ? effectSecond(only, meeting) : null;
          const [before] = [team.met.length];
          for (const at of [...between].sort((a, b) => a - b)) team.look(START + Math.max(at, 3_000));
          team.look(START + 9_000);
          if (foretold !== null && foretold <= START + 9_000) expect(team.met[before]).toBe(foretold - START);
          return { met: team.met, ended: team.ended };
        };
        expect(run(looks)).toEqual(run([]));
      }),
      { numRuns: 150 },
    );
  });
});

describe('the sums of meters', () => {
  const meters = fc.array(
    fc.record({ hourly: fc.integer({ min: 0, max: 900_000_000 }), start: fc.integer({ min: 0, max: 3 * 86_400 }) }),
    { minLength: 1, maxLength: 8 },
  );
  it('give the spend and the second of a team’s budget that the meters give, and of a project’s need the meters', () => {
    fc.assert(
      fc.property(
        meters,
        fc.integer({ min: 1, max: 2_000_000_000 }),
        fc.constantFrom('day' as const, 'month' as const),
        (running, amount, period) => {
          const now = START + 4 * 86_400;
          const team = new Team().credit('1000000', START);
          for (const [index, { hourly, start }] of [...running].sort((a, b) => a.start - b.start).entries())
            team.start(`i${index}`, formatDollars(micros(hourly)), START + start);
          team.set({ budgets: [budget('1', { period, amountMicros: micros(amount), action: 'refuse' })] }, now);
          const singly = { ...team.account, alerts: team.account.alerts };
          const [only] = budgetsOf(singly);
          if (!only) throw new Error('no budget');
          const unmet = { ...only, metSecond: null };
          const summed = { ...singly, meters: [], summed: meterSums(mergedClasses(singly.meters.map(classOf)), now) };
          expect(spendMicros(summed, unmet, now + 77)).toBe(spendMicros(singly, unmet, now + 77));
          expect(meetingOf(summed, unmet, now)).toEqual(meetingOf(singly, unmet, now));
          if (running.length > 0)
            expect(() => spendMicros(summed, { ...unmet, project: 'x' }, now)).toThrow(MetersNeeded);
        },
      ),
    );
  });
});

describe('the runway', () => {
  it('of a team whose budget ends its instances first never runs out', () => {
    const team = new Team().credit('10').start('a', '360', START);
    expect(runsOutSecond(team.account, SETTINGS)).toBe(START + 100);
    team.set({ budgets: [budget('5')] }, START);
    expect(runsOutSecond(team.account, SETTINGS)).toBeNull();
    team.set({ budgets: [budget('5', { action: 'mail' })] }, START);
    expect(runsOutSecond(team.account, SETTINGS)).toBe(START + 100);
  });

  it('has the watch look at the second of the budget, and at the first second of the next day within an hour', () => {
    const team = new Team().credit('9000').set({ budgets: [budget('5', { period: 'day' })] }, START);
    team.start('a', '7.2', START);
    // $5 are spent after 2,500 s.
    expect(lookAfter(team.last)).toBe(START + 2_500);
    team.look(START + 2_500).start('b', '0.3', MIDNIGHT + 5);
    // A whole day of $0.30 an hour is $7.20.
    expect(lookAfter(team.last)).toBe(MIDNIGHT + 5 + 60_000);
  });
});
