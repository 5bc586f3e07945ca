/** Logging of Temporal's runtime: through our log, and only events that someone should act on. */
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Log } from '../activities/world.ts';

let installed = false;

/** Installs the runtime, once a process; a later call changes nothing. */
export function installRuntime(log: Log): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      // A worker without workflows, activities or a Nexus service is intended here.
      if (/^No (workflows|activities|Nexus services) registered/.test(message)) return;
      log[level === 'ERROR' ? 'error' : 'warn']({ ...meta }, message);
    }),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
  });
}
