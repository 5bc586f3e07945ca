/** Recorded histories: each a story of today, which the workflows of tomorrow must still be able to replay. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { Scene } from './support.ts';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
/**
 * The SDK's own reader of JSON needs one copy of protobufjs for all of its packages, and npm may install several; so
 * histories are kept as protobufjs itself writes and reads them.
 */
const { temporal } = createRequire(import.meta.resolve('@temporalio/common'))('@temporalio/proto') as {
  temporal: { api: { history: { v1: { History: { fromObject(json: object): History } } } } };
};
export const asHistory = (json: object): History => temporal.api.history.v1.History.fromObject(json);

const FOLDER = join(import.meta.dirname, '..', 'histories');

export interface RecordedHistory {
  /** The story, and which of its workflows: `top-up-cools-down.deposit`. */
  name: string;
  workflowId: string;
  history: { events: unknown[] };
}

/** What tells of the machine that recorded, or of nothing that a replay reads. */
const PRIVATE = new Set(['identity', 'stackTrace', 'binaryChecksum', 'requestId', 'links']);

export async function recordHistory(scene: Scene, story: string, workflowId: string): Promise<RecordedHistory> {
  const recorded = await scene.handle(workflowId).fetchHistory();
  const history = JSON.parse(JSON.stringify(recorded), (key, value) => (PRIVATE.has(key) ? undefined : value));
  return { name: `${story}.${workflowId.split('/', 1)[0]}`, workflowId, history };
}

/** One event a line, so that a re-recording shows which events have changed. Of all stories, or some beside the others. */
export async function keepHistories(histories: RecordedHistory[], of: 'all' | 'some'): Promise<void> {
  if (of === 'all') await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  for (const { name, workflowId, history } of histories) {
    const events = history.events.map((event) => JSON.stringify(event)).join(',\n');
    const text = `{"name":${JSON.stringify(name)},"workflowId":${JSON.stringify(workflowId)},"history":{"events":[\n${events}\n]}}\n`;
    await writeFile(join(FOLDER, `${name}.json`), text);
  }
}

export async function readHistories(): Promise<RecordedHistory[]> {
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith('.json')).sort();
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(join(FOLDER, file), 'utf8'))));
}
