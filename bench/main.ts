/**
 * `npm run bench [-- name]`: JSON lines, each with its figure, its reference measured in the same run, and the ratio.
 * These machines are noisy, so only ratios of one run mean something; nothing here is a timed test.
 */
import { facts } from './facts.ts';
import type { Measured } from './measured.ts';
import { runway } from './runway.ts';
import { usage } from './usage.ts';

const BENCHES: Record<string, () => Promise<Measured[]>> = { facts, runway, usage };

async function main(names: string[]): Promise<number> {
  const unknown = names.filter((name) => !(name in BENCHES));
  if (unknown.length > 0) {
    process.stderr.write(`no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}\n`);
    return 2;
  }
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    for (const measured of await bench()) {
      const ratio = Number((measured.figure / measured.referenceFigure).toFixed(4));
      process.stdout.write(`${JSON.stringify({ ...measured, ratio })}\n`);
    }
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
