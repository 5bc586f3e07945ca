/**
 * The whole product as real processes over HTTP, beside real neighbours in a folder of their own: each of them can be
 * killed and started again, and everything that a caller is answered is kept for the books (books.ts).
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import pg from 'pg';
import type { MailInbox } from '../../embedded/mail/inbox.ts';
import { type Neighbours, startNeighbours } from '../../embedded/neighbours.ts';
import type { PlatformStandIn } from '../../embedded/platform/index.ts';
import { answers, type ProductProcess, startProduct } from '../../embedded/product.ts';
import type { StripeStandIn } from '../../embedded/stripe/index.ts';
import { resolveTemporalCli } from '../../embedded/temporal.ts';
import { migrateBy } from '../../prisma/migrate.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { type Contract, servedContract } from '../support/contract.ts';

export interface Answer {
  /** 0: the connection broke, and whether the call was received is not known. */
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the api answers.
  body: any;
}

/**
 * Whether a call has no answer yet: its connection broke, nothing was recorded, its outcome is not known, or an earlier call
 * under its key is under way.
 */
export const isUnanswered = ({ status, body }: Answer): boolean =>
  status === 0 || status === 503 || body?.error?.code === 'idempotency_in_flight';

/** Whether the call may have been recorded though its answer does not say so. */
export const isOutcomeUnknown = ({ status, body }: Answer): boolean =>
  status === 0 || body?.error?.code === 'outcome_unknown' || body?.error?.code === 'idempotency_in_flight';

/** A call and what was answered to it, in the order of the answers. */
export interface Heard {
  method: string;
  path: string;
  // biome-ignore lint/suspicious/noExplicitAny: as it was sent.
  sent: any;
  answer: Answer;
}

/** Something that runs and can be killed as a crash would, and started again as a supervisor would. */
export interface Part {
  kill(): Promise<void>;
  restart(): Promise<void>;
}

export type PartName = 'worker' | 'api' | 'temporal' | 'postgres';

export interface ProductUnderTest {
  api: Api;
  parts: Record<PartName, Part>;
  stripe: StripeStandIn['control'];
  inbox: MailInbox;
  platform: PlatformStandIn;
  sql: Sql;
  /** The settings of its processes. */
  environment: Record<string, string>;
  /** The folder in which its neighbours keep their data. */
  folder: string;
  /** Whether the run of a workflow has ended; true also when there never was one. */
  hasEnded(workflowId: string): Promise<boolean>;
  /** What the engine knows of a workflow, in a line: for the message of a wait in vain. */
  engineSays(workflowId: string): Promise<string>;
  /** Processes of the product that went though nobody killed them, with their last words. */
  diedAlone: string[];
  /** What the processes logged as errors. */
  errorsLogged: string[];
  stop(): Promise<void>;
}

export type Sql = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

const CALL_WITHIN_MS = 45_000;
const MOST_TRIES = 20;
/** These settings lose data only in a crash. */
const HASTY = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** Starts the product with short waits, for stories in which processes and neighbours are killed. */
export const startProductThatCrashes = (): Promise<ProductUnderTest> =>
  startProductUnderTest({ TOP_UP_COOLDOWN: '5s', TOP_UP_GRACE: '3s', SETTLE_EVERY: '3s' }, { crashes: true });

