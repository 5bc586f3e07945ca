/**
 * `npm run demo`: the main job on embedded parts, in real time. A team deposits $15 and starts three machines that
 * spend the deposit within seconds. Auto top-up charges the card, waits for the end of the cooldown, charges again, is
 * declined, is switched off and mails the team; all machines end at the last paid second. The worker is killed in
 * between, and Stripe delivers one webhook twice. Then the team pays in crypto, in two transactions and more than
 * requested, and its first deposit is refunded.
 *
 * The script waits for recorded states, never for a moment. The seconds of the bill follow from recorded facts, so a
 * slow machine plays the same story later: the card knows in advance which charge to decline, a charge in flight may
 * take as long as necessary, and a call that is answered 503 is repeated. Where a charge takes so long that the
 * machines end before its credit, the machines are started again.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Neighbours, startNeighbours } from '../../embedded/neighbours.ts';
import { type ProductProcess, startProduct } from '../../embedded/product.ts';
import { migrateBy } from '../../prisma/migrate.ts';
import { readCommandLine } from '../../process/command-line.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { allChecks, printTable, undelivered, webhookDeliveries } from './checks.ts';
import { type Api, apiAt, Refusal } from './http.ts';
import { Progress } from './progress.ts';
import { DemoTeam, type Deposit, TEAM } from './team.ts';
import { bold, cyan, dim, green, red, Timeline, yellow } from './timeline.ts';

const COOLDOWN_SECONDS = 20;
/**
 * Long enough for a charge on a machine that is busy with other programs. Until the outcome is known, no machine ends.
 */
const GRACE_SECONDS = 1_800;
/** The deposit and two top-ups succeed; the third top-up is declined. */
const CHARGES_BEFORE_DECLINE = 3;
const TOP_UP = { enabled: true, threshold: '10.00', amount: '15.00' };
const MACHINES = [
  { id: 'trainer', gpuType: 'H200', hourly: '1440.00' },
  { id: 'indexer', gpuType: 'H100', hourly: '1200.123456' },
  { id: 'notebook', gpuType: 'A100', hourly: '599.876543' },
];
/** More than the least credit for the start of an instance. */
const CREDIT_TO_START = 5;
const CRYPTO_PARTS = ['25.5', '20'];
const CONFIRMATIONS_SENT = 12;

class Demo {
  private readonly neighbours: Neighbours;
  private readonly api: Api;
  private readonly timeline: Timeline;
  private readonly team: DemoTeam;
  private readonly progress: Progress;
  private worker: ProductProcess;
  /** The number of starts of the machines. */
  private rounds = 0;

  constructor(neighbours: Neighbours, api: Api, timeline: Timeline, worker: ProductProcess) {
    this.neighbours = neighbours;
    this.api = api;
    this.timeline = timeline;
    this.team = new DemoTeam(api);
    this.progress = new Progress(this.team, neighbours, timeline, Number(TOP_UP.threshold));
    this.worker = worker;
  }

  get workerNow(): ProductProcess {
    return this.worker;
  }

  async play(): Promise<void> {
    const reporting = this.progress.report();
    try {
      await this.openTeam();
      await this.startMachines();
      await this.killWorker();
      await this.runningUntil('two top-ups', async () => (await this.team.topUps('succeeded')).length >= 2);
      await this.runningUntil('the failed charge', async () => (await this.team.topUps('failed')).length >= 1);
      await this.progress.until('the end of credit', async () => (await this.team.balance()).activeInstances === 0);
      await this.payInCrypto();
      await this.refundFirstDeposit();
      await this.untilDelivered();
    } finally {
      this.progress.end();
      await reporting;
      this.timeline.done();
    }
  }

