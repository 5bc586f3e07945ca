/** `npm run dev`: an edit restarts the affected process. The neighbours and their data stay. */
import { readdirSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { migrateBy } from '../prisma/migrate.ts';
import { buildPrograms, type Programs } from './build.mjs';
import type { Product, Products } from './products.ts';

const ROOT = join(import.meta.dirname, '..');
const ROOMS = ['billing', 'prisma', 'ledger', 'activities', 'workflows', 'process', 'worker', 'api', 'embedded'];
/** An editor writes a file in several steps, and several files at once. */
const SETTLED_MS = 150;

export interface WatchedSources {
  products: Products;
  environment: Record<string, string>;
  say: (line: string) => void;
  restarted: () => void;
}

/** Returns at once; watches for as long as the process runs. */
export function watchSources(options: WatchedSources): void {
  const { say } = options;
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let texts = textsOf(buildPrograms());
  let turn: Promise<void> = Promise.resolve();

  async function take(): Promise<void> {
    const paths = [...changed];
    changed.clear();
    if (paths.length === 0) return;
    const beganMs = performance.now();
    try {
      const before = await texts;
      // A failed build keeps the texts of the last build, and the next edit is compared with these texts.
      const after = await textsOf(buildPrograms({ again: true }));
      texts = Promise.resolve(after);
      if (paths.some((path) => path.startsWith('prisma/migrations/'))) await migrateBy(options.environment);
      const concerned = options.products.all.filter(
        ({ name }) => before[name] !== after[name] || (name === 'worker' && paths.some(isOfWorkflows)),
      );
      await restart(concerned, paths, beganMs);
    } catch (error) {
      // The processes of before run on until the next edit.
      say(`${paths.join(', ')}: ${(error as Error).message}`);
    }
  }

  async function restart(products: readonly Product[], paths: string[], beganMs: number): Promise<void> {
    if (products.length > 0) {
      await Promise.all(products.map((product) => product.replace()));
      options.restarted();
      const names = products.map(({ name }) => `the ${name}`).join(' and ');
      say(`${paths.join(', ')} changed: ${names} restarted in ${((performance.now() - beganMs) / 1000).toFixed(1)} s.`);
    } else if (paths.some((path) => path.startsWith('embedded/')))
      say(`${paths.join(', ')} changed: the neighbours take it at the next start.`);
  }

  // Each folder separately, because a recursive watch of Node.js 20 loses a file that an editor replaces by a new one.
  for (const folder of ROOMS.flatMap(foldersBelow))
    watch(join(ROOT, folder), (_, name) => {
      if (name === null || !/\.(ts|mjs|json|sql)$/.test(name)) return;
      changed.add(`${folder}/${name}`);
      clearTimeout(timer);
      timer = setTimeout(() => {
        turn = turn.then(take);
      }, SETTLED_MS);
    });
  say(`Watching ${ROOMS.join(', ')}.`);
}

/** A room and its folders, from the root of the project. */
const foldersBelow = (room: string): string[] => [
  room,
  ...readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => relative(ROOT, join(entry.parentPath ?? entry.path, entry.name))),
];

/** The sandbox's code is bundled apart from the worker's. */
const isOfWorkflows = (path: string): boolean => /^(workflows|billing)\//.test(path);

/**
 * The contents of the entry files. An entry file names the other files of its build, and a file's name depends on its
 * contents.
 */
async function textsOf(building: Promise<Programs | null>): Promise<Record<'api' | 'worker', string>> {
  const programs = await building;
  if (!programs) throw new Error('sources can only be watched where node_modules can be written');
  const [api, worker] = await Promise.all([readFile(programs.api, 'utf8'), readFile(programs.worker, 'utf8')]);
  return { api, worker };
}
