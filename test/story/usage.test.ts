/**
 * Tests usage and holds by the hundred while the api is killed twice and Postgres once: each event is recorded exactly
 * once.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { settleAndAudit } from './books.ts';
import {
  type Answer,
  type Api,
  isUnanswered,
  mustBe,
  type PartName,
  type ProductUnderTest,
  startProductUnderTest,
  type Team,
  until,
} from './support.ts';

const MODEL = 'story-model';
/** Per million tokens: no event costs whole micros, so that each leaves a remainder to the next. */
const PRICE = { input: '0.333333', output: '1.234567' };
const KILLED: PartName[] = ['api', 'postgres', 'api'];
const SHORT_SECONDS = 2;
const LONG_SECONDS = 3_600;

let product: ProductUnderTest;

beforeAll(async () => {
  product = await startProductUnderTest({ SETTLE_EVERY: '3s' }, { crashes: true });
});
afterAll(() => product?.stop());

interface Event {
  id: string;
  team: string;
  model: string;
  inputTokens: number;
  outputTokens: number;
  hold?: string;
}

/** A server of models: it holds before it serves, reports in batches after, and repeats a call until it is answered. */
class ModelServer {
  /** Batches that were answered. */
  readonly reported: Event[][] = [];
  readonly #api: Api;
  readonly #team: Team;
  readonly #name: string;
  readonly #index: number;
  #count = 0;
  #holds = 0;
  #over = false;

  constructor(api: Api, team: Team, index: number) {
    this.#api = api;
    this.#team = team;
    this.#index = index;
    this.#name = `${team.id}-${index}`;
  }

  end(): void {
    this.#over = true;
  }

  async run(): Promise<void> {
    for (let turn = 0; !this.#over; turn++) {
      if (turn % 3 === 0) await this.#hold(turn);
      else if (turn % 7 === 0) await this.#repeat();
      else await this.#report(this.#batch());
      await sleep(20);
    }
  }

