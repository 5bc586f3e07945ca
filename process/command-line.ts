/** Options of the commands: `--help` prints the usage, and an unknown option is refused with a sentence. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<Given extends Options> = ReturnType<typeof parseArgs<{ options: Given; allowPositionals: true }>>['values'];

export interface CommandLine<Given extends Options> {
  /** The text for `--help`. */
  usage: string;
  options?: Given;
  /** The number of words beside the options: none by default. */
  words?: { least: number; most: number };
}

/** A mistake of the caller, printed without a stack. */
export class UsageError extends Error {}

/**
 * Reads the arguments after the command's name. Null for `--help`, after the usage was printed.
 * @throws UsageError with a sentence that names the option, and the usage
 */
export function readCommandLine<const Given extends Options = Record<never, never>>(
  { usage, options, words = { least: 0, most: 0 } }: CommandLine<Given>,
  args: string[] = process.argv.slice(2),
): { values: Values<Given>; words: string[] } | null {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${usage}\n`);
    return null;
  }
  const parsed = (() => {
    try {
      return parseArgs({ args, allowPositionals: true, options: (options ?? {}) as Given });
    } catch (error) {
      // Node's own sentence goes on with advice about `--`, which is of no use here.
      throw new UsageError(`${(error as Error).message.split('. ')[0]}.\n\n${usage}`);
    }
  })();
  const { values, positionals } = parsed;
  if (positionals.length > words.most)
    throw new UsageError(`${positionals[words.most]} was not expected here.\n\n${usage}`);
  if (positionals.length < words.least) throw new UsageError(`An argument is missing.\n\n${usage}`);
  return { values: values as Values<Given>, words: positionals };
}

/**
 * Runs a command to its exit status: 0 or the result of `main`, 2 for a mistake of the caller, 1 for any other error.
 */
export async function runCommand(main: () => Promise<number | undefined>): Promise<void> {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
