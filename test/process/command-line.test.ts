/** Tests the options and help of the commands, the folder of fetched programs, and the readable log. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { readableLine } from '../../embedded/readable-log.ts';
import { toolsFolder } from '../../embedded/tools-folder.ts';
import { readCommandLine } from '../../process/command-line.ts';
import { ofBudget } from '../support/budget.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const USAGE = 'usage: npm run thing -- [--day DAY]';
const read = (...args: string[]) => readCommandLine({ usage: USAGE, options: { day: { type: 'string' } } }, args);

describe('the command line', () => {
  it('reads options', () => {
    expect(read('--day', '2026-03-01')?.values).toEqual({ day: '2026-03-01' });
    expect(read()?.values).toEqual({});
  });

  it('answers --help with the usage of the command', () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(read('--help')).toBeNull();
    expect(write).toHaveBeenCalledWith(`${USAGE}\n`);
    write.mockRestore();
  });

  it.each([
    [['--dya', 'x'], "Unknown option '--dya'."],
    [['--day'], "Option '--day <value>' argument missing."],
    [['yesterday'], 'yesterday was not expected here.'],
  ])('refuses %j with one sentence and the usage of the command', (args, sentence) => {
    expect(() => read(...args)).toThrow(`${sentence}\n\n${USAGE}`);
  });

  it('of npm start prints its usage, and refuses an unknown option', async () => {
    const run = (arg: string) =>
      promisify(execFile)(process.execPath, [join(ROOT, 'embedded/launch.mjs'), arg]).then(
        ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
        (error: { code: number; stdout: string; stderr: string }) => error,
      );
    expect(await run('--help')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^usage: npm start/) });
    const refused = await run('--prot');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^Unknown option '--prot'\.\n\nusage: npm start/);
  });
});

describe('every command', () => {
  const run = (file: string, arg: string) =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', join(ROOT, file), arg]).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  const commands = [
    ['simulate', 'simulate/main.ts'],
    ['faults', 'simulate/faults/main.ts'],
    ['demo', 'simulate/demo/main.ts'],
    ['bench', 'bench/main.ts'],
    ['db:migrate', 'prisma/migrate-main.ts'],
    ['reconcile', 'worker/reconcile.ts'],
    ['sql', 'worker/sql.ts'],
    ['api', 'api/main.ts'],
    ['worker', 'worker/main.ts'],
  ] as const;

  // A start of each command costs seconds. A refusal ends in the same usage, so the usage of every command is tested below.
  it.each(ofBudget({ test: commands.slice(0, 1), long: [...commands] }))(
    'npm run %s prints its usage at --help',
    async (name, file) => {
      const { code, stdout } = await run(file, '--help');
      expect({ name, code }).toEqual({ name, code: 0 });
      expect(stdout).toMatch(new RegExp(`^usage: npm run ${name}`, 'i'));
    },
  );

  it.each(commands)(
    'npm run %s refuses an unknown option with a sentence, its usage and no stack',
    async (name, file) => {
      const { code, stderr } = await run(file, '--hlep');
      expect(code).toBeGreaterThan(0);
      expect(stderr).toContain("Unknown option '--hlep'");
      expect(stderr).toMatch(new RegExp(`^usage: npm run ${name}`, 'im'));
      expect(stderr).not.toMatch(/^ +at /m);
    },
  );
});

describe('the folder of fetched programs', () => {
  it('is in the checkout for any data folder, so that npm start and npm run temporal fetch once', async () => {
    const checkout = await mkdtemp(join(tmpdir(), 'burnrate-checkout-'));
    expect(await toolsFolder('/var/lib/one', checkout)).toBe(join(checkout, '.data'));
    expect(await toolsFolder('/var/lib/two', checkout)).toBe(join(checkout, '.data'));
    await rm(checkout, { recursive: true });
  });

  it('is the data folder when the checkout is not writable', async () => {
    const checkout = await mkdtemp(join(tmpdir(), 'burnrate-checkout-'));
    await writeFile(join(checkout, '.data'), 'a file in the place of the folder');
    expect(await toolsFolder('/var/lib/one', checkout)).toBe('/var/lib/one');
    await rm(checkout, { recursive: true });
  });
});

describe('the readable log of npm run dev', () => {
  it('writes a call as one line', () => {
    const call = {
      level: 30,
      time: Date.UTC(2026, 0, 1, 12, 0, 5, 250),
      process: 'api',
      requestId: 'req_1',
      req: { method: 'POST', path: '/v1/teams' },
      res: { status: 201 },
      ms: 12.4,
      msg: 'answered',
    };
    expect(readableLine(JSON.stringify(call))).toBe('12:00:05.250 api    POST /v1/teams 201 12 ms  requestId=req_1');
  });

  it('writes an error with its stack', () => {
    const failure = { level: 50, time: 0, process: 'worker', msg: 'failed', err: { stack: 'Error: x\n  at y' } };
    expect(readableLine(JSON.stringify(failure))).toBe('00:00:00.000 worker ERROR failed\n    Error: x\n      at y');
  });

  it('copies a line that is not a log entry', () => {
    for (const line of ['a sentence', '{"json": "but no log"}', '{broken']) expect(readableLine(line)).toBe(line);
  });
});