  private async openTeam(): Promise<void> {
    const { api, timeline } = this;
    await api.post('/v1/teams', { id: TEAM, name: 'Acme Robotics', email: 'team@acme.example' });
    const card = await api.post<{ id: string; brand: string; last4: string }>(`/v1/teams/${TEAM}/payment-methods`, {
      stripePaymentMethod: 'pm_card_visa',
    });
    const { stripe } = this.neighbours;
    stripe?.control.cards.decline({
      customer: stripe.control.customers()[0]?.id ?? '',
      after: CHARGES_BEFORE_DECLINE,
      declineCode: 'insufficient_funds',
    });
    timeline.say('👥', `team ${bold('Acme Robotics')} saves a card: ${card.brand} ···· ${card.last4}`);
    timeline.say('🚫', yellow(`the bank will accept ${CHARGES_BEFORE_DECLINE} charges and decline the next one`));
    stripe?.control.webhooks.duplicate(1, 'payment_intent.succeeded');
    await api.post(`/v1/teams/${TEAM}/deposits`, { amount: '15.00', method: 'card', paymentMethod: card.id });
    await this.progress.until('the deposit', async () =>
      (await this.team.deposits()).some(({ status }) => status === 'succeeded'),
    );
    timeline.say('💳', `deposit of ${green('$15.00')} by card; Stripe sends its webhook ${yellow('twice')}`);
    await api.put(`/v1/teams/${TEAM}/auto-top-up`, TOP_UP);
    timeline.say('🔁', `auto top-up on: below $10.00 charge $15.00, cooldown ${COOLDOWN_SECONDS} s`);
  }

  /** All at once, because on a slow machine the first could spend the credit that the last needs to start. */
  private async startMachines(): Promise<void> {
    this.rounds += 1;
    await Promise.all(
      MACHINES.map(async ({ id: name, gpuType, hourly }) => {
        const id = this.rounds === 1 ? name : `${name}-${this.rounds}`;
        const machine = { id, team: TEAM, gpuType, region: 'eu-north', pricing: 'on_demand', hourly };
        await this.startWhenPaidFor(machine);
        this.timeline.say('▶ ', `${bold(id)} (${gpuType}) starts at $${hourly} an hour`);
      }),
    );
    const { runsOutAt } = await this.team.balance();
    this.timeline.say(
      '🔮',
      `without another charge credit would end at ${cyan(runsOutAt ?? 'never')}: computed, not polled for`,
    );
  }

  /** Waits for a state that only spending causes, and starts machines again when none runs and credit is left. */
  private async runningUntil(what: string, isReached: () => Promise<boolean>): Promise<void> {
    const isReachedOrIdle = async () => (await isReached()) || (await this.isIdleWithCredit());
    for (;;) {
      await this.progress.until(what, isReachedOrIdle);
      if (await isReached()) return;
      this.timeline.say('🔂', 'credit ended before the charge was credited: the machines are started again');
      await this.startMachines();
    }
  }

  private async isIdleWithCredit(): Promise<boolean> {
    const { activeInstances, available } = await this.team.balance();
    return activeInstances === 0 && Number(available) >= CREDIT_TO_START;
  }

  /** On a slow machine the other machines may have spent the credit for this start. The next top-up brings more. */
  private async startWhenPaidFor(machine: { id: string }): Promise<void> {
    for (;;) {
      try {
        await this.api.post('/v1/instances', machine);
        return;
      } catch (error) {
        if (!(error instanceof Refusal) || error.code !== 'insufficient_credit') throw error;
      }
      await this.progress.until(
        `the credit to start ${machine.id}`,
        async () => Number((await this.team.balance()).available) >= CREDIT_TO_START,
      );
    }
  }

  private async killWorker(): Promise<void> {
    await this.progress.until('the first top-up', async () => (await this.team.topUps('succeeded')).length >= 1);
    await this.worker.kill();
    this.timeline.say('💥', red('the worker process is killed'));
    this.worker = await startProduct('worker', this.neighbours.environment);
    this.timeline.say('🩹', 'and started again: every workflow continues where it was');
  }

