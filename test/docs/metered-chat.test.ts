/** Tests docs/examples/metered-chat between a scripted model and the real app. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BurnrateRefusal, createBurnrate, NotEnoughCredit } from '../../docs/examples/metered-chat/burnrate.ts';
import { type Ask, estimate, meteredChat, mostInputTokens } from '../../docs/examples/metered-chat/metered-chat.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import { type CommandedApi, keyFor, startCommandedApi, teamWith } from '../api/support.ts';
import { type ChatModel, startChatModel } from './chat-model.ts';
import { type Front, startFront } from './front.ts';

let api: CommandedApi;
let front: Front;
let model: ChatModel;

beforeAll(async () => {
  [api, front, model] = await Promise.all([startCommandedApi(), startFront(), startChatModel()]);
  front.target = api.url;
});
afterAll(async () => {
  expect(await trialBalance(api.db)).toMatchObject({ balanced: true, differences: [] });
  await Promise.all([api.close(), front.close(), model.close()]);
});

let team: string;
let key: string;
/** From now on the test's team is a new one with so much credit. */
const giveCredit = async (credit?: string) => {
  team = await teamWith(api, credit);
  key = await keyFor(api, team, ['usage']);
};

beforeEach(async () => {
  Object.assign(model, { asked: [], plays: [], choppy: false, hungUp: 0 });
  Object.assign(front, { calls: [], faults: [] });
  api.clock.aheadMs = 0;
  api.engine.away = false;
  await api.put('/v1/models/gpt-4o-mini', { input: '150', output: '600' });
  await giveCredit('10');
});

const EXAMPLE = join(import.meta.dirname, '..', '..', 'docs', 'examples', 'metered-chat');
const QUESTION = { role: 'user', content: 'Why is the sky blue?' } as const;
let written = '';

const ask = (change: Partial<Ask> = {}, hear: (text: string) => void = () => {}) => {
  written = '';
  return meteredChat(
    createBurnrate({ url: front.url, key, team, firstPauseMs: 5 }),
    { url: model.url, key: 'sk-of-the-model' },
    { model: 'gpt-4o-mini', messages: [QUESTION], maxOutputTokens: 100, ...change },
    (text) => {
      written += text;
      hear(text);
    },
  );
};

const paths = () => front.calls.map(({ path }) => path.replace(/hold_\w+/, '{hold}'));
const reported = () => front.calls.filter(({ path }) => path === '/v1/usage').map(({ body }) => body.events[0]);
const holdId = () => front.calls.find(({ answer }) => answer?.id !== undefined)?.answer.id;

const balance = async () => {
  const { available, held, owed } = (await api.get(`/v1/teams/${team}/balance`)).body;
  return { available, held, owed };
};
/** What moved the team's credit, newest first. */
const moves = async () =>
  (await api.get(`/v1/teams/${team}/transactions`)).body.data.map(
    ({ code, amount }: Record<string, string>) => `${code} ${amount}`,
  );
/** What became of the team's holds, and by which usage. */
const holds = async () =>
  (await api.get(`/v1/teams/${team}/holds`)).body.data
    .map(({ status, settledBy }: Record<string, string>) => (settledBy === null ? status : `${status} by ${settledBy}`))
    .sort();

/** One usage was charged, and settled the one hold that there was. */
async function expectCharged(cost: string, left: string): Promise<void> {
  expect(await balance()).toEqual({ available: left, held: '0.000000', owed: '0.000000' });
  expect(await moves()).toEqual([`token_usage -${cost}`, 'grant 10.000000']);
  expect(await holds()).toEqual([`settled by ${holdId()}`]);
}

/** As if nothing had been asked. */
async function expectFree(): Promise<void> {
  expect(await balance()).toEqual({ available: '10.000000', held: '0.000000', owed: '0.000000' });
  expect(await moves()).toEqual(['grant 10.000000']);
  expect(await holds()).toEqual(['voided']);
}

const TROUBLE = { send: `data: ${JSON.stringify({ error: { message: 'overloaded' } })}\n\n` };
const WHOLE = [{ say: 'Rayleigh ' }, { say: 'scattering.' }, { used: [14, 3] as [number, number] }, 'done' as const];

