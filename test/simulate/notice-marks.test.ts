/** Tests notices while the database refuses writes: a notice that is sent meanwhile is sent once and marked later. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { noticesOf } from '../../prisma/notices.ts';
import { createTeam } from '../../prisma/teams.ts';
import { type Engine, startEngine } from '../../simulate/engine.ts';
import { SCENARIO_SETTINGS } from '../../simulate/simulate.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { useSurroundings } from '../support/use-engine.ts';
import { dollars } from './charged-team.ts';

let surroundings: Surroundings;
let engine: Engine;
let databaseUrl: string;
useSurroundings((shared) => {
  surroundings = shared;
});
/** A platform that answers each event only when the test lets it. */
const slowPlatform = createServer((request, response) => {
  request.resume();
  received.push(String(request.headers['webhook-id']));
  arrived();
  void answersAllowed.then(() => response.writeHead(204).end());
});
const received: string[] = [];
let arrived = () => {};
const eventArrived = new Promise<void>((resolve) => {
  arrived = resolve;
});
let allowAnswers = () => {};
const answersAllowed = new Promise<void>((resolve) => {
  allowAnswers = resolve;
});

beforeAll(() => new Promise<void>((resolve) => slowPlatform.listen(0, '127.0.0.1', resolve)));
afterAll(() => slowPlatform.close());

beforeEach(async () => {
  const { port } = slowPlatform.address() as AddressInfo;
  const platform = { ...surroundings.platform, url: `http://127.0.0.1:${port}/` };
  const newDatabase = async () => {
    const database = await surroundings.newDatabase();
    databaseUrl = database.ownerUrl;
    return database;
  };
  engine = await startEngine({ ...surroundings, platform, newDatabase }, { settings: SCENARIO_SETTINGS });
});
afterEach(async () => {
  await setReadOnly(false);
  await engine.close();
});

/** As after a failover to a replica: every connection is cut, and the new ones take no writes. */
async function setReadOnly(readOnly: boolean): Promise<void> {
  const url = new URL(databaseUrl);
  const name = url.pathname.slice(1);
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`);
    await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
  } finally {
    await client.end();
  }
}

/** A team with a deposit whose receipt and event its watch is about to hand on. */
async function deposited(): Promise<string> {
  const { db, ledger, clock } = engine;
  const teamId = 'acme';
  await createTeam(db, { id: teamId, name: 'Acme', email: 'acme@teams.example' }, clock.second(0));
  await clock.goTo(0);
  const depositId = 'dep_1';
  const order = { depositId, teamId, kind: 'confirmed' as const, amountMicros: dollars(20), paymentMethodId: null };
  const call = { receivedSecond: clock.now, callId: 'c', notAfterMs: 1, nowMs: 0 };
  await ledger.openDeposit({ ...order, ...call });
  await ledger.creditDeposit({ depositId, nowSecond: clock.now, receiptUrl: null }, 'test');
  return teamId;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const receipts = () => surroundings.inbox.messages().filter(({ to }) => to.includes('acme@teams.example'));
const isSent = async (channel: string) =>
  (await noticesOf(engine.db, 'acme')).some((notice) => notice.channel === channel && notice.sentSecond !== null);

it('a mail and an event that are sent just before the database refuses writes are marked later, and not sent again', async () => {
  const { inbox } = surroundings;
  const teamId = await deposited();
  const atMail = inbox.gates.hold(({ point }) => point === 'answer');
  await engine.wake.watch(teamId);
  await Promise.all([atMail.reached, eventArrived]);
  await setReadOnly(true);
  atMail.release();
  allowAnswers();
  // Long enough for marks to be tried again several times: 0.2, 0.4 and 0.8 seconds after each other.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(receipts()).toHaveLength(1);
  expect((await noticesOf(engine.db, teamId)).map(({ sentSecond }) => sentSecond)).toEqual([null, null]);

  await setReadOnly(false);
  await until('the marks', async () => (await isSent('mail')) && (await isSent('event')));
  expect(receipts()).toHaveLength(1);
  expect(received).toHaveLength(1);
});
