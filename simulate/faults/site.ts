/**
 * The product like in production, for a group of cases: its own processes, started by their entry files, beside real
 * neighbours. A fault of a whole process strikes every case on the site.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import type { Control as Copperx } from '../../embedded/copperx/index.ts';
import type { MailInbox } from '../../embedded/mail/inbox.ts';
import { type Neighbours, startNeighbours } from '../../embedded/neighbours.ts';
import type { Postgres } from '../../embedded/postgres.ts';
import { answers, type ProductProcess, startProduct } from '../../embedded/product.ts';
import type { Control } from '../../embedded/stripe/index.ts';
import { startTemporalDevServer, type TemporalDevServer } from '../../embedded/temporal.ts';
import { connectDb, type Db } from '../../prisma/client.ts';
import { migrateBy } from '../../prisma/migrate.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { Api } from './api.ts';
import { Courier } from './courier.ts';
import { RowsOfTeams } from './team-rows.ts';
import { type Team, teamOfSession, teamsOfStripe } from './teams.ts';

/** fsync protects against more than a killed process, and only killed processes are tested here. */
const HASTY = { fsync: 'off', full_page_writes: 'off' };
const READY_WITHIN_MS = 60_000;

export class Site {
  readonly api: Api;
  readonly rows: RowsOfTeams;
  readonly courier = new Courier();
  readonly db: Db;
  readonly stripe: Control;
  readonly copperx: Copperx;
  readonly inbox: MailInbox;
  readonly postgres: Postgres;
  readonly neighbours: Neighbours;
  readonly #environment: Record<string, string>;
  readonly #client: Client;
  readonly #stop: () => Promise<void>;
  #worker: ProductProcess;
  #teams = 0;

  private constructor(parts: SiteParts) {
    const { neighbours, connection, worker, stop } = parts;
    const { environment, stripe, copperx, inbox, postgres } = neighbours;
    if (!stripe || !copperx || !inbox || !postgres)
      throw new Error('the matrix needs its own neighbours: configure none of them');
    this.neighbours = neighbours;
    this.stripe = stripe.control;
    this.copperx = copperx.control;
    this.inbox = inbox;
    this.postgres = postgres;
    this.db = connectDb(environment.DATABASE_URL ?? '');
    this.rows = new RowsOfTeams(this.db);
    this.courier.serve(this.stripe, teamsOfStripe());
    this.courier.serve(this.copperx, ({ data }) => teamOfSession(data.object));
    this.api = new Api(`http://127.0.0.1:${environment.PORT}`, environment.BURNRATE_PLATFORM_KEY ?? '');
    this.#environment = environment;
    this.#client = new Client({ connection, namespace: environment.TEMPORAL_NAMESPACE ?? 'default' });
    this.#worker = worker;
    this.#stop = stop;
  }

  static async start(): Promise<Site> {
    const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-faults-'));
    const toStop: (() => Promise<unknown>)[] = [() => rm(dataDir, { recursive: true, force: true })];
    const stop = async () => {
      for (const end of toStop.reverse()) await end();
    };
    try {
      // In memory, which is twice as fast: the engine is not killed here.
      const temporal: TemporalDevServer = await startTemporalDevServer({ searchAttributes: SEARCH_ATTRIBUTES });
      toStop.push(() => temporal.stop());
      const neighbours = await startNeighbours({
        dataDir,
        environment: {
          LOG_LEVEL: 'silent',
          RATE_LIMIT_PER_MINUTE: '1000000',
          TEMPORAL_ADDRESS: temporal.address,
          TEMPORAL_NAMESPACE: temporal.namespace,
        },
        searchAttributes: SEARCH_ATTRIBUTES,
        postgresSettings: HASTY,
      });
      toStop.push(() => neighbours.stop());
      const { environment } = neighbours;
      await migrateBy(environment);
      const [worker, api] = await Promise.all([startProduct('worker', environment), startProduct('api', environment)]);
      toStop.push(() => api.end());
      const connection = await Connection.connect({ address: temporal.address });
      toStop.push(() => connection.close());
      const site = new Site({ neighbours, connection, worker, stop });
      toStop.push(
        () => site.#worker.end(),
        () => site.db.$disconnect(),
      );
      await site.#ready();
      return site;
    } catch (error) {
      await stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  /** Sends SIGKILL, and starts a new worker. */
  async killWorker(): Promise<void> {
    await this.#worker.kill();
    this.#worker = await startProduct('worker', this.#environment);
  }

  async newTeam(): Promise<Team> {
    this.#teams += 1;
    const id = `team-${this.#teams}`;
    const email = `${id}@faults.example`;
    await this.api.insist('POST', '/v1/teams', { id, name: `Team ${this.#teams}`, email });
    const card = await this.api.insist('POST', `/v1/teams/${id}/payment-methods`, {
      stripePaymentMethod: 'pm_card_visa',
    });
    return { id, email, card: card.id };
  }

  /** True if the run of a workflow is over; false also for a workflow that never ran. */
  async hasEnded(workflowId: string): Promise<boolean> {
    try {
      return (await this.#client.workflow.getHandle(workflowId).describe()).status.name === 'COMPLETED';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await answers(`http://127.0.0.1:${this.#environment.PORT}/readyz`))) {
      if (Date.now() > deadline) throw new Error('the product was not ready in time');
      await sleep(100);
    }
  }
}

interface SiteParts {
  neighbours: Neighbours;
  connection: Connection;
  worker: ProductProcess;
  stop: () => Promise<void>;
}
