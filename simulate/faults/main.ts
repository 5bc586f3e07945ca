/** `npm run faults [-- --kind saved_card --step during --fault dropped]`: the fault matrix, or a part of it. */
import { readCommandLine, UsageError } from '../../process/command-line.ts';
import { ALL_CASES, KINDS } from './cases.ts';
import { runMatrix } from './matrix.ts';
import { Table } from './table.ts';
import { FAULTS, STEPS } from './words.ts';

const AXES = { kind: KINDS.map(({ name }) => name), step: STEPS, fault: FAULTS } as const;

const USAGE = `usage: npm run faults [-- --kind KIND --step STEP --fault FAULT]

Makes every kind of payment on the product's own processes and lets something fail at each step. Each option selects a part
and can be repeated; without options every case is played. Exit status: 0 when ledger and providers agree, 1 otherwise.

${Object.entries(AXES)
  .map(([axis, words]) => `  --${axis.padEnd(6)} ${words.join(', ')}`)
  .join('\n')}`;

async function main(): Promise<number> {
  const option = { type: 'string', multiple: true } as const;
  const command = readCommandLine({ usage: USAGE, options: { kind: option, step: option, fault: option } });
  if (!command) return 0;
  const { values } = command;
  for (const [axis, words] of Object.entries(AXES)) {
    const unknown = values[axis as keyof typeof AXES]?.find((word) => !(words as readonly string[]).includes(word));
    if (unknown === undefined) continue;
    throw new UsageError(`--${axis}: ${unknown} is none of ${words.join(', ')}`);
  }
  const isAsked = (words: string[] | undefined, word: string) => words === undefined || words.includes(word);
  const cases = ALL_CASES.filter(
    ({ kind, step, fault }) =>
      isAsked(values.kind, kind.name) && isAsked(values.step, step) && isAsked(values.fault, fault),
  );
  const table = new Table(cases);
  table.begin();
  const outcomes = await runMatrix(cases, (outcome) => table.fill(outcome));
  return table.end(outcomes) === 0 ? 0 : 1;
}

main()
  .then((code) => process.exit(code))
  .catch((error: Error) => {
    console.error(error instanceof UsageError ? error.message : error);
    process.exit(error instanceof UsageError ? 2 : 1);
  });
