/** `npm run faults [-- --kind saved_card --step during --fault dropped]`: the fault matrix, or a part of it. */
import { parseArgs } from 'node:util';
import { ALL_CASES, KINDS } from './cases.ts';
import { runMatrix } from './matrix.ts';
import { Table } from './table.ts';
import { FAULTS, STEPS } from './words.ts';

const AXES = { kind: KINDS.map(({ name }) => name), step: STEPS, fault: FAULTS } as const;

async function main(): Promise<number> {
  const option = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({ options: { kind: option, step: option, fault: option } });
  for (const [axis, words] of Object.entries(AXES)) {
    const unknown = values[axis as keyof typeof AXES]?.find((word) => !(words as readonly string[]).includes(word));
    if (unknown === undefined) continue;
    console.error(`--${axis}: ${unknown} is none of ${words.join(', ')}`);
    return 2;
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
    console.error(error);
    process.exit(1);
  });
