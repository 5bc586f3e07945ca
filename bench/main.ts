/**
 * `npm run bench [-- name]`: JSON lines, each with a figure, a reference measured in the same run, and the ratio. These
 * machines are noisy, so only ratios of the same run have a meaning, and no bench is a timed test.
 */
import { readCommandLine, runCommand, UsageError } from '../process/command-line.ts';
import { facts } from './facts.ts';
import { LOAD_PARTS, NAMED_PARTS } from './load.ts';
import type { Measured } from './measured.ts';
import { DEFAULTS, type LoadOptions } from './options.ts';
import { runway } from './runway.ts';
import { usage } from './usage.ts';
import { usageSums } from './usage-sums.ts';

type Bench = (options: LoadOptions) => Promise<Measured[]>;
const BENCHES: Record<string, Bench> = { facts, runway, usage, 'usage-sums': usageSums };

const USAGE = `usage: npm run bench [-- NAME…]

Prints one line of JSON for each measurement, with its reference of the same run and the ratio of both.

  NAME   ${Object.keys(BENCHES).join(', ')}; all of these by default
         load, alone or before names of its parts: ${Object.keys(LOAD_PARTS).join(', ')}; all of these by default, and
         ${Object.keys(NAMED_PARTS).join(', ')} only by name

  --scale X        multiplies the calls, teams and instances of a load: ${DEFAULTS.scale} by default
  --transfers N    rows that the bench of balances adds to the ledger: ${DEFAULTS.transfers} by default
  --minutes M      how long a steady load goes on: ${DEFAULTS.minutes} by default`;

/** Prints the lines of a bench. */
async function run(bench: Bench, options: LoadOptions): Promise<void> {
  for (const measurement of await bench(options)) {
    const { figure, referenceFigure, lessIsBetter } = measurement;
    const ratio = Number((lessIsBetter ? referenceFigure / figure : figure / referenceFigure).toFixed(4));
    process.stdout.write(`${JSON.stringify({ ...measurement, ratio })}\n`);
  }
}

/** The benches of these names, or all benches but those that run only by name. @throws UsageError */
function chosen(
  names: readonly string[],
  from: Record<string, Bench>,
  byNameOnly: Record<string, Bench> = {},
): Bench[] {
  const all = { ...from, ...byNameOnly };
  const unknown = names.filter((name) => !(name in all));
  if (unknown.length > 0)
    throw new UsageError(`no bench ${unknown.join(', ')}; there are ${Object.keys(all).join(', ')}`);
  if (names.length === 0) return Object.values(from);
  return Object.entries(all).flatMap(([name, bench]) => (names.includes(name) ? [bench] : []));
}

/** @throws UsageError where the option is no number above zero */
function numberOf(option: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const number = Number(given);
  if (!(number > 0) || !Number.isFinite(number)) throw new UsageError(`--${option} must be a number above zero`);
  return number;
}

async function main(): Promise<number> {
  const most = [BENCHES, LOAD_PARTS, NAMED_PARTS].reduce((sum, benches) => sum + Object.keys(benches).length, 1);
  const number = { type: 'string' } as const;
  const options = { scale: number, transfers: number, minutes: number };
  const command = readCommandLine({ usage: USAGE, words: { least: 0, most }, options });
  if (!command) return 0;
  const [first, ...rest] = command.words;
  const { scale, transfers, minutes } = command.values;
  const load: LoadOptions = {
    scale: numberOf('scale', scale, DEFAULTS.scale),
    transfers: Math.round(numberOf('transfers', transfers, DEFAULTS.transfers)),
    minutes: numberOf('minutes', minutes, DEFAULTS.minutes),
  };
  const benches = first === 'load' ? chosen(rest, LOAD_PARTS, NAMED_PARTS) : chosen(command.words, BENCHES);
  for (const bench of benches) await run(bench, load);
  return 0;
}

await runCommand(main);
