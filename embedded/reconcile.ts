/**
 * `npm run reconcile -- [--day YYYY-MM-DD]`: compares a day, yesterday unless told, prints what differs, and exits 1 if
 * anything does. It asks the neighbours that the environment names; beside a running `npm start`, those of that one.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { allBooks } from '../activities/books.ts';
import { createReconciler } from '../activities/reconciliation.ts';
import { createStripe } from '../activities/stripe.ts';
import { formatDollars, type Micros } from '../billing/money.ts';
import { dayBefore } from '../billing/reconciliation.ts';
import { formatSecond, secondOf } from '../billing/time.ts';
import { connectDb } from '../prisma/client.ts';
import type { Reconciliation } from '../prisma/reconciliations.ts';
import { readBooksConfig } from '../worker/config.ts';
import { readPublishedEnvironment } from './published.ts';

const DATA_DIR = process.env.BURNRATE_DATA_DIR ?? join(import.meta.dirname, '..', '.data');
const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const nowSecond = secondOf(Date.now());
  const { values } = parseArgs({ options: { day: { type: 'string', default: dayBefore(nowSecond) } } });
  const published = process.env.NODE_ENV === 'production' ? {} : await readPublishedEnvironment(DATA_DIR);
  const config = readBooksConfig({ ...published, ...process.env });
  const db = connectDb(config.databaseUrl);
  try {
    // What is found is printed; the log would only say it twice.
    const log = pino({ level: 'silent' });
    const reconciler = createReconciler({ db, books: allBooks(createStripe(config.stripe), config.crypto), log });
    const report = await reconciler.reconcile({ day: values.day, nowSecond });
    print(report);
    return report.differences.length > 0 ? 1 : 0;
  } finally {
    await db.$disconnect();
  }
}

const amount = (micros: Micros | null): string => (micros === null ? '-' : formatDollars(micros));

function print({ day, rows, foreign, underWay, differences }: Reconciliation): void {
  table([
    ['at', 'kind', 'deposit', 'provider', 'ledger $', 'provider $', ''],
    ...rows.map((row) => [
      formatSecond(row.second),
      row.kind,
      row.depositId ?? '-',
      row.providerId ?? '-',
      amount(row.ledgerMicros),
      amount(row.providerMicros),
      row.differences.join(', ') || 'agrees',
    ]),
  ]);
  for (const each of differences) {
    say('');
    say(`${each.class}: ${each.depositId ?? '-'}, ${each.providerId ?? '-'}`);
    say(`  ${each.sentence}`);
    say(`  ${each.whatToDo}`);
  }
  say('');
  say(
    `${day}: ${rows.length} rows compared, ${differences.length} differences, ${underWay} under way, ${foreign.length} foreign`,
  );
}

function table(lines: string[][]): void {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  for (const line of lines)
    say(
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

main().then(
  (status) => process.exit(status),
  (error: Error) => {
    process.stderr.write(`reconcile: ${error.message}\n`);
    process.exit(2);
  },
);
