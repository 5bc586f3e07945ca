/** docs/examples/metered-chat, against a model that says what a test wants. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BurnrateRefusal, createBurnrate, NotEnoughCredit } from '../../docs/examples/metered-chat/burnrate.ts';
import {
  type Ask,
  estimate,
  eventIdOf,
  meteredChat,
  mostInputTokens,
} from '../../docs/examples/metered-chat/metered-chat.ts';
import { type ChatModel, startChatModel } from './chat-model.ts';
import { type Front, startFront } from './front.ts';
import { type HoldsAndUsage, startHoldsAndUsage } from './holds-and-usage.ts';

let model: ChatModel;
let service: HoldsAndUsage;
let front: Front;

beforeAll(async () => {
  model = await startChatModel();
  front = await startFront();
});
afterEach(() => service.close());
afterAll(() => Promise.all([model.close(), front.close()]));

let completions = 0;
beforeEach(async () => {
  completions += 1;
  Object.assign(model, { asked: [], plays: [], choppy: false, hungUp: 0, completionId: `chatcmpl-${completions}` });
  service = await startHoldsAndUsage();
  Object.assign(front, { calls: [], faults: [], target: service.url });
  service.balanceMicros = 10_000_000;
});

const QUESTION = { role: 'user', content: 'Why is the sky blue?' } as const;
let written = '';

const ask = (change: Partial<Ask> = {}) => {
  written = '';
  const { key, team } = service;
  return meteredChat(
    createBurnrate({ url: front.url, key, team, firstPauseMs: 5 }),
    { url: model.url, key: 'sk-of-the-model' },
    { model: 'gpt-4o-mini', messages: [QUESTION], maxOutputTokens: 100, ...change },
    (text) => {
      written += text;
    },
  );
};

const paths = () => front.calls.map(({ path }) => path.replace(/hold_\w+/, '{hold}'));
const reported = () => front.calls.filter(({ path }) => path === '/v1/usage').map(({ body }) => body.events[0]);
const holdId = () => front.calls[0]?.answer.id;
const balance = async () => {
  const headers = { Authorization: `Bearer ${service.key}` };
  const answer = await fetch(`${service.url}/v1/teams/${service.team}/balance`, { headers });
  const { available, held }: Record<string, string> = JSON.parse(await answer.text());
  return { available, held };
};

const TROUBLE = { send: `data: ${JSON.stringify({ error: { message: 'overloaded' } })}\n\n` };
const WHOLE = [{ say: 'Rayleigh ' }, { say: 'scattering.' }, { used: [14, 3] as [number, number] }, 'done' as const];

describe('an answer', () => {
  it('is held for, streamed, and billed by what the model counted', async () => {
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
    const held = { team: 'acme', model: 'gpt-4o-mini', maxInputTokens: 52, maxOutputTokens: 100, ttlSeconds: 900 };
    expect(front.calls[0]?.body).toEqual(held);
    expect(reported()).toEqual([
      {
        team: 'acme',
        id: model.completionId,
        model: 'gpt-4o-mini',
        inputTokens: 14,
        outputTokens: 3,
        project: 'website',
        hold: holdId(),
      },
    ]);
  });

  it('is the same however its bytes arrive', async () => {
    model.choppy = true;
    model.plays = [{ say: 'Größe: 10 µm ' }, { say: '🟦 空は青い' }, { used: [14, 9] }, 'done'];
    expect(await ask()).toMatchObject({ text: 'Größe: 10 µm 🟦 空は青い', outputTokens: 9, brokenBy: null });
  });

  it('may be billed as a model of another name', async () => {
    model.plays = WHOLE;
    await ask({ model: 'openai/gpt-4o-mini-2024-07-18', billedAs: 'gpt-4o-mini' });
    expect(model.asked[0]?.model).toBe('openai/gpt-4o-mini-2024-07-18');
    expect(reported()[0].model).toBe('gpt-4o-mini');
  });

  it('without a word is billed too, where the model counted tokens', async () => {
    model.plays = [{ used: [14, 80] }, 'done'];
    expect(await ask()).toMatchObject({ text: '', outputTokens: 80, countedBy: 'model' });
  });
});

describe('without credit', () => {
  it('nothing is asked of the model', async () => {
    service.balanceMicros = 60_000;
    model.plays = WHOLE;
    await expect(ask()).rejects.toThrow(NotEnoughCredit);
    expect({ asked: model.asked, paths: paths() }).toEqual({ asked: [], paths: ['/v1/holds'] });
  });

  it('a shorter answer may be asked for', async () => {
    service.balanceMicros = 60_000;
    model.plays = WHOLE;
    expect(await ask({ maxOutputTokens: 80 })).toMatchObject({ cost: '0.003900', available: '0.056100' });
  });
});

describe('where the model produces nothing', () => {
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
    expect(await balance()).toEqual({ available: '10.000000', held: '0.000000' });
  });

  it('because it was stopped before, the hold is voided', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(ask({ signal })).rejects.toThrow('stopped');
    expect(paths()).toEqual(['/v1/holds', '/v1/holds/{hold}/void']);
    expect(model.asked).toEqual([]);
  });

  it('a hold that cannot be voided is left to expire, and the error is the model’s', async () => {
    model.plays = [{ refuse: 500, with: '{"error": {"message": "down"}}' }];
    front.faults = Array.from({ length: 4 }, () => ({ path: /void$/, how: 503 }));
    await expect(ask()).rejects.toThrow('down');
    expect(paths()).toEqual(['/v1/holds', ...Array.from({ length: 4 }, () => '/v1/holds/{hold}/void')]);
  });
});

describe('where the stream breaks midway', () => {
  const SPOKEN = 'Rayleigh scattering, mostly.';
  // A token for every four characters: 20 and 4 for the question, 28 for the answer.
  const ESTIMATED = { inputTokens: 9, outputTokens: 7, countedBy: 'estimate' };

  it.each([
    ['breaks', [{ say: 'Rayleigh scattering, ' }, { say: 'mostly.' }, 'break'], /terminated|aborted/],
    ['ends too early', [{ say: SPOKEN }, 'end'], 'the stream broke off'],
    ['tells of trouble', [{ say: SPOKEN }, TROUBLE, 'end'], 'overloaded'],
    ['sends what is no JSON', [{ say: SPOKEN }, { send: 'data: {\n\n' }], /JSON/],
  ] as const)('because it %s, what arrived is billed, and said to be estimated', async (_, plays, message) => {
    model.plays = [...plays];
    const answer = await ask();
    expect(answer).toMatchObject({ text: SPOKEN, ...ESTIMATED, cost: '0.005550', available: '9.994450' });
    expect(answer.brokenBy?.message).toMatch(message);
    expect(reported()).toEqual([
      expect.objectContaining({ id: model.completionId, inputTokens: 9, outputTokens: 7, hold: holdId() }),
    ]);
    expect(await balance()).toEqual({ available: '9.994450', held: '0.000000' });
  });

  it('because it is stopped, the model is hung up on, and what arrived is billed', async () => {
    const stopping = new AbortController();
    model.plays = [{ say: SPOKEN }, 'wait'];
    const answering = ask({ signal: stopping.signal });
    await expect.poll(() => written).toBe(SPOKEN);
    stopping.abort(new Error('stopped'));
    expect(await answering).toMatchObject({ ...ESTIMATED, brokenBy: { message: 'stopped' } });
    await expect.poll(() => model.hungUp).toBe(1);
  });

  it('because nobody reads on, what arrived is billed', async () => {
    model.plays = [{ say: SPOKEN }, { say: ' Not only.' }, 'wait'];
    const { key, team } = service;
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
    expect(await balance()).toEqual({ available: '9.996100', held: '0.000000' });
  });

  it('whose answer was lost is a duplicate when it comes again, and is charged once', async () => {
    model.plays = WHOLE;
    front.faults = [
      { path: /usage$/, how: 'unanswered' },
      { path: /usage$/, how: 429 },
    ];
    expect(await ask()).toMatchObject({ cost: '0.003900', available: '9.996100' });
    const statuses = front.calls.map(({ answer }) => answer?.events?.[0].status);
    expect(statuses).toEqual([undefined, 'accepted', undefined, 'duplicate']);
    expect(await balance()).toEqual({ available: '9.996100', held: '0.000000' });
  });

  it('cannot be made under an id that another usage has', async () => {
    model.plays = WHOLE;
    await ask();
    model.plays = [{ say: 'Twice?' }, { used: [1, 1] }, 'done'];
    await expect(ask()).rejects.toThrow(`usage ${model.completionId} was not recorded`);
  });

  it('of a model without a price is an error that says so', async () => {
    model.plays = WHOLE;
    const failing = ask({ billedAs: 'gpt-2' });
    await expect(failing).rejects.toThrow(BurnrateRefusal);
    await expect(failing).rejects.toMatchObject({ code: 'price_not_found' });
  });
});

describe('the hold', () => {
  it('is one, however often it is asked for', async () => {
    model.plays = WHOLE;
    front.faults = [
      { path: /holds$/, how: 'unanswered' },
      { path: /holds$/, how: 503 },
    ];
    await ask();
    expect(front.calls.map(({ status }) => status)).toEqual(['dropped', 503, 201, 200]);
    expect(front.calls[2]?.answer.id).toBe(front.calls[0]?.answer.id);
    expect(await balance()).toEqual({ available: '9.996100', held: '0.000000' });
  });

  it('is not waited for for ever: a person is waiting', async () => {
    front.faults = Array.from({ length: 4 }, () => ({ path: /holds$/, how: 'unheard' }));
    await expect(ask()).rejects.toMatchObject({ code: 'unreachable' });
    expect(model.asked).toEqual([]);
  });

  it('covers any text: no tokenizer makes more tokens than there are bytes', () => {
    expect(mostInputTokens([])).toBe(16);
    expect(mostInputTokens([QUESTION, { role: 'assistant', content: '空' }])).toBe(16 + 36 + 19);
  });
});

it.each([
  ['chatcmpl-AbC_123', 'chatcmpl-AbC_123'],
  ['x'.repeat(64), 'x'.repeat(64)],
  ['x'.repeat(65), 'lTfF_fEgSC99WNJentWD9SwCtOME6oFNsWM61WWu1-k'],
  ['cmpl:1/2', expect.stringMatching(/^[A-Za-z0-9_-]{43}$/)],
])('of the completion %s the event’s id is made, the same each time', (completionId, expected) => {
  expect(eventIdOf(completionId)).toEqual(expected);
  expect(eventIdOf(completionId)).toBe(eventIdOf(completionId));
});

describe('the command', () => {
  const MAIN = join(import.meta.dirname, '..', '..', 'docs', 'examples', 'metered-chat', 'main.ts');
  const run = (change: Record<string, string> = {}) => {
    const environment = {
      BURNRATE_URL: front.url,
      BURNRATE_KEY: service.key,
      BURNRATE_TEAM: service.team,
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

  it('writes the answer to its output, and what it cost beside it', async () => {
    model.plays = WHOLE;
    const { said, ended } = run();
    expect((await ended)[0], said.err).toBe(0);
    expect(said.out).toBe('Rayleigh scattering.');
    expect(said.err).toContain('14 tokens in, 3 out (counted by the model): $0.003900; $9.996100 left');
  });

  it('bills what arrived when it is interrupted', async () => {
    model.plays = [{ say: 'Rayleigh ' }, 'wait'];
    const { child, said, ended } = run();
    await expect.poll(() => said.out, { timeout: 20_000 }).toBe('Rayleigh ');
    child.kill('SIGINT');
    expect((await ended)[0], said.err).toBe(0);
    expect(said.err).toContain('(not whole: stopped)');
    expect(reported()).toEqual([expect.objectContaining({ id: model.completionId, inputTokens: 9, outputTokens: 3 })]);
  });

  it('says politely that there is not enough credit', async () => {
    service.balanceMicros = 0;
    const { said, ended } = run();
    expect((await ended)[0]).toBe(1);
    expect(said.err).toMatch(/^Not enough credit for this: /);
    expect(model.asked).toEqual([]);
  });

  it('says what is not set', async () => {
    const { said, ended } = run({ BURNRATE_KEY: '' });
    expect((await ended)[0]).toBe(1);
    expect(said.err).toBe('BURNRATE_KEY is not set\n');
  });
});
