/** GET /metrics: how calls go, how the engine answers, and a few gauges over all teams. No label names a team. */
import type { RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type Gauges, readGauges } from '../prisma/gauges.ts';
import type { ApiWorld } from './world.ts';

export interface Metrics {
  countCalls: RequestHandler;
  serve: RequestHandler;
  told(what: string, accepted: boolean): void;
  engineFailed(what: string): void;
}

export function createMetrics(world: ApiWorld): Metrics {
  const registers = [new Registry()];
  const [register] = registers as [Registry];
  collectDefaultMetrics({ register, prefix: 'burnrate_' });
  const durations = new Histogram({
    name: 'burnrate_http_request_seconds',
    help: 'How long calls took',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
    registers,
  });
  const tells = new Counter({
    name: 'burnrate_tells_total',
    help: 'Workflows told that something was recorded',
    labelNames: ['what', 'accepted'],
    registers,
  });
  const engineErrors = new Counter({
    name: 'burnrate_engine_errors_total',
    help: 'Calls to Temporal that were not answered',
    labelNames: ['what'],
    registers,
  });
  const gauge = (name: string, help: string) => new Gauge({ name: `burnrate_${name}`, help, registers });
  const gauges: Record<keyof Gauges, Gauge> = {
    runningInstances: gauge('running_instances', 'Meters that run'),
    burnMicrosPerHour: gauge('burn_micros_per_hour', 'Sum of the running rates, in millionths of a dollar per hour'),
    noticesNotHandedOn: gauge('notices_waiting', 'Mails and events not yet handed on to their workflows'),
    exhaustionsNotAnnounced: gauge('exhaustions_unannounced', 'Ends of credit not yet announced'),
    reconciliationDifferences: gauge(
      'reconciliation_differences',
      'Rows in which ledger and providers differ, over the last seven compared days',
    ),
    reconciledDaySecond: gauge('reconciled_day_seconds', 'When the latest compared day began'),
  };

  return {
    countCalls: (request, response, next) => {
      const end = durations.startTimer({ method: request.method });
      response.on('close', () => end({ route: response.locals.route ?? 'none', status: response.statusCode }));
      next();
    },
    serve: async (_request, response) => {
      try {
        for (const [name, value] of Object.entries(await readGauges(world.db))) gauges[name as keyof Gauges].set(value);
      } catch (error) {
        // The rest is worth the more when the database is away.
        world.log.warn({ err: error }, 'no gauges: the database did not answer');
      }
      response.type(register.contentType).send(await register.metrics());
    },
    told: (what, accepted) => tells.inc({ what, accepted: String(accepted) }),
    engineFailed: (what) => engineErrors.inc({ what }),
  };
}
