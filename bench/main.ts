/**
 * `npm run bench [-- name]`: JSON lines, each with its figure, its reference measured in the same run, and the ratio.
 * These machines are noisy, so only ratios of one run mean something; nothing here is a timed test.
 */
import { readCommandLine, runCommand, UsageError } from '../embedded/command-line.ts';
import { facts } from './facts.ts';
import { LOAD_PARTS } from './load.ts';
import type { Measured } from './measured.ts';
import { runway } from './runway.ts';
import { usage } from './usage.ts';

type Bench = () => Promise<Measured[]>;
const BENCHES: Record<string, Bench> = { facts, runway, usage };

const USAGE = `usage: npm run bench [-- NAME…]

Prints one line of JSON for each measurement, with its reference of the same run and the ratio of both.

  NAME   ${Object.keys(BENCHES).join(', ')}; all of these by default
         load, alone or before names of its parts: ${Object.keys(LOAD_PARTS).join(', ')}; all parts by default`;

/** Prints the lines of a bench. */
async function run(bench: Bench): Promise<void> {
  for (const measured of await bench()) {
    const ratio = Number((measured.figure / measured.referenceFigure).toFixed(4));
    process.stdout.write(`${JSON.stringify({ ...measured, ratio })}\n`);
  }
}

/** The benches by these names. @throws UsageError */
function chosen(names: readonly string[], from: Record<string, Bench>): Bench[] {
  const unknown = names.filter((name) => !(name in from));
  if (unknown.length > 0)
    throw new UsageError(`no bench ${unknown.join(', ')}; there are ${Object.keys(from).join(', ')}`);
  return Object.entries(from).flatMap(([name, bench]) => (names.length === 0 || names.includes(name) ? [bench] : []));
}

async function main(): Promise<number> {
  const most = Object.keys(BENCHES).length + Object.keys(LOAD_PARTS).length + 1;
  const command = readCommandLine({ usage: USAGE, words: { least: 0, most } });
  if (!command) return 0;
  const [first, ...rest] = command.words;
  const benches = first === 'load' ? chosen(rest, LOAD_PARTS) : chosen(command.words, BENCHES);
  for (const bench of benches) await run(bench);
  return 0;
}

await runCommand(main);
