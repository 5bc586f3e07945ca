/** Runs the scenarios of test/scenarios, and random scenarios, through the pure rules. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectedResult, type Scenario } from '../oracle/oracle.ts';
import { randomBudgetScenario, randomScenario } from '../oracle/random-scenario.ts';
import { ofBudget } from '../support/budget.ts';
import { pureRun } from './pure-run.ts';

const SCENARIOS = join(import.meta.dirname, '..', 'scenarios');
const read = (name: string) => JSON.parse(readFileSync(join(SCENARIOS, name), 'utf8'));
const names = readdirSync(SCENARIOS).filter((name) => !name.endsWith('.expected.json'));

describe('the pure rules', () => {
  it.each(names)('give the worked result of %s', (name) => {
    expect(pureRun(read(name))).toEqual(read(name.replace('.json', '.expected.json')));
  });

  const last = ofBudget({ test: 300, long: 2000 });
  it(`give the result of the second-by-second walk for the random scenarios 1 to ${last}`, () => {
    for (let seed = 1; seed <= last; seed += 1) {
      const scenario: Scenario = randomScenario(seed);
      const actual = pureRun(scenario);
      const expected = expectedResult(scenario);
      if (JSON.stringify(sorted(actual)) !== JSON.stringify(sorted(expected)))
        expect(actual, `seed ${seed}: ${JSON.stringify(scenario)}`).toEqual(expected);
    }
  });

  const lastOfBudgets = ofBudget({ test: 40, long: 1000 });
  it(`give the result of the walk for the random scenarios with budgets 1 to ${lastOfBudgets}, also with reads between`, () => {
    let met = 0;
    for (let seed = 1; seed <= lastOfBudgets; seed += 1) {
      const scenario = randomBudgetScenario(seed);
      const expected = expectedResult(scenario);
      met += Object.values(expected.teams).filter(({ emails }) =>
        emails.some(({ kind }) => kind === 'budget_met'),
      ).length;
      expect(pureRun(scenario), `seed ${seed}: ${JSON.stringify(scenario)}`).toEqual(expected);
      let last = 0;
      const busy = pureRun(scenario, (look, settle, second) => {
        const middle = last + Math.floor((second - last) / 2);
        for (const team of Object.keys(scenario.teams)) look(team, middle);
        for (const event of scenario.events) if (event.do === 'start') settle(event.instance, second);
        last = second;
      });
      expect(busy, `seed ${seed}, with reads`).toEqual(expected);
    }
    expect(met).toBeGreaterThan(lastOfBudgets / 2);
  });

  it('give the same bill for any reads and settlements in between', () => {
    for (let seed = 1; seed <= ofBudget({ test: 100, long: 300 }); seed += 1) {
      const scenario = randomScenario(seed);
      let last = 0;
      const busy = pureRun(scenario, (look, settle, second) => {
        const middle = last + Math.floor((second - last) / 2);
        for (const team of Object.keys(scenario.teams)) look(team, middle);
        for (const event of scenario.events) if (event.do === 'start') settle(event.instance, second);
        last = second;
      });
      expect(busy, `seed ${seed}`).toEqual(expectedResult(scenario));
    }
  });
});

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : value && typeof value === 'object'
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, inner]) => [key, sorted(inner)]),
        )
      : value;
