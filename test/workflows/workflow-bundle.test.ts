/** Tests the cache of the workflow bundle. */
import { mkdtempSync } from 'node:fs';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'burnrate-bundle-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

it('The workflow bundle is built once for the same sources, and then read from the cache', async () => {
  const { code } = await bundleWorkflows(folder);
  expect(code).toContain('balanceWatch');
  const [name, ...others] = await readdir(folder);
  expect(others).toEqual([]);
  expect(name).toMatch(/^workflows-[0-9a-f]{32}\.js$/);
  const file = join(folder, name!);
  expect(await readFile(file, 'utf8')).toBe(code);
  await writeFile(file, '// as it was kept');
  expect(await bundleWorkflows(folder)).toEqual({ code: '// as it was kept' });
});

it('The workflow bundle is built when the cache folder cannot be written', async () => {
  await writeFile(join(folder, 'a-file'), '');
  await chmod(join(folder, 'a-file'), 0o400);
  const { code } = await bundleWorkflows(join(folder, 'a-file', 'below'));
  expect(code).toContain('balanceWatch');
});
