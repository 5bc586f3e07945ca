import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readScenario } from '../../simulate/scenario.ts';
import { type SimulateOptions, simulate } from '../../simulate/simulate.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { expectedResult, type Scenario, type ScenarioResult } from '../oracle/oracle.ts';

const SCENARIOS = join(import.meta.dirname, '..', 'scenarios');

export const scenarioNames = readdirSync(SCENARIOS)
  .filter((name) => name.endsWith('.json') && !name.endsWith('.expected.json'))
  .map((name) => name.replace('.json', ''))
  .sort();

const read = (file: string) => JSON.parse(readFileSync(join(SCENARIOS, file), 'utf8'));
export const scenarioOf = (name: string): Scenario => read(`${name}.json`);
export const expectedOf = (name: string): ScenarioResult => read(`${name}.expected.json`);

export const run = (surroundings: Surroundings, scenario: Scenario, options?: SimulateOptions) =>
  simulate(surroundings, readScenario(scenario), options);

/** The engine's result against the independent walk; a difference shows the whole scenario, so that it can be run again. */
export async function expectAsWalked(
  surroundings: Surroundings,
  scenario: Scenario,
  about: string,
  options?: SimulateOptions,
) {
  const description = `${about}\n${JSON.stringify(scenario)}`;
  let actual: unknown;
  try {
    actual = await run(surroundings, scenario, options);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${description}`, { cause: error });
  }
  expect(actual, description).toEqual(expectedResult(scenario));
}
