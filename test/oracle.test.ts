/** Tests the independent calculations in TypeScript and Python against the scenarios and each other. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectedResult, type Scenario, type ScenarioResult } from './oracle/oracle.ts';
import { pythonIsThere, pythonResults } from './oracle/python-oracle.ts';
import { randomBudgetScenario, randomScenario } from './oracle/random-scenario.ts';

const SEEDS = Array.from({ length: 25 }, (_, i) => i + 1);
const FOLDER = new URL('scenarios/', import.meta.url);

function read<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as T;
}

const cases = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json') && !file.endsWith('.expected.json'))
  .sort()
  .map((file) => {
    const name = file.slice(0, -'.json'.length);
    return { name, scenario: read<Scenario>(file), expected: read<ScenarioResult>(`${name}.expected.json`) };
  });

describe('the independent calculation', () => {
  it('finds the six given cases and the additional cases', () => {
    expect(cases.length).toBeGreaterThanOrEqual(18);
  });

  it.each(cases)('gives the exact expected result of $name', ({ scenario, expected }) => {
    expect(expectedResult(scenario)).toEqual(expected);
  });

  it('leaves the scenario unchanged', () => {
    const scenario = randomScenario(1);
    const before = structuredClone(scenario);
    expectedResult(scenario);
    expect(scenario).toEqual(before);
  });

  it('never ends below zero, nor owes while there is credit', () => {
    for (const seed of SEEDS) {
      for (const team of Object.values(expectedResult(randomScenario(seed)).teams)) {
        expect(team.balance).not.toContain('-');
        if (team.owed !== '0.000000') expect(team.balance, `seed ${seed}`).toBe('0.000000');
      }
    }
  });
});

describe('a random scenario', () => {
  it('is the same for the same seed, and differs for another seed', () => {
    expect(randomScenario(7)).toEqual(randomScenario(7));
    expect(randomScenario(8)).not.toEqual(randomScenario(7));
  });

  it('ends after about a hundred charges, for any speed of the instances', () => {
    const chargesOf = (seed: number) =>
      Object.values(expectedResult(randomScenario(seed)).teams).reduce((sum, team) => sum + team.deposits.length, 0);
    // Without the limit, this one comes to 372 charges.
    expect(chargesOf(1940594233)).toBe(100);
    for (const seed of SEEDS) expect(chargesOf(seed), `seed ${seed}`).toBeLessThan(140);
  });

  it('stays within the limits of the product', () => {
    for (const seed of SEEDS) {
      const { teams, events, until } = randomScenario(seed);
      let last = 0;
      for (const event of events) {
        expect(event.at).toBeGreaterThanOrEqual(last);
        expect(event.at).toBeLessThanOrEqual(until);
        last = event.at;
        if (event.do === 'deposit') expectBetween(event.amount, 15, 5000);
        if (event.do === 'start') expectBetween(event.hourly, 0.000001, 10_000);
        if (event.do === 'autoTopUp' && event.threshold !== undefined) expectBetween(event.threshold, 5, 500);
        if (event.do === 'autoTopUp' && event.amount !== undefined) expectBetween(event.amount, 15, 5000);
      }
      for (const team of Object.values(teams)) {
        if (team.deposit !== undefined) expectBetween(team.deposit, 15, 5000);
        if (team.autoTopUp !== undefined) expectBetween(team.autoTopUp.threshold, 5, 500);
        if (team.autoTopUp !== undefined) expectBetween(team.autoTopUp.amount, 15, 5000);
      }
    }
  });
});

describe.skipIf(!pythonIsThere())('the second independent calculation, in Python', () => {
  it('agrees on every case in the folder', () => {
    expect(pythonResults(cases.map(({ scenario }) => scenario))).toEqual(cases.map(({ expected }) => expected));
  });

  it('agrees on random scenarios', () => {
    const scenarios = [...SEEDS.map(randomScenario), ...SEEDS.slice(0, 12).map(randomBudgetScenario)];
    const theirs = pythonResults(scenarios);
    for (const [i, scenario] of scenarios.entries()) {
      expect(theirs[i], `seed ${SEEDS[i % SEEDS.length]}`).toEqual(expectedResult(scenario));
    }
  });
});

/** Compared as numbers only to see that a drawn amount lies within bounds. */
function expectBetween(amount: string, least: number, most: number): void {
  expect(amount).toMatch(/^\d+(\.\d{1,6})?$/);
  expect(Number(amount)).toBeGreaterThanOrEqual(least);
  expect(Number(amount)).toBeLessThanOrEqual(most);
}
