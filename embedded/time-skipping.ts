import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment, type TimeSkippingTestWorkflowEnvironmentOptions } from '@temporalio/testing';
import { type Logger, toLog } from './log.ts';
import type { SearchAttribute } from './temporal.ts';
import { resolveTemporalTestServer } from './temporal-programs.ts';

export interface TimeSkippingOptions {
  /** The folder into which the test server is downloaded, if necessary. */
  readonly dataDir?: string;
  /** This server refuses a start with an attribute that was not registered. */
  readonly searchAttributes?: readonly SearchAttribute[];
  readonly client?: TimeSkippingTestWorkflowEnvironmentOptions['client'];
  readonly logger?: Logger;
}

/** The numbers of Temporal's `IndexedValueType`. */
const WIRE_TYPES: Record<SearchAttributeType, number> = {
  TEXT: 1,
  KEYWORD: 2,
  INT: 3,
  DOUBLE: 4,
  BOOL: 5,
  DATETIME: 6,
  KEYWORD_LIST: 7,
};

/** The SDK gives the server five seconds, which a machine with every core busy may exceed. */
const START_TRIES = 3;

/**
 * The SDK pings each connection every 30 s, and this server takes the pings for an attack: the server drops the
 * connection during a call, and a retried sleep then passes the time twice. Pings are not needed on one machine.
 */
const RARE_PINGS = { 'grpc.keepalive_time_ms': 2 ** 31 - 1, 'grpc.keepalive_permit_without_calls': 0 };

/**
 * A Temporal server whose clock jumps to the next timer when no work is under way. End the server with `teardown()`.
 */
export async function startTimeSkippingServer(options: TimeSkippingOptions = {}): Promise<TestWorkflowEnvironment> {
  const server = await resolveTemporalTestServer(options);
  const path = process.platform === 'win32' ? server : await guarded(server, resolve(options.dataDir ?? '.data'));
  const env = await create(path, options);
  const searchAttributes = Object.fromEntries(
    (options.searchAttributes ?? []).map(({ name, type }) => [name, WIRE_TYPES[type]]),
  );
  await env.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes });
  return env;
}

async function create(path: string, options: TimeSkippingOptions): Promise<TestWorkflowEnvironment> {
  for (let tries = 1; ; tries++) {
    try {
      // The call inside `createTimeSkipping`, which has no parameter for the connection's own options.
      return await TestWorkflowEnvironment['create']({
        server: { type: 'time-skipping', executable: { type: 'existing-path', path } },
        supportsTimeSkipping: true,
        connectionOptions: { channelArgs: RARE_PINGS },
        ...(options.client && { client: options.client }),
      });
    } catch (error) {
      if (tries === START_TRIES) throw error;
      toLog(options.logger)(`the time-skipping server did not start, trying again: ${(error as Error).message}`);
    }
  }
}

/**
 * The SDK starts the server by its path and ends the server in `teardown`, so a killed test run would leave the server
 * running. This script is at the path: the script starts a watcher, then becomes the server. The watcher ends the
 * server once the parent has died.
 */
async function guarded(server: string, dataDir: string): Promise<string> {
  const script = `#!/bin/sh
parent=$PPID
(while kill -0 "$parent"; do kill -0 $$ || exit 0; sleep 1; done; kill -s KILL $$) </dev/null >/dev/null 2>&1 &
exec '${server.replaceAll("'", `'\\''`)}' "$@"
`;
  const path = join(dataDir, 'temporal-test-server.sh');
  const draft = `${path}.${process.pid}`;
  await mkdir(dataDir, { recursive: true });
  await writeFile(draft, script, { mode: 0o755 });
  await rename(draft, path); // atomic, because another process may be about to run the file
  return path;
}
