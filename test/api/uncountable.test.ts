/**
 * Tests amounts beyond the largest number: sums are answered exactly, and a fact that would make a balance larger is
 * refused.
 */
import { ApplicationFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createActivities, type World } from '../../activities/index.ts';
import { atMost, MOST_MICROS, micros, total, Uncountable } from '../../billing/money.ts';
import { dayStart, secondOf } from '../../billing/time.ts';
import { type CommandedApi, startCommandedApi, teamWith } from './support.ts';

const MOST = BigInt(MOST_MICROS);
let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi({ verifyCopperxEvent: () => ({ eventId: 'x', type: 'x' }) as never });
});
afterAll(() => api.close());
beforeEach(async () => {
  team = await teamWith(api, '50');
});

const balance = async () => (await api.get(`/v1/teams/${team}/balance`)).body;
const posted = async () => (await api.db.account.findUniqueOrThrow({ where: { teamId: team } })).postedMicros;
const setPosted = (postedMicros: bigint) =>
  api.owner.account.update({ where: { teamId: team }, data: { postedMicros } });

describe('an amount', () => {
  it('beyond the largest number is distinguished from a fault of the software', () => {
    expect(() => micros(2 ** 53)).toThrow(Uncountable);
    expect(() => micros(MOST + 1n)).toThrow(Uncountable);
    expect(() => micros(0.5)).not.toThrow(Uncountable);
    expect(() => micros(0.5)).toThrow(RangeError);
    expect(micros(MOST)).toBe(MOST_MICROS);
  });

  it('for a comparison is capped at the largest number, and a sum for an answer is not', () => {
    expect(atMost(MOST + 5n)).toBe(MOST_MICROS);
    expect(atMost(7)).toBe(7);
    expect(total(MOST_MICROS, MOST_MICROS, 1n)).toBe(2n * MOST + 1n);
    expect(total()).toBe(0n);
  });
});

describe('a team with almost the largest balance', () => {
  beforeEach(async () => {
    await setPosted(MOST - 1_000_000n);
  });

  it('receives a grant that fits, and no grant that does not fit', async () => {
    const refused = await api.post(`/v1/teams/${team}/grants`, { amount: '1.000001', note: 'n' });
    expect([refused.status, refused.body.error.code]).toEqual([422, 'amount_out_of_range']);
    expect(refused.body.error.message).toContain('$9,007,199,254.740991');
    expect(await posted()).toBe(MOST - 1_000_000n);
    expect((await api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'n' })).status).toBe(201);
    expect((await balance()).posted).toBe('9007199254.740991');
  });

  it('has a crypto payment that does not fit fail for an operator, and credited when there is room', async () => {
    const opened = await api.post(`/v1/teams/${team}/deposits`, { amount: '100', method: 'crypto' });
    const depositId: string = opened.body.id;
    const output = {
      transactionHash: `0x${team}`,
      output: 0,
      chain: 'base',
      currency: 'usdc',
      amountMicros: micros(100_000_000),
    };
    const unused = new Proxy({}, { get: () => async () => {} });
    const world = new Proxy({ ledger: api.world.ledger } as unknown as World, {
      get: (target, name) => (name === 'clock' ? undefined : (Reflect.get(target, name) ?? unused)),
    });
    const { creditCrypto } = createActivities(world).billing;
    const credit = () =>
      new MockActivityEnvironment().run(creditCrypto, { depositId, outputs: [output], nowSecond: 0 });
    const failure = await credit().then(
      () => null,
      (error) => error,
    );
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ nonRetryable: true, type: 'amount_out_of_range' });
    expect(await api.db.cryptoReceipt.count({ where: { depositId } })).toBe(0);
    expect(await posted()).toBe(MOST - 1_000_000n);
    await setPosted(1_000_000n);
    expect(await credit()).toMatchObject({ status: 'succeeded' });
    expect(await posted()).toBe(101_000_000n);
  });

  it('is read, quoted and listed as any other team', async () => {
    const asked = { team, gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand', count: 1_000 };
    for (const answer of [
      await api.get(`/v1/teams/${team}/balance`),
      await api.get(`/v1/teams/${team}/discount`),
      await api.get(`/v1/teams/${team}/transactions`),
      await api.get(`/v1/prices?team=${team}`),
      await api.post('/v1/quote', asked),
    ])
      expect(answer.status, answer.text).toBe(200);
  });
});

describe('a team with monthly usage beyond the largest number', () => {
  beforeEach(async () => {
    // Noon of a day to come: midnight may be near.
    api.clock.aheadMs = 1.5 * 86_400_000 - (Date.now() % 86_400_000);
    const today = dayStart(secondOf(api.world.nowMs()));
    const days = [0, 1, 2].map((day) => ({ teamId: team, daySecond: BigInt(today - day * 86_400), micros: MOST }));
    await api.owner.tokenDay.createMany({ data: days });
  });

  it('reads its exact usage', async () => {
    const answer = await api.get(`/v1/teams/${team}/balance`);
    expect(answer.status, answer.text).toBe(200);
    const day = new Date(api.world.nowMs()).getUTCDate();
    expect(answer.body.thisMonth).toBe(formatted(BigInt(Math.min(day, 3)) * MOST));
  });

  it('has the highest volume discount, and starts instances at the list price', async () => {
    const discount = await api.get(`/v1/teams/${team}/discount`);
    expect(discount.status, discount.text).toBe(200);
    const body = { team, gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand' };
    expect((await api.post('/v1/quote', { ...body, count: 2 })).status).toBe(200);
    const started = await api.post('/v1/instances', body);
    expect(started.status, started.text).toBe(201);
    expect((await api.post(`/v1/instances/${started.body.id}/stop`, {})).status).toBe(200);
  });

  const formatted = (value: bigint) => `${value / 1_000_000n}.${String(value % 1_000_000n).padStart(6, '0')}`;
});

describe('a hold for the most tokens at the highest price', () => {
  it('is refused without a server error', async () => {
    const model = `dear-${team}`;
    const priced = await api.put(`/v1/models/${model}`, { input: '9007199254', output: '9007199254' });
    expect([200, 201, 400, 422], priced.text).toContain(priced.status);
    const asked = { team, model, maxInputTokens: 10 ** 12, maxOutputTokens: 10 ** 12, ttlSeconds: 60 };
    const { status, text } = await api.post('/v1/holds', asked);
    expect([402, 422], text).toContain(status);
  });
});