  /** The team is asked for $40 and sends $25.50 and $20. The credit is the amount received. */
  private async payInCrypto(): Promise<void> {
    const { api, timeline, neighbours } = this;
    const { id } = await api.post<Deposit>(`/v1/teams/${TEAM}/deposits`, { amount: '40.00', method: 'crypto' });
    let checkoutUrl = '';
    await this.progress.until('the address of the crypto page', async () => {
      checkoutUrl = (await api.get<Deposit>(`/v1/teams/${TEAM}/deposits/${id}`)).checkoutUrl ?? '';
      return checkoutUrl !== '';
    });
    timeline.say('🪙', `a deposit of $40.00 in crypto: the page is ${dim(checkoutUrl)}`);
    for (const amount of CRYPTO_PARTS)
      neighbours.copperx?.control.pay(id, { amount, confirmations: CONFIRMATIONS_SENT });
    const received = CRYPTO_PARTS.reduce((sum, amount) => sum + Number(amount), 0).toFixed(6);
    await this.progress.until('the crypto deposit', async () =>
      (await this.team.deposits()).some((deposit) => deposit.id === id && deposit.received === received),
    );
    timeline.say('🪙', `${green(`$${Number(received).toFixed(2)}`)} came, in two transactions: credited as received`);
  }

  private async refundFirstDeposit(): Promise<void> {
    const first = (await this.team.deposits()).find(({ label }) => label === 'Deposit');
    const refund = await this.api.post<{ amount: string; status: string }>(`/v1/deposits/${first?.id}/refund`, {});
    this.timeline.say(
      '↩ ',
      `the first deposit is refunded: $${Number(refund.amount).toFixed(2)}, taken from credit before Stripe is asked`,
    );
    await this.progress.until('the refund', async () =>
      (await this.team.deposits()).some(({ label, status }) => label === 'Refund' && status === 'succeeded'),
    );
  }

  /** Waits until every mail and event is sent, every machine's stop is confirmed, and the doubled webhook has arrived. */
  private async untilDelivered(): Promise<void> {
    await this.progress.until('the last mail, event and order to stop', async () => {
      const open = await undelivered(this.neighbours);
      return open.notices === 0 && open.machines === 0 && webhookDeliveries(this.neighbours) >= 2;
    });
  }
}

const USAGE = `usage: npm run demo

Plays the life of a team in real time on embedded parts and checks the books at the end. It takes about two minutes on an
idle machine. Exit status: 0 when every check holds, 1 otherwise.`;

async function main(): Promise<boolean> {
  if (!readCommandLine({ usage: USAGE })) return true;
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-demo-'));
  const tools = join(import.meta.dirname, '..', '..', '.data');
  const say = (line: string) => process.stdout.write(`${dim(line)}\n`);
  process.stdout.write(`${bold('Burnrate')}: a team’s credit, to the second\n\n`);
  const neighbours = await startNeighbours({
    dataDir,
    toolsDir: tools,
    environment: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TOP_UP_COOLDOWN: `${COOLDOWN_SECONDS}s`,
      TOP_UP_GRACE: `${GRACE_SECONDS}s`,
      SETTLE_EVERY: '10s',
    },
    searchAttributes: SEARCH_ATTRIBUTES,
    postgresSettings: { fsync: 'off' },
    say,
  });
  const { environment } = neighbours;
  let demo: Demo | null = null;
  let processes: ProductProcess[] = [];
  const stop = async () => {
    await Promise.all([...processes, ...(demo ? [demo.workerNow] : [])].map((child) => child.end(5_000)));
    await neighbours.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void stop().then(() => process.exit(130)));
  try {
    await migrateBy(environment);
    const [api, worker] = await Promise.all([startProduct('api', environment), startProduct('worker', environment)]);
    processes = [api, worker];
    const http = apiAt(`http://127.0.0.1:${environment.PORT}`, environment.BURNRATE_PLATFORM_KEY ?? '');
    say(
      `api at http://127.0.0.1:${environment.PORT}, Temporal UI at ${neighbours.temporal?.uiUrl}, inbox at ${neighbours.inbox?.webUrl}\n`,
    );
    demo = new Demo(neighbours, http, new Timeline(Date.now()), worker);
    await demo.play();
    return printTable(await allChecks(http, TEAM, neighbours));
  } finally {
    await stop();
  }
}

process.exitCode = await main().then(
  (allHold) => (allHold ? 0 : 1),
  (error: Error) => {
    process.stderr.write(`\n${red(error.message)}\n`);
    return 1;
  },
);
