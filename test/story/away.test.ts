/** Tests the whole product while one of its processes or neighbours is unavailable for a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleAndAudit } from './books.ts';
import {
  type Api,
  mustBe,
  type ProductUnderTest,
  secondsOf,
  startProductThatCrashes,
  type Team,
  until,
} from './support.ts';

/** Real servers on a busy machine: a limit only says that something hangs. */
const STORY_MS = 480_000;

let product: ProductUnderTest;

beforeAll(async () => {
  product = await startProductThatCrashes();
});
afterAll(() => product?.stop());

const isReady = async (): Promise<boolean> => (await product.api.get('/readyz')).status === 200;

/** Nothing of the kind was charged, opened or kept. */
async function nothingCameOf(team: Team, { instances, cents }: { instances: string[]; cents?: number }): Promise<void> {
  const { sql, stripe } = product;
  for (const id of instances)
    await until(`${id} is over for the engine`, () => product.hasEnded(`instance/${id}`), 60_000);
  expect(await sql('SELECT id FROM instances WHERE id = ANY($1)', [instances])).toEqual([]);
  if (cents === undefined) return;
  const amount = BigInt(cents) * 10_000n;
  expect(await sql('SELECT id FROM deposits WHERE team_id = $1 AND amount_micros = $2', [team.id, amount])).toEqual([]);
  expect(
    stripe.paymentIntents().filter((intent) => intent.metadata.team === team.id && intent.amount === cents),
  ).toEqual([]);
}

/** The deposit of this amount is credited, and its card was charged once. */
async function chargedOnce(team: Team, cents: number): Promise<void> {
  const { sql, stripe } = product;
  const amount = BigInt(cents) * 10_000n;
  const statuses = async () =>
    (
      await sql<{ status: string }>('SELECT status FROM deposits WHERE team_id = $1 AND amount_micros = $2', [
        team.id,
        amount,
      ])
    ).map(({ status }) => status);
  await until('the deposit is credited', async () => (await statuses()).join() === 'succeeded', 60_000);
  const intents = stripe.paymentIntents().filter(({ metadata }) => metadata.team === team.id);
  expect(intents.filter((intent) => intent.amount === cents)).toHaveLength(1);
}

describe('An outage', () => {
  it('Without Temporal a stop is billed, a policy is enabled, and a start and a deposit are refused without an effect', {
    timeout: STORY_MS,
  }, async () => {
    const { api, parts } = product;
    const team = await api.newTeam();
    await api.deposit(team, '15.00');
    const running = `${team.id}-a`;
    const refused = `${team.id}-b`;
    mustBe(201, await api.insist(() => api.start(team, running, '36')));

    await parts.temporal.kill();
    const ghost = api.start(team, refused, '36');
    const charge = api.post(`${team.path}/deposits`, { amount: '77.77', method: 'card', paymentMethod: team.card });
    const [started, paid, stopped, policy] = await Promise.all([ghost, charge, api.stop(running), api.topUp(team)]);
    for (const answer of [started, paid]) {
      expect(mustBe(503, answer).error.code).toBe('engine_unavailable');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(mustBe(200, policy)).toMatchObject({ enabled: true });
    expect(mustBe(200, stopped)).toMatchObject({ id: running, reason: 'stopped' });
    expect(mustBe(200, await api.stop(running))).toEqual(stopped.body);
    expect(await api.read(`${team.path}/balance`)).toMatchObject({ activeInstances: 0, burnPerHour: '0.000000' });
    expect(await isReady()).toBe(false);

    await parts.temporal.restart();
    await until('everybody is there again', isReady);
    mustBe(201, await api.insist(() => api.start(team, `${team.id}-c`, '36')));
    await nothingCameOf(team, { instances: [refused], cents: 7_777 });
    await settleAndAudit(product, [team]);
  });

  it('Without a worker a team reads as ended at its last paid second, a start and a deposit are recorded, and a team with a waiting start is refused new starts', {
    timeout: STORY_MS,
  }, async () => {
    const { api, parts, sql, inbox } = product;
    const other = await api.newTeam();
    await api.deposit(other, '15.00');
    const team = await api.newTeam();
    await api.deposit(team, '15.00');
    const machines = [`${team.id}-a`, `${team.id}-b`];
    for (const id of machines) mustBe(201, await api.insist(() => api.start(team, id, '900')));
    await parts.worker.kill();

    const unseen = `${team.id}-c`;
    mustBe(201, await api.start(team, unseen, '36'));
    machines.push(unseen);
    const { runsOutAt } = await api.read(`${team.path}/balance`);
    const charge = api.post(`${team.path}/deposits`, { amount: '77.77', method: 'card', paymentMethod: team.card });
    await until('credit has ended', async () => {
      const { available, asOf } = await api.read(`${team.path}/balance`);
      expect(available).toMatch(/^\d/);
      return secondsOf(asOf) > secondsOf(runsOutAt);
    });
    expect(await api.read(`${team.path}/balance`)).toMatchObject({ activeInstances: 0, burnPerHour: '0.000000' });
    for (const id of machines)
      expect(await api.read(`/v1/instances/${id}`)).toMatchObject({
        status: 'terminated',
        reason: 'out_of_credits',
        endedAt: runsOutAt,
      });
    const exhaustions = () =>
      sql<{ second: bigint; announced: boolean }>('SELECT second, announced FROM exhaustions WHERE team_id = $1', [
        team.id,
      ]);
    expect(await exhaustions()).toEqual([]);

    mustBe(201, await api.post(`${team.path}/grants`, { amount: '20.00', note: 'while nobody watches' }));
    expect(await exhaustions()).toEqual([{ second: BigInt(secondsOf(runsOutAt)), announced: false }]);
    expect(mustBe(201, await charge).status).toBe('pending');
    const refused = await untilRefused(api, other);

    await parts.worker.restart();
    await chargedOnce(team, 7_777);
    await nothingCameOf(other, { instances: [refused] });
    mustBe(201, await api.insist(() => api.start(other, `${other.id}-after`, '1')));
    await settleAndAudit(product, [team, other]);
    const mails = inbox.messages().filter(({ to, subject }) => to.includes(team.email) && /used up/.test(subject));
    expect(mails).toHaveLength(1);
  });
});

/** Starts instances of a team until a start is refused, and answers the id of the refused one. */
async function untilRefused(api: Api, team: Team): Promise<string> {
  for (let number = 1; number <= 120; number += 1) {
    const id = `${team.id}-refused-${number}`;
    const answer = await api.start(team, id, '1');
    if (answer.status !== 201) {
      expect(mustBe(503, answer).error.code).toBe('engine_unavailable');
      return id;
    }
    await sleep(500);
  }
  throw new Error('no start was refused within a minute');
}
