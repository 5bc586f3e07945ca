/** The worker process: connects, builds its world, bundles the workflows, and works until a signal ends the process. */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { readCommandLine, UsageError } from '../process/command-line.ts';
import { readConfig } from '../process/config.ts';
import { warnOfOwner } from '../process/roles.ts';
import { temporalConnection } from '../process/temporal-connection.ts';
import {
  inputOfBegun,
  inputOfStarted,
  wakeDepositWorkflow,
  wakeInstanceWorkflow,
  wakeRefundWorkflow,
  wakeReservationWorkflow,
} from '../workflows/signals.ts';
import { createWorkerLogger } from './log.ts';
import { resendMissedWakes } from './missed-wakes.ts';
import { installRuntime } from './runtime.ts';
import { keepSchedulesIfPossible } from './schedules.ts';
import { createSweeper } from './sweeper.ts';
import { createWorkers } from './workers.ts';
import { bundleWorkflows } from './workflow-bundle.ts';
import { connectWorld } from './world.ts';

const USAGE = `usage: npm run worker

Runs the workflows, their activities and the sweeper until SIGTERM or SIGINT. The settings come from the environment: README.md
lists them.`;

async function main(): Promise<void> {
  if (readCommandLine({ usage: USAGE }) === null) return;
  const config = readConfig(process.env);
  const log = createWorkerLogger(config.logLevel);
  installRuntime(log);

  const connection = await Connection.connect(temporalConnection(config));
  const native = await NativeConnection.connect(temporalConnection(config));
  const client = new Client({ connection, namespace: config.temporal.namespace });
  const { world, db, close } = connectWorld(config, client, log);
  await world.clock?.start();
  const workers = await createWorkers({
    connection: native,
    namespace: config.temporal.namespace,
    world,
    workflowBundle: await bundleWorkflows(),
  });

  const sweeper = createSweeper({
    db,
    deliver: {
      look: world.wake.watch,
      instance: (started) => wakeInstanceWorkflow(client, inputOfStarted(started, config.settleEveryMs)),
      reservation: (begun) => wakeReservationWorkflow(client, inputOfBegun(begun, config.settleEveryMs)),
      deposit: (deposit) => wakeDepositWorkflow(client, deposit),
      refund: (refund) => wakeRefundWorkflow(client, refund),
    },
    log,
    nowMs: Date.now,
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      log.info({ signal }, 'worker stops: tasks under way end first');
      workers.shutdown();
      sweeper.stop();
    });
  // Written at any log level, because the starter of a worker waits for this line.
  log.child({}, { level: 'info' }).info({ address: config.temporal.address }, 'worker runs');
  void warnOfOwner(db, log);
  try {
    // A failure of the workers ends the sweeper too.
    const working = workers.run().finally(() => sweeper.stop());
    await Promise.all([
      working,
      sweeper.run(),
      resendMissedWakes(db, world.wake, log),
      keepSchedulesIfPossible(client, log),
    ]);
  } finally {
    await close();
    await native.close();
    await connection.close();
  }
  log.info({}, 'worker has stopped');
}

main().catch((error: Error) => {
  process.stderr.write(`worker: ${error.message}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
});
