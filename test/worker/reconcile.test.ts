/** Tests `npm run reconcile` as its own process. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishEnvironment, withdrawEnvironment } from '../../embedded/published.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { findReconciliation } from '../../prisma/reconciliations.ts';
import { readPublishedEnvironment } from '../../process/published.ts';
import { sdk } from '../embedded/stripe-helpers.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';

/** 2026-03-01T12:00:00Z */
const NOON_MS = 1_772_366_400_000;
const DAY = ['--day', '2026-03-01'];
const MAIN = join(import.meta.dirname, '..', '..', 'worker', 'reconcile.ts');
let database: TestDatabase;
let stripe: StripeStandIn;
let environment: Record<string, string>;
let dataDir: string;

beforeAll(async () => {
  [database, stripe] = await Promise.all([newDatabase(), startStripeStandIn({ now: () => NOON_MS })]);
  dataDir = await mkdtemp(join(tmpdir(), 'burnrate-reconcile-'));
  environment = { DATABASE_URL: database.url, STRIPE_SECRET_KEY: 'sk_test_books', STRIPE_API_BASE: stripe.url };
});
afterAll(async () => {
  await stripe.close();
  await database.close();
  await rm(dataDir, { recursive: true, force: true });
});

interface Ended {
  status: number;
  stdout: string;
  stderr: string;
}

const run = (args: string[], env: Record<string, string>): Promise<Ended> =>
  new Promise((resolve) => {
    const own = { PATH: process.env.PATH ?? '', BURNRATE_DATA_DIR: dataDir, ...env };
    execFile(
      process.execPath,
      ['--import', 'tsx', MAIN, ...args],
      { env: own, timeout: 120_000 },
      (error, stdout, stderr) => resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });

describe('npm run reconcile', () => {
  it('prints a day without differences, and exits 0', async () => {
    const { status, stdout, stderr } = await run(DAY, environment);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('2026-03-01: 0 rows compared, 0 differences, 0 under way, 0 foreign');
    expect(await findReconciliation(database.db, '2026-03-01')).toMatchObject({ differences: [] });
  });

  it('uses the neighbours of a running `npm start`, prints each difference with its meaning and the next step, and exits 1', async () => {
    await sdk(stripe).paymentIntents.create({
      amount: 5_000,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      confirm: true,
      metadata: { deposit: 'dep_lost', team: 'acme' },
    });
    await publishEnvironment(dataDir, environment);
    const { status, stdout } = await run(DAY, {});
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /2026-03-01T12:00:00Z {2}payment {2}dep_lost {2}pi_\w+ {2}- +50\.000000 +charge_without_deposit/,
    );
    expect(stdout).toContain('The provider took money for a deposit that the ledger does not have.');
    expect(stdout).toContain('refund the payment at the provider');
    expect(stdout).toContain('1 rows compared, 1 differences');
  });

  it('receives no settings after `npm start` has ended, and names the missing setting', async () => {
    await withdrawEnvironment(dataDir);
    expect(await readPublishedEnvironment(dataDir)).toEqual({});
    const { status, stderr } = await run(DAY, { STRIPE_SECRET_KEY: 'sk_test_books' });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: 'reconcile: The environment is not complete: DATABASE_URL is not set.\n',
    });
  });

  it.each([['--day', '2026-02-30'], ['--day', '9000-01-01'], ['--dya']])('refuses %s %s', async (...args) => {
    const { status, stderr } = await run(args, environment);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^reconcile: .*(day|--dya)/);
  });
});
