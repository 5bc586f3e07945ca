import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { buildPrograms } from '../../embedded/build.mjs';

const ROOT = join(import.meta.dirname, '..', '..');

it('The built programs find the files beside their sources, also when a built program makes the next build', async () => {
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

it('A built program names what it lacks, as its source does', async () => {
  const programs = (await buildPrograms())!;
  for (const name of ['api', 'worker'] as const) {
    const run = promisify(execFile)(process.execPath, [programs[name]], { env: { PATH: process.env.PATH } });
    await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('DATABASE_URL is not set') });
  }
});

it('The same sources are built once', async () => {
  expect(await buildPrograms({ again: true })).toEqual(await buildPrograms());
});

it('The api and the worker load no fonts before the first paper', async () => {
  const programs = (await buildPrograms())!;
  for (const name of ['api', 'worker'] as const) {
    const packages = readFileSync(programs[name].replace(/\.mjs$/, '.packages.mjs'), 'utf8');
    expect(packages).toContain('"pg"');
    expect(packages).not.toMatch(/pdfkit|harfbuzzjs|subset-font/);
  }
});
