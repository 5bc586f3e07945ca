/** Runs random scenarios with a new seed in each run. BURNRATE_SEED repeats a run. */
import { randomInt } from 'node:crypto';
import { describeRandomScenarios } from './random.ts';

const firstSeed = Number(process.env.BURNRATE_SEED ?? randomInt(1_000, 2 ** 31));
describeRandomScenarios(`random scenarios of this run's own (BURNRATE_SEED=${firstSeed})`, firstSeed);
