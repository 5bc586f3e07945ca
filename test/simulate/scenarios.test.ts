/**
 * Runs the scenarios of test/scenarios through the real engine, and tests that settlements and caches do not change a
 * bill.
 */
import { describe, expect, it } from 'vitest';
import { readScenario } from '../../simulate/scenario.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { ofBudget } from '../support/budget.ts';
import { useSurroundings } from '../support/use-engine.ts';
import { expectAsWalked, expectedOf, run, scenarioNames, scenarioOf } from './support.ts';

let surroundings: Surroundings;
useSurroundings((shared) => {
  surroundings = shared;
});

/** Their month is settled hundreds of times, which takes as long as several other scenarios. */
const OF_A_MONTH = ['06-two-teams-a-month', '17-a-millionth-an-hour-for-a-month'];
/** `npm test` plays each third one here; test/billing/scenarios.test.ts holds all of them against the pure rules. */
const PLAYED = ofBudget({
  test: scenarioNames.filter((name, index) => index % 3 === 0 && !OF_A_MONTH.includes(name)),
  long: scenarioNames,
});

describe('the real workflows, activities and Postgres in skipped time', () => {
  it.each(PLAYED)(
    'give the worked result of %s',
    async (name) => {
      expect(await run(surroundings, scenarioOf(name))).toEqual(expectedOf(name));
    },
    180_000,
  );
});

describe('the bill does not depend on', () => {
  /** A top-up, a decline and an exhaustion, within minutes, so that settling every second stays affordable. */
  const story = {
    startAt: '2026-03-01T00:00:00Z',
    until: 900,
    teams: {
      acme: { deposit: '15.00', card: { declinesAfter: 1 }, autoTopUp: { threshold: '10.00', amount: '15.00' } },
    },
    events: [
      { at: 3, do: 'start' as const, team: 'acme', instance: 'a', hourly: '181.234567' },
      { at: 61, do: 'start' as const, team: 'acme', instance: 'b', hourly: '0.000001' },
      { at: 200, do: 'tokens' as const, team: 'acme', model: { input: '0.0125', output: '0.6' }, input: 7, output: 3 },
      { at: 250, do: 'stop' as const, instance: 'b' },
    ],
  };

  const seldom: Array<[often: string, settleEveryMs: number]> = [
    ['every minute', 60_000],
    ['every hour', 3_600_000],
    ['never before the end', 0],
  ];
  it.each(ofBudget({ test: seldom, long: [['every second', 1_000], ...seldom] }))(
    'the interval of settlements: %s',
    async (_, settleEveryMs) => {
      await expectAsWalked(surroundings, story, 'settling', { settleEveryMs });
    },
    120_000,
  );

  /** A budget that stops, one that refuses and one that mails, a top-up and an exhaustion. */
  const ofBudgets = {
    startAt: '2026-03-01T00:00:00Z',
    until: 900,
    teams: {
      acme: { deposit: '25.00', card: { declinesAfter: 1 }, autoTopUp: { threshold: '10.00', amount: '15.00' } },
    },
    events: [
      {
        at: 1,
        do: 'budget' as const,
        team: 'acme',
        project: 'x',
        period: 'day' as const,
        amount: '5.123456',
        action: 'stop' as const,
      },
      { at: 1, do: 'budget' as const, team: 'acme', period: 'month' as const, amount: '12', action: 'refuse' as const },
      { at: 2, do: 'budget' as const, team: 'acme', period: 'day' as const, amount: '7.5', action: 'mail' as const },
      { at: 3, do: 'start' as const, team: 'acme', instance: 'a', hourly: '121.234567', project: 'x' },
      { at: 4, do: 'start' as const, team: 'acme', instance: 'b', hourly: '150.000001' },
      {
        at: 50,
        do: 'tokens' as const,
        team: 'acme',
        model: { input: '1', output: '1' },
        input: 700_000,
        output: 3,
        project: 'x',
      },
      { at: 400, do: 'start' as const, team: 'acme', instance: 'c', hourly: '1', project: 'y' },
    ],
  };
  it.each(ofBudget({ test: seldom.slice(1), long: [['every second', 1_000], ...seldom] }))(
    'the interval of settlements, with budgets: %s',
    async (_, settleEveryMs) => {
      await expectAsWalked(surroundings, ofBudgets, 'budgets', { settleEveryMs });
    },
    120_000,
  );

  it('the workflow cache of the workers', async () => {
    await expectAsWalked(surroundings, story, 'no cache', { settleEveryMs: 60_000, maxCachedWorkflows: 0 });
  });
});

const TEAMS = ofBudget({ test: 4, long: 40 });

describe(`${5 * TEAMS} instances in ${TEAMS} teams`, () => {
  it('each end at the last second that their team can pay in full, and no team is overdrawn by a micro', async () => {
    const teams = Array.from({ length: TEAMS }, (_, index) => `team-${index}`);
    const scenario = {
      startAt: '2026-03-01T00:00:00Z',
      until: 40_000,
      teams: Object.fromEntries(teams.map((team, index) => [team, { deposit: `${15 + index}.00` }])),
      events: teams.flatMap((team, index) =>
        Array.from({ length: 5 }, (_, nth) => ({
          at: index + nth,
          do: 'start' as const,
          team,
          instance: `${team}-${nth}`,
          hourly: `${1 + index}.${String(7 + nth * 131_313).padStart(6, '0')}`,
        })),
      ),
    };
    await expectAsWalked(
      surroundings,
      { ...scenario, events: scenario.events.sort((a, b) => a.at - b.at) },
      'many instances',
    );
  });
});

describe('an invalid scenario', () => {
  const good = scenarioOf('01-one-hour-one-gpu');
  it.each([
    ['a number where money belongs', { ...good, events: [{ ...good.events[0], hourly: 2.49 }] }, /events\.0\.hourly/],
    ['too many places', { ...good, teams: { acme: { deposit: '1.2345678' } } }, /teams\.acme\.deposit/],
    [
      'an event of a team that is not there',
      { ...good, events: [{ ...good.events[0], team: 'nobody' }] },
      /events\.0\.team/,
    ],
    ['a second that is none', { ...good, until: 1.5 }, /until/],
    ['an event of no known kind', { ...good, events: [{ at: 0, do: 'dance' }] }, /events\.0/],
  ])('is refused with the place of the fault: %s', (_, scenario, place) => {
    expect(() => readScenario(scenario)).toThrow(place);
  });
});
