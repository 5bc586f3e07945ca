/**
 * The workflows, bundled for Temporal's sandbox. Bundling takes seconds, so the bundle is stored under a name made from
 * the contents of its sources, and later processes read the stored bundle.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';

const ROOT = join(import.meta.dirname, '..');
const WORKFLOWS = join(ROOT, 'workflows');
/** Workflows import types only from `activities`, and a bundle holds no types. */
const SOURCES = ['workflows', 'billing'];
/** `npm ci` empties the folder together with the packages of the bundle. */
const KEPT_IN = join(ROOT, 'node_modules', '.cache', 'burnrate');
const KEPT_BUNDLES = 4;
const SILENT = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

export interface WorkflowBundle {
  code: string;
}

/** Bundles the workflows, or reads the bundle of the same sources. Fails on any import that a workflow may not have. */
export async function bundleWorkflows(keptIn: string = KEPT_IN): Promise<WorkflowBundle> {
  const file = join(keptIn, `workflows-${await digestOfSources()}.js`);
  const cachedCode = await readFile(file, 'utf8').catch(() => undefined);
  if (cachedCode !== undefined) return { code: cachedCode };
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(WORKFLOWS, 'index.ts'),
    workflowInterceptorModules: [join(WORKFLOWS, 'uncancellable.ts')],
    logger: SILENT,
  });
  // A folder without write access, as in a container, only costs time at the next start.
  await keep(keptIn, file, code).catch(() => {});
  return { code };
}

async function digestOfSources(): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  hash.update(await readFile(join(ROOT, 'package-lock.json')).catch(() => ''));
  for (const source of SOURCES)
    for (const name of (await readdir(join(ROOT, source), { recursive: true }))
      .filter((each) => each.endsWith('.ts'))
      .sort())
      hash.update(`\0${source}/${name}\0`).update(await readFile(join(ROOT, source, name)));
  return hash.digest('hex').slice(0, 32);
}

/** A rename puts the whole file in place at once, so another process reads the whole file or none. */
async function keep(keptIn: string, file: string, code: string): Promise<void> {
  await mkdir(keptIn, { recursive: true });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, code);
  await rename(draft, file);
  await forgetOthers(keptIn, file);
}

/** Removes the bundles of sources before the last few edits. */
async function forgetOthers(keptIn: string, file: string): Promise<void> {
  const bundles = (await readdir(keptIn))
    .filter((name) => name.startsWith('workflows-'))
    .map((name) => join(keptIn, name));
  const dated = await Promise.all(
    bundles.map(async (path) => ({ path, atMs: (await stat(path).catch(() => ({ mtimeMs: 0 }))).mtimeMs })),
  );
  const old = dated
    .filter(({ path }) => path !== file)
    .sort((a, b) => b.atMs - a.atMs)
    .slice(KEPT_BUNDLES);
  await Promise.all(old.map(({ path }) => rm(path, { force: true })));
}
