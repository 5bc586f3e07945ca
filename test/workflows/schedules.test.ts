/**
 * Tests the Temporal Schedule of the daily reconciliation, on a real server, because the time-skipping server has no
 * Schedules.
 */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { World } from '../../activities/index.ts';
import { dayBefore, secondOf } from '../../billing/time.ts';
import { startTemporalDevServer, type TemporalDevServer } from '../../embedded/temporal.ts';
import { installRuntime } from '../../worker/runtime.ts';
import { DAILY_RECONCILIATION, keepSchedules, keepSchedulesIfPossible } from '../../worker/schedules.ts';
import { createWorkers } from '../../worker/workers.ts';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { SEARCH_ATTRIBUTES, workflowId } from '../../workflows/messages.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
let temporal: TemporalDevServer;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  installRuntime(SILENT);
  temporal = await startTemporalDevServer({ searchAttributes: SEARCH_ATTRIBUTES });
  connection = await Connection.connect({ address: temporal.address });
  client = new Client({ connection, namespace: temporal.namespace });
});
afterAll(async () => {
  await connection.close();
  await temporal.stop();
});

const schedule = () => client.schedule.getHandle(DAILY_RECONCILIATION);

it('the daily reconciliation is scheduled once for 00:30 UTC, however many workers start, and stays paused if an operator paused it', async () => {
  await Promise.all([keepSchedules(client), keepSchedules(client), keepSchedules(client)]);
  const { spec, policies, state, info } = await schedule().describe();
  expect(spec.calendars).toMatchObject([{ hour: [{ start: 0 }], minute: [{ start: 30 }] }]);
  expect(policies).toMatchObject({ overlap: 'BUFFER_ALL' });
  expect(state.paused).toBe(false);
  const next = info.nextActionTimes[0];
  expect(next?.toISOString()).toMatch(/T00:30:00\.000Z$/);

  await schedule().pause('the provider asks for quiet');
  await keepSchedules(client);
  expect((await schedule().describe()).state.paused).toBe(true);
  await schedule().unpause();
});

it('missed days are each compared, under the id of the day before the scheduled time', async () => {
  await keepSchedules(client);
  const days: string[] = [];
  const nothing = {} as never;
  const world: World = {
    ledger: new Proxy(nothing, { get: () => async () => {} }),
    wake: new Proxy(nothing, { get: () => async () => {} }),
    payments: new Proxy(nothing, { get: () => async () => {} }),
    refunds: new Proxy(nothing, { get: () => async () => {} }),
    disputes: new Proxy(nothing, { get: () => async () => {} }),
    mailer: { sendMail: async () => {}, deliverMail: async () => {} },
    platform: {
      terminateMachine: async () => {},
      terminateMachines: async () => {},
      sendEvent: async () => {},
      deliverEvent: async () => {},
    },
    reconciliation: {
      reconcileDay: async ({ day }) => {
        days.push(day);
        return { day, compared: 0, differences: 0 };
      },
    },
  };
  const native = await NativeConnection.connect({ address: temporal.address });
  const workers = await createWorkers({
    connection: native,
    namespace: temporal.namespace,
    world,
    workflowBundle: await bundleWorkflows(),
    shutdownGraceTime: '1 second',
  });
  const running = workers.run();
  try {
    const [start, end] = ['2026-03-01T00:00:00Z', '2026-03-04T00:00:00Z'].map((at) => new Date(at)) as [Date, Date];
    await schedule().backfill([{ start, end, overlap: 'BUFFER_ALL' }]);
    const expected = ['2026-02-28', '2026-03-01', '2026-03-02'];
    // At 00:30 UTC the Schedule also starts the day before today by itself.
    const backfilled = () => days.filter((day) => day !== dayBefore(secondOf(Date.now())));
    await expect.poll(() => backfilled().sort()).toEqual(expected);
    for (const day of expected)
      expect(await client.workflow.getHandle(workflowId.reconciliation(day)).result()).toMatchObject({ day });
  } finally {
    workers.shutdown();
    await running;
    await native.close();
  }
});

it('a worker starts without the Schedule when its creation fails, and logs the failure', async () => {
  const logged: string[] = [];
  const away = { schedule: { create: () => Promise.reject(new Error('unimplemented')) } } as unknown as Client;
  await keepSchedulesIfPossible(away, { ...SILENT, error: (_fields, message) => void logged.push(message) });
  expect(logged).toEqual(['the daily reconciliation could not be scheduled']);
});
