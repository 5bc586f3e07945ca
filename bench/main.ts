/**
 * `npm run bench [-- name]`: JSON lines, each with its figure, its reference measured in the same run, and the ratio.
 * These machines are noisy, so only ratios of one run mean something; nothing here is a timed test.
 */
import { readCommandLine, runCommand, UsageError } from '../embedded/command-line.ts';
import { facts } from './facts.ts';
import type { Measured } from './measured.ts';
import { runway } from './runway.ts';
import { usage } from './usage.ts';

const BENCHES: Record<string, () => Promise<Measured[]>> = { facts, runway, usage };

const USAGE = `usage: npm run bench [-- NAME…]

Prints one line of JSON for each measurement, with its reference of the same run and the ratio of both.

  NAME   ${Object.keys(BENCHES).join(', ')}; all of them by default`;

async function main(): Promise<number> {
  const command = readCommandLine({ usage: USAGE, words: { least: 0, most: Object.keys(BENCHES).length } });
  if (!command) return 0;
  const names = command.words;
  const unknown = names.filter((name) => !(name in BENCHES));
  if (unknown.length > 0)
    throw new UsageError(`no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    for (const measured of await bench()) {
      const ratio = Number((measured.figure / measured.referenceFigure).toFixed(4));
      process.stdout.write(`${JSON.stringify({ ...measured, ratio })}\n`);
    }
  }
  return 0;
}

await runCommand(main);
