/** `npm run simulate -- scenario.json [--out result.json]` */
import { readFile, writeFile } from 'node:fs/promises';
import { readCommandLine, runCommand } from '../process/command-line.ts';
import { readScenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import { startSurroundings } from './surroundings.ts';

const USAGE = `usage: npm run simulate -- SCENARIO.json [--out RESULT.json]

Plays a scenario through the real workflows, activities and Postgres in skipped time, and writes what each team and each
instance paid. test/scenarios/ holds examples with their results; docs/money-rules.md has the rules.

  --out RESULT.json   where the result is written (default: standard output)`;

async function main(): Promise<number> {
  const command = readCommandLine({ usage: USAGE, options: { out: { type: 'string' } }, words: { least: 1, most: 1 } });
  if (!command) return 0;
  const { values, words } = command;
  const file = words[0] as string;
  const scenario = readScenario(JSON.parse(await readFile(file, 'utf8')));
  const surroundings = await startSurroundings();
  try {
    const result = `${JSON.stringify(await simulate(surroundings, scenario), null, 1)}\n`;
    if (values.out) await writeFile(values.out, result);
    else process.stdout.write(result);
    return 0;
  } finally {
    await surroundings.stop();
  }
}

await runCommand(main);
