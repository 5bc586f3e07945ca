/** Tests the built programs of the api and the worker: files, caches and loaded packages. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { buildPrograms } from '../../embedded/build.mjs';

const ROOT = join(import.meta.dirname, '..', '..');

/** The built files and the packages that a built file imports as it is loaded. */
function loadedAtOnce(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [...seen];
  seen.add(file);
  for (const [, imported] of readFileSync(file, 'utf8').matchAll(/^(?:import|\} from|import .* from) ?"([^"]+)";$/gm)) {
    if (!imported!.startsWith('.')) seen.add(imported!);
    else loadedAtOnce(join(dirname(file), imported!), seen);
  }
  return [...seen];
}

it('The built programs find the files beside their sources, even when a built program makes the next build', async () => {
  const programs = (await buildPrograms())!;
  const texts = readdirSync(dirname(programs.api))
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => readFileSync(join(dirname(programs.api), name), 'utf8'));
  const all = texts.join('\n');
  expect(all).toContain(JSON.stringify(join(ROOT, 'worker')));
  expect(all).not.toMatch(/import\.meta\.(dirname|filename|url)/);
  // The copy of the builder within npm start still searches for the words that it replaces.
  expect(all).toMatch(/\["import", "meta"\]\.join\("\."\)/);
});

it('A built program names its missing setting, as its source does', async () => {
  const programs = (await buildPrograms())!;
  for (const name of ['api', 'worker'] as const) {
    const run = promisify(execFile)(process.execPath, [programs[name]], { env: { PATH: process.env.PATH } });
    await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('DATABASE_URL is not set') });
  }
});

it('The same sources are built once', async () => {
  expect(await buildPrograms({ again: true })).toEqual(await buildPrograms());
});

it('The api and the worker load no fonts before the first receipt', async () => {
  const programs = (await buildPrograms())!;
  for (const name of ['api', 'worker'] as const) {
    const loaded = loadedAtOnce(programs[name]);
    expect(loaded).toContain('@prisma/client/runtime/client');
    expect(loaded.join('\n')).not.toMatch(/pdfkit|harfbuzzjs|subset-font|receipt-paper/);
  }
});

it('A process that waits for its environment loads every file of its program', async () => {
  const programs = (await buildPrograms())!;
  for (const name of ['api', 'worker'] as const) {
    const [modules, packages] = ['modules', 'packages'].map((kind) =>
      loadedAtOnce(programs[name].replace(/\.mjs$/, `.${kind}.mjs`)),
    );
    expect(loadedAtOnce(programs[name]).filter((each) => !modules!.includes(each))).toEqual([programs[name]]);
    expect(packages).toContain('@prisma/client/runtime/client');
  }
});

it('The worker shares its copy of the Temporal SDK with the packages of the SDK', async () => {
  const programs = (await buildPrograms())!;
  expect(loadedAtOnce(programs.worker)).toEqual(
    expect.arrayContaining(['@temporalio/worker', '@temporalio/activity', '@temporalio/client', '@temporalio/common']),
  );
  expect(loadedAtOnce(programs.api).filter((each) => each.startsWith('@temporalio/'))).toEqual([]);
});