describe('an answer', () => {
  it('has a hold, is streamed, and is billed by the model’s token counts', async () => {
    model.plays = WHOLE;
    const answer = await ask({ project: 'website' });
    expect(answer).toEqual({
      text: 'Rayleigh scattering.',
      brokenBy: null,
      inputTokens: 14,
      outputTokens: 3,
      countedBy: 'model',
      // 14 × $150 and 3 × $600 a million.
      cost: '0.003900',
      available: '9.996100',
    });
    expect(written).toBe('Rayleigh scattering.');
    expect(model.asked).toEqual([
      {
        model: 'gpt-4o-mini',
        messages: [QUESTION],
        max_tokens: 100,
        stream: true,
        stream_options: { include_usage: true },
        authorization: 'Bearer sk-of-the-model',
      },
    ]);
    expect(paths()).toEqual(['/v1/holds', '/v1/usage']);
    const most = { team, model: 'gpt-4o-mini', maxInputTokens: 52, maxOutputTokens: 100, ttlSeconds: 900 };
    expect(front.calls[0]).toMatchObject({ body: most, answer: { amount: '0.067800', status: 'pending' } });
    expect(reported()).toEqual([
      {
        team,
        id: holdId(),
        model: 'gpt-4o-mini',
        inputTokens: 14,
        outputTokens: 3,
        project: 'website',
        hold: holdId(),
      },
    ]);
    await expectCharged('0.003900', '9.996100');
  });

  it('has its hold while it is streamed', async () => {
    model.plays = [{ say: 'Rayleigh ' }, 'wait'];
    const stopping = new AbortController();
    const answering = ask({ signal: stopping.signal });
    await expect.poll(() => written).toBe('Rayleigh ');
    // 52 × $150 and 100 × $600 a million.
    expect(await balance()).toEqual({ available: '9.932200', held: '0.067800', owed: '0.000000' });
    expect(await holds()).toEqual(['pending']);
    stopping.abort();
    await answering;
    expect(await balance()).toMatchObject({ held: '0.000000' });
  });

  it('is the same for any split of its bytes', async () => {
    model.choppy = true;
    model.plays = [{ say: 'Größe: 10 µm ' }, { say: '🟦 空は青い' }, { used: [14, 9] }, 'done'];
    expect(await ask()).toMatchObject({ text: 'Größe: 10 µm 🟦 空は青い', outputTokens: 9, brokenBy: null });
  });

  it('can be billed as a model of another name', async () => {
    model.plays = WHOLE;
    await ask({ model: 'openai/gpt-4o-mini-2024-07-18', billedAs: 'gpt-4o-mini' });
    expect(model.asked[0]?.model).toBe('openai/gpt-4o-mini-2024-07-18');
    expect(reported()[0].model).toBe('gpt-4o-mini');
  });

  it('without text is billed too, if the model counted tokens', async () => {
    model.plays = [{ used: [14, 80] }, 'done'];
    expect(await ask()).toMatchObject({ text: '', outputTokens: 80, countedBy: 'model' });
  });
});

describe('without enough credit', () => {
  it('no request is sent to the model', async () => {
    await giveCredit('0.06');
    model.plays = WHOLE;
    await expect(ask()).rejects.toThrow(NotEnoughCredit);
    expect({ asked: model.asked, paths: paths() }).toEqual({ asked: [], paths: ['/v1/holds'] });
    expect(await balance()).toEqual({ available: '0.060000', held: '0.000000', owed: '0.000000' });
    expect(await holds()).toEqual([]);
  });

  it('a shorter answer can be requested', async () => {
    await giveCredit('0.06');
    model.plays = WHOLE;
    expect(await ask({ maxOutputTokens: 80 })).toMatchObject({ cost: '0.003900', available: '0.056100' });
  });

  it('for two answers at once, the second is not requested while the first is streamed', async () => {
    await giveCredit('0.1');
    model.plays = [{ say: 'Rayleigh ' }, 'wait'];
    const stopping = new AbortController();
    const first = ask({ signal: stopping.signal });
    await expect.poll(() => written).toBe('Rayleigh ');
    await expect(ask()).rejects.toThrow(NotEnoughCredit);
    expect(model.asked).toHaveLength(1);
    stopping.abort();
    await first;
    model.plays = WHOLE;
    expect(await ask()).toMatchObject({ text: 'Rayleigh scattering.', brokenBy: null });
  });
});

