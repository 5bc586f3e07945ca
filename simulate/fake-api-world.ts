/** A world of the api for benches and tests: the ledger is real, and each neighbour that is not given refuses every call. */
import { createReconciler } from '../activities/reconciliation/reconcile.ts';
import { createLogger } from '../api/http/log.ts';
import type { ApiWorld } from '../api/world.ts';
import { micros } from '../billing/money.ts';
import { createLedger } from '../ledger/index.ts';
import { SCENARIO_SETTINGS } from './settings.ts';

export function fakeApiWorld(change: Pick<ApiWorld, 'db'> & Partial<ApiWorld>): ApiWorld {
  const { db, settings = SCENARIO_SETTINGS, log = createLogger('silent') } = change;
  return {
    settings,
    log,
    ledger: createLedger({ db, settings }),
    engine: refusing('engine'),
    cards: refusing('cards'),
    stripeLooks: refusing('stripeLooks'),
    reconciler: createReconciler({ db, books: [], log }),
    verifyStripeEvent: () => {
      throw new Error('this world has no webhooks');
    },
    verifyCopperxEvent: null,
    deposits: {
      minMicros: micros(15_000_000),
      maxMicros: micros(5_000_000_000),
      presetsMicros: [50, 100, 200].map((amount) => micros(amount * 1_000_000)),
    },
    settleEveryMs: 3_600_000,
    platformKey: 'platform-key-of-a-fake-world',
    publicUrl: 'http://127.0.0.1',
    returnUrlOrigins: null,
    rateLimitPerMinute: 10 ** 9,
    trustedProxies: false,
    nowMs: Date.now,
    ...change,
  };
}

/** A neighbour with the given functions. All others, at any depth, reject with their name. */
export const refusing = <T extends object>(name: string, given: Partial<T> = {}): T =>
  new Proxy((() => Promise.reject(new Error(`this world has no ${name}`))) as unknown as T, {
    get: (_, key) => {
      if (key in given) return given[key as keyof T];
      // A promise that resolves to a neighbour would call its `then`.
      return key === 'then' ? undefined : refusing(`${name}.${String(key)}`);
    },
  });
