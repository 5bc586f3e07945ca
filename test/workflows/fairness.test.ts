/**
 * Tests, on a real Temporal server with a backlog of one team, the order in which tasks of other teams are served. The
 * order is counted in tasks, so that a busy machine does not change the result.
 */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { coalesced } from '../../activities/coalesced-wakes.ts';
import type { World } from '../../activities/index.ts';
import { startTemporalDevServer, type TemporalDevServer } from '../../embedded/temporal.ts';
import { installRuntime } from '../../worker/runtime.ts';
import { createWorkers, type Workers } from '../../worker/workers.ts';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { type InstanceInput, SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { createWorkflowWakes } from '../../workflows/signals.ts';
import { startOptions } from '../../workflows/start-options.ts';
import { admitted, ended, outlook, policyOff, RATE } from './given.ts';

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
/** Starts of team `big`, all of the same priority as a start of team `small`. */
const STARTS = 160;
const NOTICES = 120;
/** Teams with one mail each, requested after all mails of team `big`. */
const SMALL_TEAMS = Array.from({ length: 12 }, (_, i) => `small${i}`);
/** Room for the tasks that a worker takes before the server has read its whole backlog. */
const EARLY = 50;

let temporal: TemporalDevServer;
let connection: Connection;
let native: NativeConnection;
let workers: Workers;
let running: Promise<void>;
let client: Client;
/** What was asked of the ledger, with the team, in order. */
const asked: string[] = [];

beforeAll(async () => {
  installRuntime(QUIET);
  temporal = await startTemporalDevServer({ searchAttributes: SEARCH_ATTRIBUTES });
  connection = await Connection.connect({ address: temporal.address });
  native = await NativeConnection.connect({ address: temporal.address });
  client = new Client({ connection, namespace: temporal.namespace });
}, 180_000);
afterAll(async () => {
  workers?.shutdown();
  await running;
  await native?.close();
  await connection?.close();
  await temporal?.stop();
}, 60_000);

const startInstance = (teamId: string, id: string) =>
  client.workflow.start('instance', startOptions.instance({ ...INPUT, spec: { ...INPUT.spec, id, teamId } }, 'req'));
const INPUT: InstanceInput = {
  spec: {
    ...{ id: '', teamId: '', project: null, gpuType: 'H100', region: 'eu-1', pricing: 'on_demand' },
    ...{ hourlyMicros: null, shedOrder: null, resumedFrom: null, requestHash: 'one' },
  },
  ...{
    rateMicrosPerHour: RATE,
    receivedSecond: 0,
    callId: 'call',
    notAfterMs: 0,
    settleEveryMs: 0,
    admission: admitted(),
  },
};

async function inLanes(count: number, act: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: 20 }, lane));
}

/** A world that answers what ends each workflow soonest, and remembers who asked. */
function world(): World {
  const heard =
    <T>(what: string, teamOf: (input: never) => string, answer: T) =>
    async (input: never): Promise<T> => {
      asked.push(`${what} ${teamOf(input)}`);
      return answer;
    };
  const ofTeam = ({ teamId }: { teamId: string }) => teamId;
  const ledger = {
    settleInstance: heard(
      'start',
      ({ instanceId }: { instanceId: string }) => instanceId.split('-')[0] ?? '',
      ended('inst', 'stopped', true),
    ),
    lookAhead: heard('look', ofTeam, { ...outlook(), ended: null }),
    openAttempt: heard('attempt', ofTeam, policyOff),
    claimNotice: heard('notice', ({ noticeId }: { noticeId: string }) => noticeId.split('/')[0] ?? '', 'sent'),
  };
  return { ledger, ...neighbours() } as unknown as World;
}

const neighbours = () =>
  Object.fromEntries(
    ['tell', 'payments', 'refunds', 'disputes', 'mailer', 'platform', 'reconciliation'].map((name) => [
      name,
      new Proxy({}, { get: () => async () => {} }),
    ]),
  );

const untilAsked = (what: string, times = 1) =>
  expect.poll(() => asked.filter((one) => one === what).length, { timeout: 60_000 }).toBe(times);

it('The tasks of a team take their turn however many tasks of another team wait, and urgent tasks come first.', async () => {
  const tell = createWorkflowWakes(client);
  await inLanes(NOTICES, (i) => tell.notice({ noticeId: `big/${i}`, teamId: 'big', channel: 'mail' }));
  await inLanes(STARTS, (i) => startInstance('big', `big-${i}`));
  for (const teamId of SMALL_TEAMS) await tell.notice({ noticeId: `${teamId}/0`, teamId, channel: 'mail' });
  await startInstance('small', 'small-0');
  await tell.watch('small');
  await tell.autoTopUp('small');

  workers = await createWorkers({
    ...{ connection: native, namespace: temporal.namespace, world: world(), shutdownGraceTime: '1 second' },
    workflowBundle: await bundleWorkflows(),
  });
  running = workers.run();
  await untilAsked('start big', STARTS);
  await untilAsked('notice big', NOTICES);
  for (const teamId of SMALL_TEAMS) await untilAsked(`notice ${teamId}`);

  const placeOf = (what: string) => asked.indexOf(what);
  expect(placeOf('look small')).toBeGreaterThanOrEqual(0);
  expect(placeOf('look small')).toBeLessThan(EARLY);
  expect(placeOf('attempt small')).toBeLessThan(EARLY);
  expect(placeOf('start small')).toBeLessThan(EARLY);
  // Mails come after starts, although they arrived first.
  const meanPlace = (what: string) => {
    const places = asked.flatMap((one, place) => (one === what ? [place] : []));
    return places.reduce((sum, place) => sum + place, 0) / places.length;
  };
  expect(meanPlace('notice big')).toBeGreaterThan(meanPlace('start big'));
  const mails = asked.filter((what) => what.startsWith('notice'));
  const places = SMALL_TEAMS.map((teamId) => mails.indexOf(`notice ${teamId}`));
  expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...places)).toBeLessThan(NOTICES / 2);
}, 120_000);

it('A burst of three hundred wakes of one team causes one read a second.', async () => {
  const tell = coalesced(createWorkflowWakes(client));
  const startedMs = performance.now();
  await inLanes(300, () => tell.watch('burst'));
  const seconds = Math.ceil((performance.now() - startedMs) / 1_000);
  await tell.watch('last');
  await untilAsked('look last');
  expect(asked.filter((what) => what === 'look burst').length).toBeLessThanOrEqual(2 + 2 * seconds);
}, 60_000);
