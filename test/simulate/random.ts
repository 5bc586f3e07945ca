import { describe, it } from 'vitest';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { randomScenario } from '../oracle/random-scenario.ts';
import { ofBudget } from '../support/budget.ts';
import { useSurroundings } from '../support/use-engine.ts';
import { expectAsWalked } from './support.ts';

const HOUR_MS = 3_600_000;
const INTERVALS_MS = [0, HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS];

const SCENARIOS = ofBudget({ test: 2, long: 50 });

/** Runs scenarios, made from the seeds that begin at `firstSeed`, through the real engine and compares each with the walk. */
export function describeRandomScenarios(about: string, firstSeed: number): void {
  let surroundings: Surroundings;
  useSurroundings((shared) => {
    surroundings = shared;
  });

  describe(about, () => {
    it.each(Array.from({ length: SCENARIOS }, (_, index) => firstSeed + index))(
      'seed %i gives the result of a walk second by second',
      async (seed) => {
        const scenario = randomScenario(seed);
        const settleEveryMs = INTERVALS_MS[seed % INTERVALS_MS.length] ?? 0;
        await expectAsWalked(surroundings, scenario, `seed ${seed}`, { settleEveryMs });
      },
      180_000,
    );
  });
}