/** Starts all parts. `crashes`: Postgres is killed in the story, so its acknowledged commits must survive. */
export async function startProductUnderTest(
  overrides: Record<string, string>,
  { crashes = false } = {},
): Promise<ProductUnderTest> {
  process.env.TEMPORAL_CLI_PATH ??= await resolveTemporalCli();
  const folder = await mkdtemp(join(tmpdir(), 'burnrate-story-'));
  const neighbours = await startNeighbours({
    dataDir: folder,
    environment: { LOG_LEVEL: 'warn', ...overrides },
    searchAttributes: SEARCH_ATTRIBUTES,
    postgresSettings: crashes ? {} : HASTY,
  });
  const { environment, stripe, inbox, platform } = neighbours;
  if (!stripe || !inbox || !platform) throw new Error('a story needs its own neighbours: configure none of them');
  const sql = sqlAt(environment.DATABASE_URL ?? '');
  await migrateBy(environment);

  const diedAlone: string[] = [];
  const errorsLogged: string[] = [];
  const processes = await Promise.all(
    (['worker', 'api'] as const).map((name) => supervised(name, environment, diedAlone, errorsLogged)),
  );
  const [worker, api] = processes as [Supervised, Supervised];
  const base = `http://127.0.0.1:${environment.PORT}`;
  await until('the product is ready', () => answers(`${base}/readyz`));

  return {
    api: new Api(base, environment.BURNRATE_PLATFORM_KEY ?? '', await servedContract(base)),
    parts: { worker, api, ...killable(neighbours) },
    stripe: stripe.control,
    inbox,
    platform,
    sql,
    environment,
    folder,
    hasEnded: async (workflowId) => (await described(environment, workflowId))?.status.name !== 'RUNNING',
    engineSays: async (workflowId) => {
      const run = await described(environment, workflowId);
      const { pendingActivities, pendingWorkflowTask } = run?.raw ?? {};
      return JSON.stringify({ workflowId, status: run?.status.name, pendingActivities, pendingWorkflowTask });
    },
    diedAlone,
    errorsLogged,
    async stop() {
      await Promise.all(processes.map((child) => child.end()));
      await neighbours.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Supervised extends Part {
  end(): Promise<void>;
}

const START_TRIES = 5;

/** A process of the product: started again when it is asked for, and its end noticed when nobody asked for that. */
async function supervised(
  name: 'api' | 'worker',
  environment: Record<string, string>,
  diedAlone: string[],
  errorsLogged: string[],
): Promise<Supervised> {
  let child: ProductProcess;
  let asked = false;
  const start = async () => {
    asked = false;
    for (let tries = 1; ; tries++) {
      try {
        child = await startProduct(name, environment, (line) => {
          if (/"level":[56]0/.test(line)) errorsLogged.push(`${name}: ${line}`);
        });
        break;
      } catch (error) {
        // What it needs may be away itself: a supervisor tries again.
        if (tries === START_TRIES) throw error;
        await sleep(500);
      }
    }
    const started = child;
    void started.exited.then((how) => {
      if (!asked && started === child) diedAlone.push(`${name} ended (${how})\n${started.tail()}`);
    });
  };
  await start();
  return {
    async kill() {
      asked = true;
      await child.kill();
    },
    restart: start,
    async end() {
      asked = true;
      await child.end();
    },
  };
}

function killable({ temporal, postgres }: Neighbours): Record<'temporal' | 'postgres', Part> {
  if (!temporal || !postgres) throw new Error('a story needs its own neighbours: configure none of them');
  return {
    temporal: { kill: () => temporal.kill(), restart: () => temporal.restart() },
    postgres: { kill: () => postgres.kill(), restart: () => postgres.restart() },
  };
}

/** A connection for each question: one that is kept would not outlive a kill. Numbers of 64 bits come as bigint. */
function sqlAt(connectionString: string): Sql {
  const types = {
    getTypeParser: (oid: number, format?: 'text' | 'binary') =>
      oid === pg.types.builtins.INT8 ? BigInt : pg.types.getTypeParser(oid, format as 'text'),
  };
  return async <Row>(text: string, values: unknown[] = []) => {
    const client = new pg.Client({ connectionString, types });
    await client.connect();
    try {
      return (await client.query(text, values)).rows as Row[];
    } finally {
      await client.end();
    }
  };
}

/** What the engine knows of a workflow; null when there never was one. */
async function described(environment: Record<string, string>, workflowId: string) {
  const connection = await Connection.connect({ address: environment.TEMPORAL_ADDRESS ?? '' });
  try {
    const client = new Client({ connection, namespace: environment.TEMPORAL_NAMESPACE ?? 'default' });
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  } finally {
    await connection.close();
  }
}

/** Waits for what must come. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 120_000,
  everyMs = 100,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await sleep(everyMs);
  }
}

// ── the caller ───────────────────────────────────────────────────────────────────────────────────────────────────

let names = 0;

/** The platform, as a caller: it keeps what it was answered, and repeats a call that got no answer. */
export class Api {
  readonly heard: Heard[] = [];
  readonly #base: string;
  readonly #key: string;
  readonly #contract: Contract;

  constructor(base: string, key: string, contract: Contract) {
    this.#base = base;
    this.#key = key;
    this.#contract = contract;
  }

  /**
   * Calls the api and checks its answer against the document that it serves.
   * @throws ContractBroken
   */
  async send(method: string, path: string, sent?: object, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(this.#base + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(sent && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent && { body: JSON.stringify(sent) }),
      signal: AbortSignal.timeout(CALL_WITHIN_MS),
    })
      .then(async (response): Promise<Answer & { text: string }> => {
        const text = await response.text();
        return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
      })
      .catch((): Answer & { text: string } => ({ status: 0, headers: new Headers(), text: '', body: null }));
    if (answer.status !== 0) this.#contract.check({ method, path, requestBody: sent, ...answer });
    this.heard.push({ method, path, sent, answer });
    return answer;
  }

  get(path: string): Promise<Answer> {
    return this.send('GET', path);
  }

  post(path: string, sent: object = {}, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, sent, headers);
  }

  put(path: string, sent: object): Promise<Answer> {
    return this.send('PUT', path, sent);
  }

  /** Reads, and throws at any other answer than 200. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the api answers.
  async read(path: string): Promise<any> {
    return mustBe(200, await this.get(path));
  }

  /** Repeats a call under its id or key for as long as it has no answer, as any caller would. */
  async insist(call: () => Promise<Answer>): Promise<Answer> {
    let answer = await call();
    for (let tries = 1; isUnanswered(answer) && tries < MOST_TRIES; tries++) {
      await sleep(Number(answer.headers.get('retry-after') ?? 1) * 1000);
      answer = await call();
    }
    return answer;
  }

  /** A team of a new name, with a saved card. */
  async newTeam(card = 'pm_card_visa'): Promise<Team> {
    names += 1;
    const id = `team-${names}`;
    const email = `billing@${id}.example`;
    mustBe(201, await this.post('/v1/teams', { id, name: `Team ${names}`, email }));
    const method = mustBe(201, await this.post(`/v1/teams/${id}/payment-methods`, { stripePaymentMethod: card }));
    return { id, email, card: method.id, path: `/v1/teams/${id}` };
  }

  /** Pays in by the saved card, and waits for the credit. */
  async deposit(team: Team, amount: string): Promise<void> {
    const order = { amount, method: 'card', paymentMethod: team.card };
    const key = { 'Idempotency-Key': randomUUID() };
    const { id } = mustBe(201, await this.insist(() => this.post(`${team.path}/deposits`, order, key)));
    await until(
      `${id} is credited`,
      async () => (await this.read(`${team.path}/deposits/${id}`)).status === 'succeeded',
    );
  }

  start(team: Team, id: string, hourly: string): Promise<Answer> {
    const spec = { id, team: team.id, gpuType: 'h100', region: 'eu-1', pricing: 'on_demand', hourly };
    return this.post('/v1/instances', spec);
  }

  stop(id: string): Promise<Answer> {
    return this.post(`/v1/instances/${id}/stop`);
  }

  topUp(team: Team, policy: object = { enabled: true, threshold: '5.00', amount: '15.00' }): Promise<Answer> {
    return this.put(`${team.path}/auto-top-up`, policy);
  }
}

export interface Team {
  id: string;
  email: string;
  /** The id of its saved card. */
  card: string;
  path: string;
}

/** The body of an answer that must be of this status. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the api answers.
export function mustBe(status: number, answer: Answer): any {
  if (answer.status === status) return answer.body;
  throw new Error(`answered ${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`);
}

export const secondsOf = (time: string): number => Date.parse(time) / 1000;
