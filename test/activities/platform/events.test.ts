/** Tests the events to the platform: stop orders and notices, their signature, retries and confirmations. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createPlatformEvents } from '../../../activities/platform/events.ts';
import { micros } from '../../../billing/money.ts';
import { type PlatformStandIn, startPlatformStandIn } from '../../../embedded/platform/index.ts';
import { createLedger } from '../../../ledger/index.ts';
import { findInstances } from '../../../prisma/instances.ts';
import { noticesOf } from '../../../prisma/notices.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../../simulate/settings.ts';
import { untilAnswered } from '../../support/activity.ts';
import { documentedContract } from '../../support/contract.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, NOW, newDeposit, newTeam, SILENT } from '../fixtures.ts';

const SECRET = `whsec_${Buffer.from('what the platform and we know').toString('base64')}`;

let database: TestDatabase;
let platform: PlatformStandIn;

beforeAll(async () => {
  [database, platform] = await Promise.all([newDatabase(), startPlatformStandIn({ secret: SECRET })]);
});
/** Each event is checked against the document that receivers are given. */
const contract = documentedContract();
afterEach(async () => {
  for (const { type, at, data, verified } of platform.events())
    if (verified) expect(contract.faultOfEvent({ type, timestamp: at, data })).toBeNull();
  await platform.setMode('ok');
  await platform.clear();
});
afterAll(async () => {
  await platform.stop();
  await database.close();
});

const events = (webhookUrl = platform.url) =>
  createPlatformEvents({ db: database.db, settings: SETTINGS, webhookUrl, secret: SECRET, log: SILENT });
const ledger = () => createLedger({ db: database.db, settings: SETTINGS });

/** A team whose one instance, at $4 an hour, ran until $13 were used up. */
async function exhausted() {
  const { id: teamId } = await newTeam(database.db);
  const depositId = await newDeposit(database.db, { teamId, kind: 'confirmed', amountMicros: dollars(13) });
  await ledger().creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
  const instanceId = `inst_${teamId}`;
  const spec = {
    id: instanceId,
    teamId,
    project: null,
    gpuType: 'H100',
    region: 'us-east-1',
    pricing: 'on_demand' as const,
    hourlyMicros: micros(4_000_000),
    shedOrder: null,
    resumedFrom: null,
    requestHash: 'x',
  };
  const call = { callId: instanceId, notAfterMs: Number.MAX_SAFE_INTEGER, nowMs: 0, receivedSecond: NOW };
  await ledger().admitInstance({ spec, rateMicrosPerHour: micros(4_000_000), ...call }, 'test');
  await ledger().lookAhead({ teamId, nowSecond: NOW + 20_000 }, 'test');
  return { teamId, depositId, instanceId };
}

async function noticeId(teamId: string, kind: string): Promise<string> {
  return (await noticesOf(database.db, teamId)).find((notice) => notice.kind === kind)?.id ?? '';
}

