/** The real engine of a test file, with a database and skipped time of its own, started and closed around the tests. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import { type Engine, startEngine } from '../../simulate/engine.ts';
import { SCENARIO_SETTINGS } from '../../simulate/settings.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { shareSurroundings } from './surroundings.ts';

/** Shares the neighbours of the run for the tests of a file. `begin` receives them before the first test. */
export function useSurroundings(begin: (surroundings: Surroundings) => unknown): void {
  let surroundings: Surroundings | undefined;
  beforeAll(async () => {
    surroundings = await shareSurroundings();
    await begin(surroundings);
  });
  afterAll(() => surroundings?.stop());
}

/** The parts around an engine: the shared neighbours, and a stand-in of Stripe that no other file uses. */
interface Around {
  surroundings: Surroundings;
  standIn: StripeStandIn;
}

/**
 * Starts one engine for all tests of a file. `begin` receives the engine before the first test. After the tests, the
 * ledger must balance.
 */
export function useEngine(begin: (engine: Engine, around: Around) => unknown): void {
  let open: { engine: Engine; standIn: StripeStandIn } | undefined;
  useSurroundings(async (surroundings) => {
    const standIn = await startStripeStandIn();
    const engine = await startEngine(surroundings, { settings: SCENARIO_SETTINGS, standIn });
    open = { engine, standIn };
    await begin(engine, { surroundings, standIn });
  });
  afterAll(async () => {
    if (!open) return;
    await close(open.engine);
    await open.standIn.close();
  });
}

/** Starts an engine for each test of a file. After each test, the ledger must balance. */
export function useEngineEach(begin: (engine: Engine, surroundings: Surroundings) => unknown): void {
  let surroundings: Surroundings;
  let engine: Engine | undefined;
  useSurroundings((shared) => {
    surroundings = shared;
  });
  beforeEach(async () => {
    engine = await startEngine(surroundings, { settings: SCENARIO_SETTINGS });
    await begin(engine, surroundings);
  });
  afterEach(async () => {
    const ended = engine;
    engine = undefined;
    if (ended) await close(ended);
  });
}

async function close(engine: Engine): Promise<void> {
  try {
    expect(await trialBalance(engine.db)).toMatchObject({ balanced: true, differences: [] });
  } finally {
    await engine.close();
  }
}