describe('when the model produces nothing', () => {
  const nothing = async (): Promise<unknown> => {
    const error = await ask().catch((error: Error) => error.message);
    expect(paths()).toEqual(['/v1/holds', '/v1/holds/{hold}/void']);
    expect(front.calls[1]?.path).toBe(`/v1/holds/${holdId()}/void`);
    return error;
  };

  it.each([
    ['refuses', [{ refuse: 429, with: '{"error": {"message": "You have used too much"}}' }], 'You have used too much'],
    ['is not there', [{ refuse: 502, with: '<html>' }], 'the model answered 502'],
    ['hangs up', ['break'], /fetch failed|other side closed/],
    ['fails before the first word', [TROUBLE, 'end'], 'overloaded'],
    ['ends without a word', ['end'], 'the stream broke off'],
    ['says nothing, and that it is done', ['done'], 'the model produced nothing'],
  ] as const)('because it %s, the hold is voided and its error is thrown', async (_, plays, message) => {
    model.plays = [...plays];
    expect(await nothing()).toMatch(message);
    await expectFree();
  });

  it('because the call was stopped before, the hold is voided', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(ask({ signal })).rejects.toThrow('stopped');
    expect(paths()).toEqual(['/v1/holds', '/v1/holds/{hold}/void']);
    expect(model.asked).toEqual([]);
    await expectFree();
  });

  it('and the void fails, the hold expires, and the model’s error is thrown', async () => {
    model.plays = [{ refuse: 500, with: '{"error": {"message": "down"}}' }];
    front.faults = Array.from({ length: 4 }, () => ({ path: /void$/, how: 503 }));
    await expect(ask()).rejects.toThrow('down');
    expect(paths()).toEqual(['/v1/holds', ...Array.from({ length: 4 }, () => '/v1/holds/{hold}/void')]);
    expect(await balance()).toMatchObject({ available: '9.932200', held: '0.067800' });
    api.clock.aheadMs = 901_000;
    expect(await balance()).toMatchObject({ available: '10.000000', held: '0.000000' });
    expect(await holds()).toEqual(['expired']);
  });
});

describe('when the stream breaks midway', () => {
  const SPOKEN = 'Rayleigh scattering, mostly.';
  // A token for every four characters: 20 and 4 for the question, 28 for the answer.
  const ESTIMATED = { inputTokens: 9, outputTokens: 7, countedBy: 'estimate' };

  it.each([
    ['breaks', [{ say: 'Rayleigh scattering, ' }, { say: 'mostly.' }, 'break'], /terminated|aborted/],
    ['ends too early', [{ say: SPOKEN }, 'end'], 'the stream broke off'],
    ['tells of trouble', [{ say: SPOKEN }, TROUBLE, 'end'], 'overloaded'],
    ['sends what is no JSON', [{ say: SPOKEN }, { send: 'data: {\n\n' }], /JSON/],
  ] as const)('because it %s, the received part is billed, as an estimate', async (_, plays, message) => {
    model.plays = [...plays];
    const answer = await ask();
    expect(answer).toMatchObject({ text: SPOKEN, ...ESTIMATED, cost: '0.005550', available: '9.994450' });
    expect(answer.brokenBy?.message).toMatch(message);
    expect(reported()).toEqual([
      expect.objectContaining({ id: holdId(), inputTokens: 9, outputTokens: 7, hold: holdId() }),
    ]);
    await expectCharged('0.005550', '9.994450');
  });

  it('because the call is stopped, the connection to the model is closed, and the received part is billed', async () => {
    const stopping = new AbortController();
    model.plays = [{ say: SPOKEN }, 'wait'];
    const answering = ask({ signal: stopping.signal });
    await expect.poll(() => written).toBe(SPOKEN);
    stopping.abort(new Error('stopped'));
    expect(await answering).toMatchObject({ ...ESTIMATED, brokenBy: { message: 'stopped' } });
    await expect.poll(() => model.hungUp).toBe(1);
  });

  it('because the reader fails, the received part is billed', async () => {
    model.plays = [{ say: SPOKEN }, { say: ' Not only.' }, 'wait'];
    const answer = await meteredChat(
      createBurnrate({ url: front.url, key, team }),
      { url: model.url, key: 'sk' },
      { model: 'gpt-4o-mini', messages: [QUESTION], maxOutputTokens: 100 },
      () => {
        throw new Error('the page was closed');
      },
    );
    expect(answer).toMatchObject({ ...ESTIMATED, brokenBy: { message: 'the page was closed' } });
    await expect.poll(() => model.hungUp).toBe(1);
  });

  it('after the model has counted, its count is billed', async () => {
    model.plays = [{ say: SPOKEN }, { used: [14, 8] }, 'break'];
    expect(await ask()).toMatchObject({ inputTokens: 14, outputTokens: 8, countedBy: 'model' });
  });

  it.each([
    ['a token for every four characters', 'x'.repeat(41), 3, 11],
    ['no fewer than the pieces it came in', '空は青い', 4, 4],
    ['no more than was held for', 'x'.repeat(4_000), 10, 100],
  ])('an answer is estimated as %s', (_, text, pieces, outputTokens) => {
    const asked = { messages: [QUESTION], maxOutputTokens: 100 };
    expect(estimate(asked, { text, pieces })).toEqual({ inputTokens: 9, outputTokens });
  });
});

