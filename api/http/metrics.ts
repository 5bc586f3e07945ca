/** GET /metrics: calls, answers of the engine, and gauges over all teams. No label names a team. */
import type { RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { secondOf } from '../../billing/time.ts';
import type { DepositKind } from '../../prisma/deposits.ts';
import { type Backlog, type Gauges, readBacklogs, readGauges } from '../../prisma/gauges.ts';
import type { Notice } from '../../prisma/notices.ts';
import type { ApiWorld } from '../world.ts';
import { type Gates, KINDS_OF_CALLS, type KindOfCall } from './capacity.ts';
import type { GateRefusal, GateState } from './gate.ts';

export interface Metrics {
  countCalls: RequestHandler;
  serve: RequestHandler;
  wakeSent(what: string, accepted: boolean): void;
  engineFailed(what: string): void;
  /** Counts a call without a place. */
  refused(kind: KindOfCall, why: GateRefusal): void;
  /** Measures the calls under way, the waiting calls and the limit of each kind. */
  watchGates(gates: Gates): void;
}

const CHANNELS = ['mail', 'event', 'customer'] satisfies Notice['channel'][];
const WORKFLOWS_DUE = ['instance', 'reservation', 'deposit', 'refund'];
const DEPOSIT_KINDS = ['saved_card', 'checkout', 'auto_top_up', 'crypto'] satisfies DepositKind[];

interface BacklogNames {
  name: string;
  age: string;
  help: string;
  label?: string;
  values?: string[];
}

/**
 * Two gauges for one kind of work: the number of waiting pieces, and the age of the oldest. A label without work shows
 * 0.
 */
function backlogGauge(registers: Registry[], { name, age, help, label, values = [''] }: BacklogNames) {
  const labelNames = label === undefined ? [] : [label];
  const count = new Gauge({ name: `burnrate_${name}`, help, labelNames, registers });
  const oldest = new Gauge({ name: `burnrate_${age}`, help: `${help}: age of the oldest`, labelNames, registers });
  return (backlogs: Map<string, Backlog>): void => {
    for (const value of values) {
      const labels = label === undefined ? {} : { [label]: value };
      const backlog = backlogs.get(value);
      count.set(labels, backlog?.count ?? 0);
      oldest.set(labels, backlog?.oldestAgeSeconds ?? 0);
    }
  };
}

/** Three gauges for each kind of call, read at each scrape. */
function watchGates(registers: Registry[], gates: Gates): void {
  const measure = (name: string, help: string, of: keyof GateState) =>
    new Gauge({
      name: `burnrate_${name}`,
      help,
      labelNames: ['kind'],
      registers,
      collect() {
        for (const kind of KINDS_OF_CALLS) this.set({ kind }, gates[kind].state[of]);
      },
    });
  measure('calls_in_flight', 'Calls under way', 'running');
  measure('calls_waiting', 'Calls that wait for a place', 'waiting');
  measure('calls_limit', 'How many calls may be under way, by the measured service time', 'limit');
}

export function createMetrics(world: ApiWorld): Metrics {
  const registers = [new Registry()];
  const [register] = registers as [Registry];
  collectDefaultMetrics({ register, prefix: 'burnrate_' });
  const { durations, tells: wakes, engineErrors, refusals } = countersOf(registers);
  const gauge = gaugeIn(registers);
  const gauges = gaugesOf(registers);
  const clockAhead = gauge('clock_ahead_seconds', 'By how much the clock of this process is ahead of the database’s');
  const backlogs = backlogsOf(registers);

  async function measure(): Promise<void> {
    const [totals, waiting] = await Promise.all([
      readGauges(world.db),
      readBacklogs(world.db, secondOf(world.nowMs())),
    ]);
    for (const [name, value] of Object.entries(totals)) gauges[name as keyof Gauges].set(value);
    for (const work of ['notices', 'deposits', 'workflows'] as const) backlogs[work](waiting[work]);
    for (const work of ['machines', 'refunds', 'looks'] as const) backlogs[work](new Map([['', waiting[work]]]));
  }

  return {
    countCalls: (request, response, next) => {
      const end = durations.startTimer({ method: request.method });
      response.on('close', () => end({ route: response.locals.route ?? 'none', status: response.statusCode }));
      next();
    },
    serve: async (_request, response) => {
      try {
        await measure();
      } catch (error) {
        // The other metrics matter most while the database is away.
        world.log.warn({ err: error }, 'the gauges could not be read: the database did not answer');
      }
      clockAhead.set((world.clock?.aheadMs() ?? 0) / 1000);
      response.type(register.contentType).send(await register.metrics());
    },
    wakeSent: (what, accepted) => wakes.inc({ what, accepted: String(accepted) }),
    engineFailed: (what) => engineErrors.inc({ what }),
    refused: (kind, why) => refusals.inc({ kind, why }),
    watchGates: (gates) => watchGates(registers, gates),
  };
}

const countersOf = (registers: Registry[]) => ({
  durations: new Histogram({
    name: 'burnrate_http_request_seconds',
    help: 'How long calls took',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
    registers,
  }),
  tells: new Counter({
    name: 'burnrate_tells_total',
    help: 'Workflows told that something was recorded',
    labelNames: ['what', 'accepted'],
    registers,
  }),
  engineErrors: new Counter({
    name: 'burnrate_engine_errors_total',
    help: 'Calls to Temporal that were not answered',
    labelNames: ['what'],
    registers,
  }),
  refusals: new Counter({
    name: 'burnrate_calls_refused_total',
    help: 'Calls that were given no place: full, displaced by a team with fewer calls, waited too long, or their caller gone',
    labelNames: ['kind', 'why'],
    registers,
  }),
});

const gaugeIn = (registers: Registry[]) => (name: string, help: string) =>
  new Gauge({ name: `burnrate_${name}`, help, registers });

function gaugesOf(registers: Registry[]): Record<keyof Gauges, Gauge> {
  const gauge = gaugeIn(registers);
  return {
    runningInstances: gauge('running_instances', 'Meters that run'),
    burnMicrosPerHour: gauge('burn_micros_per_hour', 'Sum of the running rates, in millionths of a dollar per hour'),
    noticesNotHandedOn: gauge('notices_waiting', 'Mails and events not yet handed on to their workflows'),
    mailsRefused: gauge('mails_refused', 'Mails that a mail server has refused for good'),
    exhaustionsNotAnnounced: gauge('exhaustions_unannounced', 'Ends of credit not yet announced'),
    reconciliationDifferences: gauge(
      'reconciliation_differences',
      'Rows in which ledger and providers differ, over the last seven compared days',
    ),
    reconciledDaySecond: gauge('reconciled_day_seconds', 'When the latest compared day began'),
  };
}

const backlogsOf = (registers: Registry[]) => ({
  notices: backlogGauge(registers, {
    ...{ name: 'notices_unsent', age: 'notices_unsent_oldest_age_seconds', label: 'channel', values: CHANNELS },
    help: 'Mails, events, and copies for the card provider that are recorded and not sent',
  }),
  deposits: backlogGauge(registers, {
    ...{ name: 'deposits_open', age: 'deposits_open_oldest_age_seconds', label: 'kind', values: DEPOSIT_KINDS },
    help: 'Deposits without an outcome',
  }),
  machines: backlogGauge(registers, {
    ...{ name: 'machine_stops_unconfirmed', age: 'machine_stops_unconfirmed_oldest_age_seconds' },
    help: 'Ended instances whose machine’s stop the platform has not confirmed',
  }),
  refunds: backlogGauge(registers, {
    ...{ name: 'refunds_open', age: 'refunds_open_oldest_age_seconds' },
    help: 'Refunds without an outcome',
  }),
  looks: backlogGauge(registers, {
    ...{ name: 'looks_due', age: 'looks_due_oldest_age_seconds' },
    help: 'Teams whose watch has not looked at their last fact',
  }),
  workflows: backlogGauge(registers, {
    ...{ name: 'workflows_due', age: 'workflows_due_oldest_age_seconds', label: 'workflow', values: WORKFLOWS_DUE },
    help: 'Instances, reservations, deposits and refunds whose workflow has not seen what is recorded of them',
  }),
});
