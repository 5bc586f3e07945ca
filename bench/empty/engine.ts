/** A worker of empty workflows on the engine of the product, beside the product's own worker. */
import { join } from 'node:path';
import { Client, Connection, WithStartWorkflowOperation } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { installRuntime } from '../../worker/runtime.ts';
import type { Product } from '../product.ts';
import { begun, type empty, finish, type timer } from './workflows.ts';

const TASK_QUEUE = 'bench';
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

export interface EmptyEngine {
  client: Client;
  /** Starts an empty workflow with an update, and resolves once the workflow has answered it. */
  start(id: string): Promise<void>;
  /** Signals an empty workflow, and resolves once it has ended. */
  end(id: string): Promise<void>;
  /** Starts a workflow that sleeps to an instant. */
  setTimer(id: string, dueMs: number): Promise<void>;
  /** By how many milliseconds each timer was late that has fired. */
  late: number[];
  close(): Promise<void>;
}

export async function startEmptyEngine({ environment }: Product): Promise<EmptyEngine> {
  installRuntime(SILENT);
  const { TEMPORAL_ADDRESS: address = '', TEMPORAL_NAMESPACE: namespace = 'default' } = environment;
  const [connection, native] = await Promise.all([
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
  ]);
  const client = new Client({ connection, namespace });
  const late: number[] = [];
  const worker = await Worker.create({
    ...{ connection: native, namespace, taskQueue: TASK_QUEUE },
    workflowsPath: join(import.meta.dirname, 'workflows.ts'),
    activities: {
      rang: async ({ dueMs }: { dueMs: number }) => {
        late.push(Date.now() - dueMs);
      },
    },
    shutdownGraceTime: '1 second',
  });
  const running = worker.run();
  return {
    client,
    late,
    start: (workflowId) =>
      client.workflow.executeUpdateWithStart(begun, {
        startWorkflowOperation: new WithStartWorkflowOperation<typeof empty>('empty', {
          ...{ workflowId, taskQueue: TASK_QUEUE, args: [] },
          workflowIdConflictPolicy: 'FAIL',
        }),
      }),
    end: async (workflowId) => {
      const handle = client.workflow.getHandle(workflowId);
      await handle.signal(finish);
      await handle.result();
    },
    setTimer: async (workflowId, dueMs) => {
      await client.workflow.start<typeof timer>('timer', { workflowId, taskQueue: TASK_QUEUE, args: [dueMs] });
    },
    close: async () => {
      worker.shutdown();
      await running;
      await native.close();
      await connection.close();
    },
  };
}