  /** Each in turn: what was held is used, given back, forgotten, or used too late. */
  async #hold(turn: number): Promise<void> {
    const fate = (['used', 'voided', 'forgotten', 'late'] as const)[(turn / 3 + this.#index) % 4];
    const ttlSeconds = fate === 'late' ? SHORT_SECONDS : LONG_SECONDS;
    const asked = { team: this.#team.id, model: MODEL, ...this.#most(), ttlSeconds };
    const key = { 'Idempotency-Key': `hold-${this.#next()}` };
    const placed = await this.#answered([201, 402], () => this.#api.post('/v1/holds', asked, key));
    if (placed.status !== 201) return;
    const { id } = placed.body;
    if (fate === 'voided') mustBe(200, await this.#answered([200], () => this.#api.post(`/v1/holds/${id}/void`)));
    if (fate === 'late') await sleep(SHORT_SECONDS * 1_000);
    if (fate === 'late' || fate === 'used') await this.#report(this.#batch(id));
  }

  /** Of each hold its own, so that the books tell one from another. */
  #most(): { maxInputTokens: number; maxOutputTokens: number } {
    this.#holds += 1;
    return { maxInputTokens: 1_500 + this.#holds, maxOutputTokens: 1_500 + this.#index };
  }

  #next = (): string => `${this.#name}-${++this.#count}`;

  #batch(hold?: string): Event[] {
    return Array.from({ length: 1 + (this.#count % 5) }, (_, index) => ({
      id: this.#next(),
      team: this.#team.id,
      model: MODEL,
      inputTokens: (this.#count * 37) % 1_500,
      outputTokens: (this.#count * 53) % 1_500,
      ...(hold !== undefined && index === 0 && { hold }),
    }));
  }

  /** Now and then two processes send the same at once. */
  async #report(events: Event[]): Promise<void> {
    const call = () => this.#answered([200], () => this.#api.post('/v1/usage', { events }));
    const answers = await Promise.all(this.#count % 4 === 0 ? [call(), call()] : [call()]);
    const statuses = answers.flatMap(({ body }) => body.events.map(({ status }: { status: string }) => status));
    for (const status of statuses) expect(['accepted', 'duplicate']).toContain(status);
    this.reported.push(events);
  }

  /** What came long ago comes again, and another event under an id of it. */
  async #repeat(): Promise<void> {
    const [first, ...others] = this.reported[this.#count % this.reported.length] ?? [];
    if (!first) return;
    const events = [...others, first, { ...first, outputTokens: first.outputTokens + 1 }];
    const { body } = await this.#answered([200], () => this.#api.post('/v1/usage', { events }));
    const statuses = body.events.map(({ status }: { status: string }) => status);
    expect(statuses).toEqual([...[first, ...others].map(() => 'duplicate'), 'conflict']);
  }

  async #answered(known: number[], call: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const answer = await call();
      if (known.includes(answer.status)) return answer;
      if (!isUnanswered(answer)) throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      await sleep(100);
    }
  }
}

/** Usage and a hold have been answered since a moment. */
const hasWorked = ({ heard }: Api, from: number): boolean =>
  ['/v1/usage', '/v1/holds'].every((path) =>
    heard.slice(from).some((call) => call.path === path && call.answer.status < 300 && call.answer.status > 0),
  );

const grant = async ({ api }: ProductUnderTest, team: Team, amount: string): Promise<void> => {
  const key = { 'Idempotency-Key': randomUUID() };
  mustBe(201, await api.insist(() => api.post(`${team.path}/grants`, { amount, note: 'for its tokens' }, key)));
};

it('Every event is charged exactly once when processes are killed during usage and holds, and no more is held than the credit', async () => {
  const { api, parts, sql } = product;
  mustBe(200, await api.put(`/v1/models/${MODEL}`, PRICE));
  const rich = await api.newTeam();
  const poor = await api.newTeam();
  await grant(product, rich, '500');
  await grant(product, poor, '0.02');
  // A meter runs in between.
  mustBe(201, await api.insist(() => api.start(rich, `${rich.id}-a`, '360')));

  const servers = [rich, poor].flatMap((team) => [0, 1, 2, 3].map((index) => new ModelServer(api, team, index)));
  const working = Promise.all(servers.map((server) => server.run()));
  await sleep(1_500);
  for (const name of KILLED) {
    const from = api.heard.length;
    await parts[name].kill();
    await sleep(500);
    await parts[name].restart();
    await until('usage and holds are answered again', () => hasWorked(api, from));
    await sleep(1_000);
  }
  await until('the poor team owes, and was refused a hold', async () => {
    const isRefused = api.heard.some(({ sent, answer }) => answer.status === 402 && sent.team === poor.id);
    const [account] = await sql<{ owed_micros: bigint }>('SELECT owed_micros FROM accounts WHERE team_id = $1', [
      poor.id,
    ]);
    return isRefused && (account?.owed_micros ?? 0n) > 0n;
  });
  // Pays a part of it, while more comes.
  await grant(product, poor, '0.01');
  await sleep(500);
  for (const server of servers) server.end();
  await working;

  // The next fact records what has expired.
  await sleep((SHORT_SECONDS + 1) * 1_000);
  await grant(product, poor, '0.000001');
  await settleAndAudit(product, [rich, poor]);
  const sent = servers.flatMap(({ reported }) => reported.flat().map(({ id }) => id));
  const recorded = await sql<{ event_id: string }>('SELECT event_id FROM usage_events');
  expect(recorded.map(({ event_id }) => event_id).sort()).toEqual(sent.sort());

  // A story in which nothing happened would prove nothing.
  const [counts] = await sql<Record<string, number>>(
    `SELECT (SELECT count(*)::int FROM usage_events) AS events,
       (SELECT count(*)::int FROM transfers WHERE code = 'owed_usage') AS owed,
       (SELECT count(*)::int FROM transfers WHERE code = 'owed_collected') AS collected,
       (SELECT count(*)::int FROM holds WHERE status = 'settled') AS settled,
       (SELECT count(*)::int FROM holds WHERE status = 'voided') AS voided,
       (SELECT count(*)::int FROM holds WHERE status = 'expired') AS expired,
       (SELECT count(*)::int FROM holds WHERE status = 'pending') AS pending`,
  );
  for (const [what, count] of Object.entries(counts ?? {})) expect(count, what).toBeGreaterThan(0);
  expect(api.heard.some(({ answer }) => answer.status === 0)).toBe(true);
});