describe('the report', () => {
  it('is repeated with the same id until it is accepted', async () => {
    model.plays = WHOLE;
    front.faults = [
      { path: /usage$/, how: 503 },
      { path: /usage$/, how: 'unheard' },
    ];
    expect(await ask()).toMatchObject({ cost: '0.003900', available: '9.996100' });
    expect(front.calls.map(({ status }) => status)).toEqual([201, 503, 'dropped', 200]);
    expect(new Set(reported().map((event) => JSON.stringify(event))).size).toBe(1);
    await expectCharged('0.003900', '9.996100');
  });

  it('whose answer was lost is a duplicate on the retry, and is charged once', async () => {
    model.plays = WHOLE;
    front.faults = [
      { path: /usage$/, how: 'unanswered' },
      { path: /usage$/, how: 429 },
    ];
    expect(await ask()).toMatchObject({ cost: '0.003900', available: '9.996100' });
    const statuses = front.calls.map(({ answer }) => answer?.events?.[0].status);
    expect(statuses).toEqual([undefined, 'accepted', undefined, 'duplicate']);
    await expectCharged('0.003900', '9.996100');
  });

  it('of each answer is charged, although the model’s answers all have one id', async () => {
    model.plays = WHOLE;
    await ask();
    expect(await ask()).toMatchObject({ cost: '0.003900', available: '9.992200' });
    expect(await moves()).toEqual(['token_usage -0.003900', 'token_usage -0.003900', 'grant 10.000000']);
    expect(await balance()).toMatchObject({ held: '0.000000' });
  });

  it('is refused under an id of other usage', async () => {
    model.plays = WHOLE;
    await ask();
    const { team: _, ...usage } = reported()[0];
    const again = createBurnrate({ url: front.url, key, team }).reportUsage({ ...usage, outputTokens: 4 });
    await expect(again).rejects.toThrow(BurnrateRefusal);
    await expect(again).rejects.toMatchObject({ code: 'id_taken' });
    await expectCharged('0.003900', '9.996100');
  });

  it('after the expiry of its hold is charged without the hold', async () => {
    model.plays = WHOLE;
    await ask({}, () => {
      api.clock.aheadMs = 901_000;
    });
    expect(await balance()).toEqual({ available: '9.996100', held: '0.000000', owed: '0.000000' });
    expect(await holds()).toEqual(['expired']);
  });

  it.each([
    ['at once', 0],
    ['seconds later', 5_000],
  ])('of a model that was withdrawn %s is charged the price of the hold', async (_, laterMs) => {
    await api.put('/v1/models/fleeting', { input: '150', output: '600' });
    model.plays = [{ say: 'Rayleigh ' }, 'wait'];
    const stopping = new AbortController();
    const answering = ask({ billedAs: 'fleeting', signal: stopping.signal });
    await expect.poll(() => written).toBe('Rayleigh ');
    api.clock.aheadMs = laterMs;
    expect((await api.send('DELETE', '/v1/models/fleeting')).status).toBe(200);
    stopping.abort();
    // 9 × $150 and 3 × $600 a million.
    expect(await answering).toMatchObject({ text: 'Rayleigh ', cost: '0.003150', available: '9.996850' });
    await expectCharged('0.003150', '9.996850');
  });
});

describe('the hold', () => {
  it('is one hold for repeated requests', async () => {
    model.plays = WHOLE;
    front.faults = [
      { path: /holds$/, how: 'unanswered' },
      { path: /holds$/, how: 503 },
    ];
    await ask();
    expect(front.calls.map(({ status }) => status)).toEqual(['dropped', 503, 201, 200]);
    expect(front.calls[2]?.answer.id).toBe(front.calls[0]?.answer.id);
    await expectCharged('0.003900', '9.996100');
  });

  it('is one hold when the engine is unavailable', async () => {
    model.plays = WHOLE;
    api.engine.away = true;
    const answering = ask();
    expect(await answering).toMatchObject({ cost: '0.003900', available: '9.996100' });
    await expectCharged('0.003900', '9.996100');
  });

  it('is refused for a model without a price, and the model receives no request', async () => {
    const failing = ask({ billedAs: 'gpt-2' });
    await expect(failing).rejects.toThrow(BurnrateRefusal);
    await expect(failing).rejects.toMatchObject({ code: 'price_not_found' });
    expect(model.asked).toEqual([]);
    expect(await holds()).toEqual([]);
  });

  it('is refused for another team than the key’s team', async () => {
    team = await teamWith(api, '10');
    await expect(ask()).rejects.toMatchObject({ code: 'not_found' });
    expect(await holds()).toEqual([]);
  });

  it('is awaited for a limited time, because a person is waiting', async () => {
    front.faults = Array.from({ length: 4 }, () => ({ path: /holds$/, how: 'unheard' }));
    await expect(ask()).rejects.toMatchObject({ code: 'unreachable' });
    expect(model.asked).toEqual([]);
  });

  it('covers any text, because no tokenizer makes more tokens than bytes', () => {
    expect(mostInputTokens([])).toBe(16);
    expect(mostInputTokens([QUESTION, { role: 'assistant', content: '空' }])).toBe(16 + 36 + 19);
  });
});

