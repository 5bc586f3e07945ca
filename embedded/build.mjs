/**
 * Builds the programs of `npm start`, each as one file of JavaScript: a process that loads hundreds of TypeScript files
 * takes several times as long to start. A build takes a third of a second and is stored under a name made from its
 * sources.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '..');
const BUILT = Symbol.for('burnrate.programs');
/** Within node_modules, so the programs find their packages. `npm ci` empties the folder. */
const KEPT_IN = join(ROOT, 'node_modules', '.cache', 'burnrate');
const ROOMS = ['billing', 'prisma', 'ledger', 'activities', 'workflows', 'process', 'worker', 'api', 'embedded'];
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
  // The launcher and the program that the launcher loads each have a copy of this module, so the result is stored
  // globally.
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
  // The api is bundled apart from the other programs, because the api can include packages that the worker must share
  // with the Temporal SDK.
  await Promise.all(
    [
      { names: ['api'], builtIn: BUILT_IN_API },
      { names: ['start', 'worker', 'bundle'], builtIn: BUILT_IN },
    ].map(async ({ names, builtIn }) => {
      const { metafile } = await bundle({
        absWorkingDir: ROOT,
        entryPoints: Object.fromEntries(names.flatMap((name) => entriesOf(name))),
        outdir,
        outExtension: { '.js': '.mjs' },
        bundle: true,
        splitting: true,
        format: 'esm',
        platform: 'node',
        target: 'node20.19',
        keepNames: true,
        sourcemap: 'linked',
        sourcesContent: false,
        // Packages in CommonJS require the modules of Node.js.
        banner: { js: REQUIRE },
        metafile: true,
        logLevel: 'silent',
        plugins: [importsOfPrograms, packagesApart(builtIn), placesOfSources],
      });
      for (const name of names)
        await writeFile(
          join(outdir, `${name}.packages.mjs`),
          packagesOf(metafile, relative(ROOT, join(outdir, `${name}.mjs`))),
        );
    }),
  );
}

const REQUIRE = `import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(${JSON.stringify(`${ROOT}/`)});`;

/**
 * Each program, and `NAME.modules.mjs` for a process that loads the program's modules before the program may run. Such
 * a process loads `NAME.packages.mjs` first.
 */
const entriesOf = (name) => [
  [name, PROGRAMS[name]],
  [`${name}.modules`, `imports-of:${PROGRAMS[name]}`],
];

/** A module with imports of a program's packages from the packages' own places. */
function packagesOf({ outputs }, file) {
  const lines = new Set();
  const seen = new Set();
  const visit = (path) => {
    if (seen.has(path)) return;
    seen.add(path);
    // Dynamic imports of a program are loaded later.
    for (const imported of outputs[path].imports)
      if (imported.kind !== 'import-statement') continue;
      else if (!imported.external) visit(imported.path);
      else if (!isBuiltin(imported.path)) lines.add(`import ${JSON.stringify(imported.path)};\n`);
  };
  visit(file.split(sep).join('/'));
  return [...lines].join('');
}

/** Replaces a program by the modules that the program imports. */
const importsOfPrograms = {
  name: 'imports-of-programs',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^imports-of:/ }, ({ path }) => ({
      path: join(ROOT, path.slice('imports-of:'.length)),
      namespace: 'imports-of',
    }));
    onLoad({ filter: /.*/, namespace: 'imports-of' }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const imported = [...source.matchAll(/^import (?!type )[^;]*?'([^']+)';$/gm)].map(([, module]) => module);
      const contents = imported.map((module) => `import ${JSON.stringify(module)};\n`).join('');
      return { contents, loader: 'js', resolveDir: dirname(path) };
    });
  },
};

/** Packages of many small files, which load faster as a part of the program. */
const BUILT_IN =
  /^(zod|@asteasolutions\/zod-to-openapi|stripe|pg|@prisma\/adapter-pg|pino|nodemailer|uuid|standardwebhooks|express|ms|smtp-server|postal-mime)(\/|$)/;
/**
 * Further packages in the api's bundle. In the worker the Temporal SDK stays in its place: the SDK has a native part,
 * starts threads from its files, and must have one copy of its context and of its errors.
 */
const BUILT_IN_API = new RegExp(
  `${BUILT_IN.source}|^(@temporalio/(activity|client|common|workflow)|express-rate-limit|helmet|pino-http|prom-client|csv-stringify|leven)(/|$)`,
);

/** Other packages stay in their places: some have native parts, and some read files beside their own. */
const packagesApart = (builtIn) => ({
  name: 'packages-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) => {
      if (kind === 'entry-point' || path.startsWith('imports-of:')) return undefined;
      // A built-in package includes the packages of its own imports.
      const isNeeded = importer.includes(`${sep}node_modules${sep}`) && !isBuiltin(path);
      return isNeeded || builtIn.test(path) ? undefined : { path, external: true };
    });
  },
});

/** In parts, because the replacement is applied to this source too. */
const META = ['import', 'meta'].join('.');

/** A source with a use of its own path gets the original path, because the source reads neighbouring files. */
const placesOfSources = {
  name: 'places-of-sources',
  setup({ onLoad }) {
    onLoad({ filter: /\.[cm]?js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      if (!/\b__(dirname|filename)\b/.test(source) || source.includes(META)) return undefined;
      const places = `var __dirname = ${JSON.stringify(dirname(path))}, __filename = ${JSON.stringify(path)};`;
      return { contents: `'use strict'; ${places}${source}`, loader: 'js' };
    });
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
  // The programs contain the paths of their sources, so a moved checkout is built again.
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

/** Removes older builds, except builds that a process may have begun to load a moment ago. */
async function forgetOthers(folder) {
  for (const name of await readdir(KEPT_IN)) {
    const path = join(KEPT_IN, name);
    if (!name.startsWith('programs-') || path === folder) continue;
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 24 * 60 * 60_000) await rm(path, { recursive: true, force: true });
  }
}
