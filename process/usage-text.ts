/** The usage text of a process of the product. */
import { parseArgs } from 'node:util';

/**
 * Prints the usage for `--help`, and returns whether help was requested.
 * @throws the error of `parseArgs` for any other option
 */
export function isHelpAsked(usage: string, args: string[] = process.argv.slice(2)): boolean {
  const { values } = parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) process.stdout.write(`${usage}\n`);
  return values.help ?? false;
}