it('the calls in the example’s README are answered as written', async () => {
  const page = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');
  const calls = [...page.matchAll(/^burnrate (?:-X (\w+) )?\$BURNRATE_URL(\/\S+)(?: -d '(.*)')?$/gm)];
  expect(calls.length).toBeGreaterThanOrEqual(6);
  for (const [call, method, path = '', raw] of calls) {
    const sent = raw === undefined ? {} : { raw, headers: { 'Content-Type': 'application/json' } };
    const { status, text } = await api.send(method ?? (raw ? 'POST' : 'GET'), path, sent);
    expect([200, 201], `${call}: ${text}`).toContain(status);
  }
});

describe('the command', () => {
  const MAIN = join(EXAMPLE, 'main.ts');
  const run = (change: Record<string, string> = {}) => {
    const environment = {
      BURNRATE_URL: front.url,
      BURNRATE_KEY: key,
      BURNRATE_TEAM: team,
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: 'sk',
      PATH: process.env.PATH ?? '',
    };
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'Why is', 'the sky blue?'], {
      env: { ...environment, ...change },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    return { child, said, ended: once(child, 'close') };
  };

  it('writes the answer to its output, and the cost to its error output', async () => {
    model.plays = WHOLE;
    const { said, ended } = run({ MODEL: 'gpt-4o-mini' });
    expect((await ended)[0], said.err).toBe(0);
    expect(said.out).toBe('Rayleigh scattering.');
    expect(said.err).toContain('14 tokens in, 3 out (counted by the model): $0.003900; $9.996100 left');
    await expectCharged('0.003900', '9.996100');
  });

  it('uses a model of the initial list when none is named', async () => {
    model.plays = [{ say: 'Rayleigh scattering.' }, { used: [1_400, 300] }, 'done'];
    const { said, ended } = run();
    expect((await ended)[0], said.err).toBe(0);
    // 1,400 × $0.05 and 300 × $0.20 a million.
    expect(said.err).toContain('$0.000130; $9.999870 left');
    expect(model.asked[0]?.model).toBe(reported()[0].model);
  });

  it('bills the endpoint’s name of a model as the listed model', async () => {
    model.plays = WHOLE;
    const { said, ended } = run({ MODEL: 'gpt-oss:20b', BILLED_AS: 'gpt-oss-20b' });
    expect((await ended)[0], said.err).toBe(0);
    expect([model.asked[0]?.model, reported()[0].model]).toEqual(['gpt-oss:20b', 'gpt-oss-20b']);
  });

  it('names the missing setting for an unlisted model', async () => {
    const { said, ended } = run({ MODEL: 'gpt-oss:20b' });
    expect((await ended)[0]).toBe(1);
    expect(said.err).toMatch(/BILLED_AS/);
    expect(model.asked).toEqual([]);
  });

  it('bills the received part when it is interrupted', async () => {
    model.plays = [{ say: 'Rayleigh ' }, 'wait'];
    const { child, said, ended } = run();
    await expect.poll(() => said.out).toBe('Rayleigh ');
    child.kill('SIGINT');
    expect((await ended)[0], said.err).toBe(0);
    expect(said.err).toContain('(not whole: stopped)');
    expect(await holds()).toEqual([`settled by ${holdId()}`]);
    expect(reported()).toEqual([expect.objectContaining({ id: holdId(), inputTokens: 9, outputTokens: 3 })]);
  });

  it('explains that there is not enough credit', async () => {
    await giveCredit();
    const { said, ended } = run();
    expect((await ended)[0]).toBe(1);
    expect(said.err).toMatch(/^Not enough credit for this: /);
    expect(model.asked).toEqual([]);
  });

  it('names the missing settings', async () => {
    const { said, ended } = run({ BURNRATE_KEY: '' });
    expect((await ended)[0]).toBe(1);
    expect(said.err).toBe('BURNRATE_KEY is not set\n');
  });
});
