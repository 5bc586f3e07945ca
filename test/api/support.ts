/** The real app over HTTP on a real Postgres; the engine behind it is real (engine.ts) or one that tests command. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cards } from '../../activities/stripe/cards.ts';
import { verifyStripeEvent } from '../../activities/stripe/events.ts';
import { createApp } from '../../api/app.ts';
import type { Engine } from '../../api/engine/engine.ts';
import type { CallTimes } from '../../api/http/deadlines.ts';
import { createLogger } from '../../api/http/log.ts';
import type { ApiWorld } from '../../api/world.ts';
import { BillingError } from '../../billing/errors.ts';
import { createLedger } from '../../ledger/index.ts';
import { type Db, type DbOptions, inTransaction } from '../../prisma/client.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import { removePaymentMethod, savePaymentMethod } from '../../prisma/payment-methods.ts';
import { getRefund } from '../../prisma/refunds.ts';
import { fakeApiWorld } from '../../simulate/fake-api-world.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';
import { servedContract } from '../support/contract.ts';
import { newDatabase } from '../support/database.ts';

export const PLATFORM_KEY = 'platform-key-for-tests';
export const WEBHOOK_SECRET = 'whsec_for_tests';
export { SETTINGS };

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the api answers.
  body: any;
}

export interface CallOptions {
  key?: string | null;
  body?: unknown;
  /** A body as it is, instead of JSON. */
  raw?: string | Buffer;
  headers?: Record<string, string>;
}

export type Send = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

