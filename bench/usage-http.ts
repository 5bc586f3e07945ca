/** Token usage through the HTTP api, with the parts of which a call's time is made. */
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { coalesced } from '../activities/coalesced-wakes.ts';
import type { WorkflowWakes } from '../activities/world.ts';
import { createApp, routesOf } from '../api/app.ts';
import type { Engine } from '../api/engine/engine.ts';
import { createMetrics } from '../api/http/metrics.ts';
import type { ApiWorld } from '../api/world.ts';
import type { Ledger } from '../ledger/index.ts';
import type { UsageCall } from '../ledger/usage.ts';
import type { SaidUsage } from '../ledger/usage-prices.ts';
import type { Db } from '../prisma/client.ts';
import { fakeApiWorld, refusing } from '../simulate/fake-api-world.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../simulate/settings.ts';
import type { Measured } from './measured.ts';
import {
  BATCH,
  BATCHES,
  callsOf,
  line,
  median,
  perSecond,
  ROUNDS,
  SECOND,
  SMALL,
  SMALL_CALLERS,
  SMALL_CALLS,
} from './usage-calls.ts';

const KEY = 'platform-key-of-the-bench';

/** The database that a bench records in, and the acts that record there. */
interface Place {
  db: Db;
  ledger: Ledger;
}

/** An api whose engine takes every wake at once, with the times of its parts. */
export async function overHttp(place: Place, store: number, storeSmall: number): Promise<Measured[]> {
  const spent = { transaction: 0, flushes: 0, wake: 0 };
  const timed = async <T>(part: 'transaction' | 'wake', work: Promise<T>): Promise<T> => {
    const started = performance.now();
    return work.finally(() => {
      spent[part] += performance.now() - started;
    });
  };
  const world = worldOf(place, {
    record: (calls) => {
      spent.flushes += 1;
      return timed('transaction', place.ledger.recordUsageOf(calls));
    },
    wake: () => timed('wake', Promise.resolve()),
  });
  const server = createServer(createApp(world)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: SMALL_CALLERS });
  const bodies = (calls: UsageCall[]) =>
    calls.map(({ events }) => Buffer.from(JSON.stringify({ events: events.map(said) })));
  const measurements: Measured[] = [];
  try {
    for (const [size, count, callers, reference] of [
      [BATCH, BATCHES, 8, store],
      [SMALL, SMALL_CALLS, SMALL_CALLERS, storeSmall],
    ] as const) {
      await perSecond(bodies(callsOf(10, size)), size, callers, (body) => post(port, agent, body));
      Object.assign(spent, { transaction: 0, flushes: 0, wake: 0 });
      const figures: number[] = [];
      let waited = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const answered = await perSecond(bodies(callsOf(count, size)), size, callers, async (body) => {
          const started = performance.now();
          await post(port, agent, body);
          waited += performance.now() - started;
        });
        figures.push(answered);
      }
      const calls = count * ROUNDS;
      const msPerCall = {
        ...partsOf(world, callsOf(1, size)[0]?.events ?? []),
        'transaction, shared by the calls of a flush': spent.transaction / spent.flushes,
        'calls a flush': calls / spent.flushes,
        wake: spent.wake / calls,
        'all that a caller waits': waited / calls,
      };
      const what = `POST /v1/usage, ${callers} callers with ${size} events each`;
      measurements.push(line(what, median(figures), 'the store alone', reference, { msPerCall: rounded(msPerCall) }));
    }
    return measurements;
  } finally {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  }
}

const said = ({ eventId: id, teamId: team, model, project, inputTokens, outputTokens }: SaidUsage) => ({
  ...{ id, team, model, project, inputTokens, outputTokens },
});

const rounded = (parts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, Number(value.toFixed(3))]));

/** Node's own work for one call, each part measured separately. */
function partsOf(world: ApiWorld, events: readonly SaidUsage[]): Record<string, number> {
  const body = JSON.stringify({ events: events.map(said) });
  const route = routesOf(world, createMetrics(world)).find(({ path }) => path === '/v1/usage');
  const answer = { events: events.map(({ eventId }) => ({ id: eventId, status: 'accepted', cost: '0.006400' })) };
  const timed = (work: () => unknown): number => {
    const started = performance.now();
    for (let time = 0; time < 50; time += 1) work();
    return (performance.now() - started) / 50;
  };
  return {
    parse: timed(() => JSON.parse(body)),
    validate: timed(() => route?.body.safeParse(JSON.parse(body))) - timed(() => JSON.parse(body)),
    serialise: timed(() => JSON.stringify(answer)),
  };
}

function post(port: number, agent: Agent, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      Authorization: `Bearer ${KEY}`,
      'Content-Type': 'application/json',
      'Content-Length': body.length,
    };
    const sent = request({ port, agent, method: 'POST', path: '/v1/usage', headers }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`answered ${response.statusCode}`)),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function worldOf(
  { db, ledger }: Place,
  { record, wake }: { record: Ledger['recordUsageOf']; wake: () => Promise<void> },
): ApiWorld {
  const fakeWakes = refusing<WorkflowWakes>('wake', coalesced({ watch: wake, watchSoon: wake }));
  return fakeApiWorld({
    db,
    settings: SETTINGS,
    ledger: { ...ledger, recordUsageOf: record },
    engine: refusing<Engine>('engine', { wake: fakeWakes }),
    platformKey: KEY,
    nowMs: () => SECOND * 1000,
  });
}