describe('an event to the platform', () => {
  it('orders the stop of a machine with its cost, and is signed', async () => {
    const { teamId, instanceId } = await exhausted();
    await events().terminateMachine({ instanceId });
    expect(platform.events()).toMatchObject([
      {
        type: 'instance.terminate',
        verified: true,
        answered: 200,
        data: {
          id: instanceId,
          team: teamId,
          reason: 'out_of_credits',
          startedAt: '2026-03-01T00:00:00Z',
          endedAt: '2026-03-01T03:15:00Z',
          seconds: 11_700,
          cost: '13.000000',
        },
      },
    ]);
  });

  it('reports low credit, used-up credit and new credit', async () => {
    const { teamId, depositId, instanceId } = await exhausted();
    for (const kind of ['deposit.succeeded', 'balance.low', 'balance.exhausted'])
      await events().sendEvent({ noticeId: await noticeId(teamId, kind), nowSecond: NOW });
    expect(platform.events()).toMatchObject([
      {
        type: 'deposit.succeeded',
        data: {
          team: teamId,
          deposit: depositId,
          amount: '13.000000',
          status: 'succeeded',
          at: '2026-03-01T00:00:00Z',
        },
      },
      { type: 'balance.low', data: { team: teamId, level: '10.000000' } },
      {
        type: 'balance.exhausted',
        data: {
          team: teamId,
          instances: [{ id: instanceId, endedAt: '2026-03-01T03:15:00Z', seconds: 11_700, cost: '13.000000' }],
        },
      },
    ]);
  });

  it('has one id in each retry, and another id than the event of another cause', async () => {
    const { teamId, instanceId } = await exhausted();
    const input = { noticeId: await noticeId(teamId, 'balance.exhausted'), nowSecond: NOW };
    await platform.setMode({ failNext: 2 });
    const { failures } = await untilAnswered(() => events().sendEvent(input));
    expect(failures).toHaveLength(2);
    expect(failures[0]).toMatchObject({ nonRetryable: false, message: 'platform: answered 503 to balance.exhausted' });
    await events().sendEvent(input);
    await events().terminateMachine({ instanceId });
    const ids = platform.events().map(({ id }) => id);
    expect(ids).toHaveLength(4);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(ids[3]).not.toBe(ids[0]);
    for (const id of ids) expect(id).toMatch(/^evt_[0-9a-f]{32}$/);
  });

  it('orders the stop of many machines at once, and confirmed machines are recorded and not ordered again', async () => {
    const [first, second] = [await exhausted(), await exhausted()];
    const instanceIds = [first.instanceId, second.instanceId, 'inst_none'];
    await platform.setMode({ failNext: 1 });
    await events().terminateMachines({ instanceIds, nowSecond: NOW + 20_001 });
    const confirmed = async () =>
      (await findInstances(database.db, instanceIds)).map((one) => one.terminatedConfirmedSecond).toSorted();
    expect(await confirmed()).toEqual([NOW + 20_001, null]);
    await events().terminateMachines({ instanceIds, nowSecond: NOW + 20_002 });
    expect(await confirmed()).toEqual([NOW + 20_001, NOW + 20_002]);
    await events().terminateMachines({ instanceIds, nowSecond: NOW + 20_003 });
    // One was refused, and was sent again under the same id.
    expect(
      platform
        .events()
        .map(({ answered }) => answered)
        .toSorted(),
    ).toEqual([200, 200, 503]);
    expect(new Set(platform.events().map(({ id }) => id)).size).toBe(2);
  });

  it('is sent once to stop a machine, though a watch and a workflow order the machine at the same moment, and again after a failure', async () => {
    const { instanceId } = await exhausted();
    const { terminateMachine, terminateMachines } = events();
    const both = () =>
      Promise.allSettled([
        terminateMachine({ instanceId }),
        terminateMachines({ instanceIds: [instanceId], nowSecond: NOW + 20_001 }),
        terminateMachine({ instanceId }),
      ]);
    await platform.setMode({ failNext: 1 });
    await expect(terminateMachine({ instanceId })).rejects.toThrow();
    await both();
    await both();
    expect(platform.events()).toMatchObject([{ answered: 503 }, { answered: 200 }]);
  });

  it('is delivered when the platform is available again', async () => {
    const { instanceId } = await exhausted();
    await platform.setMode('gone');
    const { failures } = await untilAnswered(
      () => events().terminateMachine({ instanceId }),
      async (count) => {
        if (count === 2) await platform.setMode('ok');
      },
    );
    expect(failures).toMatchObject([{ message: 'platform: ECONNREFUSED' }, { nonRetryable: false }]);
    expect(platform.events()).toMatchObject([{ type: 'instance.terminate', verified: true }]);
  });
});

it.each([301, 400, 404, 500])('an answer of %s is not a confirmation', async (status) => {
  const server = createServer((_request, response) => {
    response.writeHead(status, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { instanceId } = await exhausted();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await expect(events(url).terminateMachine({ instanceId })).rejects.toMatchObject({
    nonRetryable: false,
    message: `platform: answered ${status} to instance.terminate`,
  });
  server.close();
});

it('a machine whose instance still runs is not stopped', async () => {
  await expect(events().terminateMachine({ instanceId: 'inst_none' })).rejects.toMatchObject({ nonRetryable: true });
  expect(platform.events()).toEqual([]);
});
