import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Surroundings, startSurroundings } from '../../simulate/surroundings.ts';
import { randomScenario } from '../oracle/random-scenario.ts';
import { expectAsWalked } from './support.ts';

/** Half are the same in every run, so that a run can be compared with the last; half are new, so that runs add up. */
const KNOWN = 50;
const NEW = 50;
const firstNew = Number(process.env.BURNRATE_SEED ?? randomInt(1_000, 2 ** 31));
const seeds = [...Array(KNOWN).keys(), ...Array.from({ length: NEW }, (_, index) => firstNew + index)];

const HOUR_MS = 3_600_000;
const INTERVALS_MS = [0, HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS];

let surroundings: Surroundings;
beforeAll(async () => {
  surroundings = await startSurroundings();
}, 120_000);
afterAll(() => surroundings.stop());

describe(`random scenarios through the real engine (the new ones from BURNRATE_SEED=${firstNew})`, () => {
  it.each(seeds)(
    'seed %i comes to what a walk second by second comes to',
    async (seed) => {
      const scenario = randomScenario(seed);
      const settleEveryMs = INTERVALS_MS[seed % INTERVALS_MS.length] ?? 0;
      await expectAsWalked(surroundings, scenario, `seed ${seed}`, { settleEveryMs });
    },
    180_000,
  );
});
