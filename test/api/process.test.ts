/** Tests the api as a process: missing settings, start without Temporal, and shutdown. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../embedded/ports.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'api', 'main.ts');
const KEY = 'a-platform-key-of-tests';
let database: TestDatabase;

beforeAll(async () => {
  database = await newDatabase();
});
afterAll(() => database.close());

const run = (environment: Record<string, string>) => {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return { child, ended: once(child, 'exit'), output: () => output };
};

const environment = async () => ({
  DATABASE_URL: database.url,
  // Nobody is there: the api serves what it can.
  TEMPORAL_ADDRESS: '127.0.0.1:9',
  STRIPE_SECRET_KEY: 'sk_test_x',
  STRIPE_WEBHOOK_SECRET: 'whsec_x',
  SMTP_URL: 'smtp://127.0.0.1:9',
  MAIL_FROM: 'billing@example.com',
  PLATFORM_WEBHOOK_URL: 'http://127.0.0.1:9',
  PLATFORM_WEBHOOK_SECRET: 'x'.repeat(16),
  BURNRATE_PLATFORM_KEY: KEY,
  PUBLIC_URL: 'http://127.0.0.1',
  PORT: String(await freePort()),
});

it('the api names the missing settings, and exits', async () => {
  const { DATABASE_URL: _, ...incomplete } = await environment();
  const { ended, output } = run(incomplete);
  expect((await ended)[0]).toBe(1);
  expect(output()).toContain('DATABASE_URL is not set');
});

it('the api serves calls without Temporal, and exits on SIGTERM after the calls in progress', async () => {
  const given = await environment();
  const { child, ended, output } = run(given);
  const url = `http://127.0.0.1:${given.PORT}`;
  const call = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json', ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
    // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the api answers.
    return { status: response.status, body: (await response.json()) as any };
  };
  await expect.poll(() => call('GET', '/healthz').catch(() => null)).toMatchObject({ status: 200 });
  expect(await call('GET', '/readyz')).toMatchObject({ status: 503, body: { database: true, temporal: false } });
  expect(await call('POST', '/v1/teams', { id: 't', name: 'T', email: 't@example.com' })).toMatchObject({
    status: 201,
  });
  expect(await call('POST', '/v1/teams/t/grants', { amount: '10', note: 'n' })).toMatchObject({ status: 201 });

  const order = { team: 't', gpuType: 'g', region: 'r', pricing: 'spot', hourly: '1' };
  const start = call('POST', '/v1/instances', order, { 'Idempotency-Key': 'start' });
  // The claim of its key shows that the call is under way.
  await expect.poll(() => database.db.idempotentCall.count({ where: { key: 'start' } })).toBe(1);
  child.kill('SIGTERM');
  expect(await start).toMatchObject({ status: 503, body: { error: { code: 'engine_unavailable' } } });
  const [code] = await ended;
  expect(code, output()).toBe(0);
  expect(output()).toContain('api has stopped');
  expect(output()).not.toContain(KEY);
  expect(await database.db.instance.count()).toBe(0);
});