export interface Api {
  url: string;
  db: Db;
  /** Connects as the owner of the tables: for what the runtime role may not do. */
  owner: Db;
  ownerUrl: string;
  databaseUrl: string;
  world: ApiWorld;
  /** How far the api's clock is ahead, of this machine's or of the moment at which a test stopped it. */
  clock: { aheadMs: number; stoppedMs: number | null };
  /** What was logged, a parsed line each. */
  logged: Array<Record<string, unknown>>;
  send: Send;
  get(path: string, options?: CallOptions): Promise<Answer>;
  post(path: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  put(path: string, body: unknown, options?: CallOptions): Promise<Answer>;
  close(): Promise<void>;
}

/** So that what many calls come to depends on no machine; the tests of the times set their own. */
const PATIENT: CallTimes = {
  commitMs: 20_000,
  lastStatementMs: 25_000,
  answerMs: 28_000,
};

/** Serves the app on a database of its own. `world` replaces what a test needs to be otherwise. */
export async function startApi(
  world: (db: Db, databaseUrl: string) => Partial<ApiWorld>,
  dbOptions?: DbOptions,
): Promise<Api> {
  const database = await newDatabase(dbOptions);
  const { db } = database;
  const logged: Api['logged'] = [];
  const clock: Api['clock'] = { aheadMs: 0, stoppedMs: null };
  const change = world(db, database.url);
  const log = createLogger('debug', { write: (line: string) => void logged.push(JSON.parse(line)) });
  const whole = fakeApiWorld({
    db,
    log,
    cards: commandedCards(db),
    stripeLooks: {
      depositOfIntent: async () => null,
      refundsOfIntent: async () => [],
      disputesOfIntent: async () => [],
      isKnown: async () => false,
    },
    verifyStripeEvent: (rawBody, signature) => verifyStripeEvent(rawBody, signature, WEBHOOK_SECRET),
    platformKey: PLATFORM_KEY,
    rateLimitPerMinute: 100_000,
    nowMs: () => (clock.stoppedMs ?? Date.now()) + clock.aheadMs,
    callTimes: PATIENT,
    capacity: { longestWaitMs: 20_000 },
    ...change,
  });
  const server = createServer(createApp(whole)).listen(0, '127.0.0.1');
  // On a busy machine the client may use a connection at the moment at which the server closes it as idle.
  server.keepAliveTimeout = 120_000;
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const contract = await servedContract(url);
  /** Each answer is held against the served document, so that a route and its description cannot disagree. */
  const send: Send = async (method, path, { key = PLATFORM_KEY, body, raw, headers = {} } = {}) => {
    const sent = raw ?? (body === undefined ? null : JSON.stringify(body));
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(key !== null && { Authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: sent,
    });
    const text = await response.text();
    const { status, headers: answered } = response;
    contract.check({
      method,
      path,
      requestBody: raw === undefined ? body : undefined,
      status,
      headers: answered,
      text,
    });
    const isJson = answered.get('content-type')?.includes('json');
    return { status, headers: answered, text, body: isJson && text !== '' ? JSON.parse(text) : undefined };
  };

  return {
    url,
    db,
    owner: database.owner,
    ownerUrl: database.ownerUrl,
    databaseUrl: database.url,
    world: whole,
    clock,
    logged,
    send,
    get: (path, options) => send('GET', path, options),
    post: (path, body, options) => send('POST', path, { body, ...options }),
    put: (path, body, options) => send('PUT', path, { body, ...options }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await database.close();
    },
  };
}

export interface CommandedApi extends Api {
  engine: CommandedEngine;
}

/** The app with an engine that the test commands. */
export async function startCommandedApi(change: Partial<ApiWorld> = {}, dbOptions?: DbOptions): Promise<CommandedApi> {
  let engine: CommandedEngine | undefined;
  const api = await startApi((db) => {
    engine = commandedEngine(db, change.settings);
    return { engine, ...change };
  }, dbOptions);
  return Object.assign(api, { engine: engine as CommandedEngine });
}

/** An engine that does at once, in the ledger, what the workflows would do; tests take it away, slow it down, listen to it. */
export interface CommandedEngine extends Engine {
  /** Away: nothing is received and everything fails. */
  away: boolean;
  /** Deaf: what is sent is received, yet no answer comes back. */
  deaf: boolean;
  /** What the next charge of a saved card comes to. */
  charge: 'succeeds' | 'declines' | 'waits';
  /** Why a charge that declines fails. */
  failureCode: string;
  /** What the card provider says of the next refund. */
  refunding: 'succeeds' | 'refuses' | 'waits';
  /** What becomes of a start: its workflow sees it, waits without a worker, or is not accepted. */
  starting: 'seen' | 'unseen' | 'unaccepted';
  sentWakes: string[];
  starts: number;
}

export function commandedEngine(db: Db, settings = SETTINGS): CommandedEngine {
  const ledger = createLedger({ db, settings });
  const answering = async <T>(work: () => Promise<T>): Promise<T> => {
    if (engine.away) throw new BillingError('engine_unavailable', 'away');
    const answer = await work();
    if (engine.deaf) throw new BillingError('engine_unavailable', 'deaf');
    return answer;
  };
  const recordWake = (what: string) => (id: string) =>
    answering(async () => void engine.sentWakes.push(`${what} ${id}`));
  const engine: CommandedEngine = {
    away: false,
    deaf: false,
    charge: 'succeeds',
    failureCode: 'insufficient_funds',
    refunding: 'succeeds',
    starting: 'seen',
    sentWakes: [],
    starts: 0,
    startInstance: (input) =>
      answering(async () => {
        engine.starts += 1;
        if (engine.starting === 'unaccepted') throw new Error('the connection was lost');
        if (engine.starting === 'unseen') return;
        await ledger.settleInstance({ instanceId: input.spec.id, nowSecond: input.receivedSecond }, 'test');
      }),
    startReservation: (input) =>
      answering(async () => {
        engine.starts += 1;
        if (engine.starting === 'unaccepted') throw new Error('the connection was lost');
        if (engine.starting === 'unseen') return;
        await ledger.settleReservation({ reservationId: input.spec.id, nowSecond: input.receivedSecond }, 'test');
      }),
    deposit: (input) =>
      answering(async () => {
        const { depositId } = input;
        engine.starts += 1;
        if (engine.starting === 'unaccepted') throw new BillingError('engine_unavailable', 'the connection was lost');
        if (engine.starting === 'unseen') return { status: 'pending', checkoutUrl: null };
        const order = await ledger.getDepositOrder({ depositId });
        const declines = engine.charge === 'declines';
        if (order.kind === 'crypto' && !declines) {
          const checkoutUrl = `https://crypto.example/${depositId}`;
          await ledger.noteDeposit({ depositId, change: { checkoutUrl, copperxSessionId: `session_${depositId}` } });
          return { status: 'pending', checkoutUrl };
        }
        if (order.kind === 'checkout') {
          const checkoutUrl = `https://checkout.example/${depositId}`;
          await ledger.noteDeposit({ depositId, change: { checkoutUrl, stripeSessionId: `cs_${depositId}` } });
          return { status: 'pending', checkoutUrl };
        }
        const nowSecond = (await getDeposit(db, depositId)).openedSecond;
        await ledger.noteDeposit({ depositId, change: { cardBrand: 'visa', cardLast4: '4242' } });
        if (engine.charge === 'waits') return { status: 'pending', checkoutUrl: null };
        const closed =
          engine.charge === 'succeeds'
            ? await ledger.creditDeposit({ depositId, nowSecond, receiptUrl: null }, 'test')
            : await ledger.failDeposit(
                { depositId, nowSecond, status: 'failed', failureCode: engine.failureCode },
                'test',
              );
        return { status: closed.status, checkoutUrl: null };
      }),
    lookAt: {
      deposit: ({ depositId }) => recordWake('look at deposit')(depositId),
      refund: ({ refundId }) => recordWake('look at refund')(refundId),
      dispute: ({ disputeId }) => recordWake('look at dispute')(disputeId),
    },
    refund: (input) =>
      answering(async () => {
        const { refundId } = input;
        engine.starts += 1;
        if (engine.starting === 'unaccepted') throw new BillingError('engine_unavailable', 'the connection was lost');
        if (engine.starting === 'unseen') return { status: 'pending' };
        if ((await ledger.findRefundOrder({ refundId })) === null) throw new Error('a refund is recorded first');
        if (engine.refunding === 'waits') return { status: 'pending' };
        const succeeds = engine.refunding === 'succeeds';
        const outcome = succeeds ? 'succeeded' : 'failed';
        const failureCode = succeeds ? null : 'charge_disputed';
        const nowSecond = (await getRefund(db, refundId)).openedSecond;
        const { status } = await ledger.closeRefund({ refundId, outcome, failureCode, nowSecond }, 'test');
        return { status };
      }),
    wake: {
      watch: recordWake('watch'),
      watchSoon: recordWake('watchSoon'),
      autoTopUp: recordWake('autoTopUp'),
      instance: recordWake('instance'),
      reservation: recordWake('reservation'),
      deposit: ({ depositId }) => recordWake('deposit')(depositId),
      refund: ({ refundId }) => recordWake('refund')(refundId),
      dispute: ({ disputeId }) => recordWake('dispute')(disputeId),
      notice: async () => {},
    },
    reachable: async () => !engine.away,
    workerPolling: async () => !engine.away,
  };
  return engine;
}

/** Cards without a provider: whatever is attached is a Visa. */
export const commandedCards = (db: Db): Cards => ({
  attach: ({ teamId, stripePaymentMethod, nowSecond, newId }) =>
    inTransaction(db, (tx) =>
      savePaymentMethod(tx, {
        id: newId,
        teamId,
        stripePaymentMethodId: `${stripePaymentMethod}_${newId}`,
        brand: 'visa',
        last4: '4242',
        expMonth: 12,
        expYear: 2040,
        fingerprint: null,
        createdSecond: nowSecond,
      }),
    ),
  setupCheckout: async (teamId, detailsHash = null) => ({
    checkoutUrl: `https://checkout.example/setup/${teamId}${detailsHash === null ? '' : `?to=${detailsHash}`}`,
  }),
  adoptFromSetup: async () => null,
  adoptCompleted: async () => {},
  refresh: async () => null,
  refreshOfCustomer: async () => null,
  detach: async ({ teamId, paymentMethodId, nowSecond }) => ({
    usedByAutoTopUp: await removePaymentMethod(db, teamId, paymentMethodId, nowSecond),
  }),
});

let names = 0;

/** A new team's id; with `credit`, that much of it granted. */
export async function teamWith(api: Api, credit?: string): Promise<string> {
  names += 1;
  const id = `team-${names}`;
  await api.post('/v1/teams', { id, name: `Team ${names}`, email: `team${names}@example.com` });
  if (credit !== undefined) await api.post(`/v1/teams/${id}/grants`, { amount: credit, note: 'for a test' });
  return id;
}

/** The team's watch looks at all that is recorded, as its workflow does after a wake. */
export const theWatchLooks = async ({ world }: Api, team: string): Promise<void> => {
  await world.ledger.lookAhead({ teamId: team, nowSecond: Math.floor(world.nowMs() / 1000) }, 'test');
};

/** A team key's secret. */
export const keyFor = async (api: Api, team: string, scopes: string[]): Promise<string> =>
  (await api.post(`/v1/teams/${team}/keys`, { scopes })).body.secret;

let persons = 0;

/** The fragment of a new one-time link. @param team null for an operator */
export async function linkSecretFor(
  api: Api,
  team: string | null,
  role: 'viewer' | 'billing' | 'operator',
  id = `user-${++persons}`,
): Promise<string> {
  const user = { id, name: `User ${id}`, email: `${id}@example.com` };
  const { body } =
    team === null
      ? await api.post('/v1/operator-sessions', { user })
      : await api.post(`/v1/teams/${team}/dashboard-sessions`, { user, role });
  return new URL(body.url).hash.slice(1);
}

/** The Cookie header of a new session. @param team null for an operator */
export async function cookieFor(...[api, ...asked]: Parameters<typeof linkSecretFor>): Promise<string> {
  const secret = await linkSecretFor(api, ...asked);
  const { headers } = await api.post('/v1/session', { secret }, { key: null });
  return headers.get('Set-Cookie')?.split(';')[0] ?? '';
}

export const instanceOf = (team: string, change: object = {}) => ({
  team,
  gpuType: 'h100',
  region: 'eu-1',
  pricing: 'on_demand',
  hourly: '2.49',
  ...change,
});
