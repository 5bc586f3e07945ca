/** `npm run simulate -- scenario.json [--out result.json]` */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readScenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import { startSurroundings } from './surroundings.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } });
const [file] = positionals;

async function main(): Promise<number> {
  if (!file || positionals.length > 1) {
    console.error('usage: npm run simulate -- scenario.json [--out result.json]');
    return 2;
  }
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

process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 1;
});
