/**
 * `npm run sql`: reads SQL from standard input, or from its argument, runs the statements in one read-only transaction,
 * and prints each result as a table. The database is the environment's, or the database of a running `npm start`.
 */
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { readCommandLine } from '../process/command-line.ts';
import { commandEnvironment } from '../process/published.ts';
import { tableLines } from './table-lines.ts';

const USAGE = `usage: npm run sql -- 'SELECT …'    or    npm run sql < file.sql

Runs the statements in one read-only transaction and prints each result as a table.
Exit status: 0 the statements ran, 2 they did not.`;

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const line = readCommandLine({ usage: USAGE, words: { least: 0, most: Number.POSITIVE_INFINITY } });
  if (line === null) return 0;
  const { DATABASE_URL } = await commandEnvironment(process.env);
  if (!DATABASE_URL)
    throw new Error('DATABASE_URL is not set, and no npm start runs in this folder (or in BURNRATE_DATA_DIR).');
  const statements = line.words.join(' ') || (await text(process.stdin));
  const client = new pg.Client({ connectionString: DATABASE_URL });
  await client.connect();
  try {
    await client.query('BEGIN READ ONLY');
    // Several statements return a list, a single statement a bare result.
    const answered: pg.QueryResult | pg.QueryResult[] = await client.query({ text: statements, rowMode: 'array' });
    for (const { fields, rows } of [answered].flat()) {
      const cells = (rows as unknown[][]).map((row) => row.map(cellOf));
      for (const line of tableLines([fields.map(({ name }) => name), ...cells])) say(line);
      say(`(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})\n`);
    }
    return 0;
  } finally {
    await client.end();
  }
}

const cellOf = (value: unknown): string => {
  if (value === null) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

main().then(
  (status) => process.exit(status),
  (error: Error) => {
    process.stderr.write(`sql: ${error.message}\n`);
    process.exit(2);
  },
);
