/**
 * The programs of `npm start`, each as one file of JavaScript: loaded from hundreds of files of TypeScript, a process takes
 * several times as long to start. A build takes a third of a second and is kept under a name made from its sources.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '..');
const BUILT = Symbol.for('burnrate.programs');
/** Within node_modules, so that the programs find their packages; emptied by `npm ci`. */
const KEPT_IN = join(ROOT, 'node_modules', '.cache', 'burnrate');
const ROOMS = ['billing', 'prisma', 'activities', 'workflows', 'worker', 'api', 'embedded'];
const PROGRAMS = {
  start: 'embedded/start.ts',
  api: 'api/main.ts',
  worker: 'worker/main.ts',
  bundle: 'worker/make-bundle.ts',
};

/**
 * Builds the programs unless a build of the same sources is there. `again` looks at the sources anew.
 * @returns {Promise<import('./build.d.mts').Programs | null>} null where node_modules cannot be written
 */
export function buildPrograms({ again = false } = {}) {
  // The launcher and the program that it loads each have a copy of this module: the result is kept where both find it.
  if (again) globalThis[BUILT] = undefined;
  globalThis[BUILT] ??= builtPrograms();
  return globalThis[BUILT];
}

async function builtPrograms() {
  const folder = join(KEPT_IN, `programs-${await digestOfSources()}`);
  const programs = Object.fromEntries(Object.keys(PROGRAMS).map((name) => [name, join(folder, `${name}.mjs`)]));
  if (existsSync(folder)) return programs;
  const draft = `${folder}.${process.pid}`;
  try {
    await mkdir(draft, { recursive: true });
  } catch {
    return null;
  }
  try {
    await build(draft);
    // Another process may have made the same build meanwhile.
    await rename(draft, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
    await forgetOthers(folder);
    return programs;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function build(outdir) {
  const { build: bundle } = await import('esbuild');
  const { metafile } = await bundle({
    absWorkingDir: ROOT,
    entryPoints: PROGRAMS,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    keepNames: true,
    sourcemap: 'linked',
    metafile: true,
    logLevel: 'silent',
    plugins: [packagesApart, placesOfSources],
  });
  for (const [file, output] of Object.entries(metafile.outputs))
    if (Object.values(PROGRAMS).includes(output.entryPoint))
      await writeFile(join(ROOT, file).replace(/\.mjs$/, '.packages.mjs'), packagesOf(metafile, file));
}

/** A module that loads the packages which a program imports, for a process that waits until it may run the program. */
function packagesOf({ outputs }, file) {
  const lines = new Set();
  const seen = new Set();
  const visit = (path) => {
    if (seen.has(path)) return;
    seen.add(path);
    // What a program imports later, it loads later.
    for (const imported of outputs[path].imports)
      if (imported.kind !== 'import-statement') continue;
      else if (!imported.external) visit(imported.path);
      else if (!imported.path.startsWith('node:')) lines.add(`import ${JSON.stringify(imported.path)};\n`);
  };
  visit(file);
  return [...lines].join('');
}

/** Packages of hundreds of small files, which load faster as a part of the program; no other package hands on their objects. */
const BUILT_IN = /^(zod|@asteasolutions\/zod-to-openapi|stripe)(\/|$)/;

/** All other packages stay where they are: some have native parts, and some read files beside themselves. */
const packagesApart = {
  name: 'packages-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || BUILT_IN.test(path) ? undefined : { path, external: true },
    );
  },
};

/** In parts, since this source passes through its own replacement. */
const META = ['import', 'meta'].join('.');

/** A source that asks where it lies is given its own place, since it reads files beside itself. */
const placesOfSources = {
  name: 'places-of-sources',
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|mjs)$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      if (!source.includes(META)) return undefined;
      const contents = source
        .replaceAll(`${META}.dirname`, JSON.stringify(dirname(path)))
        .replaceAll(`${META}.filename`, JSON.stringify(path))
        .replaceAll(`${META}.url`, JSON.stringify(pathToFileURL(path).href));
      return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' };
    });
  },
};

async function digestOfSources() {
  // The programs name the places of their sources, and so a checkout that was moved is built anew.
  const hash = createHash('sha256').update(process.version).update(`\0${ROOT}\0`);
  hash.update(await readFile(join(ROOT, 'package-lock.json')).catch(() => ''));
  for (const room of ROOMS) {
    const entries = await readdir(join(ROOT, room), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile() && /\.(ts|mjs|json)$/.test(entry.name))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
    for (const file of files.sort()) hash.update(`\0${relative(ROOT, file)}\0`).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 32);
}

/** Removes older builds, but not one that a process may have begun to load a moment ago. */
async function forgetOthers(folder) {
  for (const name of await readdir(KEPT_IN)) {
    const path = join(KEPT_IN, name);
    if (!name.startsWith('programs-') || path === folder) continue;
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 24 * 60 * 60_000) await rm(path, { recursive: true, force: true });
  }
}
