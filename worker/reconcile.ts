/**
 * `npm run reconcile -- [--day YYYY-MM-DD|today]`: compares a day, yesterday by default, prints each difference, and
 * exits 1 if there is a difference. The command uses the neighbours in its environment, or the neighbours of a running
 * `npm start`.
 */
import pino from 'pino';
import { allBooks } from '../activities/reconciliation/books.ts';
import { createReconciler } from '../activities/reconciliation/reconcile.ts';
import { createStripe } from '../activities/stripe/client.ts';
import { formatDollars, type Micros } from '../billing/money.ts';
import { isProvisional } from '../billing/reconciliation/day.ts';
import { dayBefore, dayOf, formatSecond, secondOf } from '../billing/time.ts';
import { connectDb } from '../prisma/client.ts';
import type { Reconciliation } from '../prisma/reconciliations.ts';
import { readCommandLine } from '../process/command-line.ts';
import { readBooksConfig } from '../process/config.ts';
import { commandEnvironment } from '../process/published.ts';
import { tableLines } from './table-lines.ts';

const USAGE = `usage: npm run reconcile -- [--day YYYY-MM-DD|today]

Compares the ledger with the payment providers' books for one UTC day, yesterday by default, and prints every row and
every difference. "today" compares the day so far: the result is provisional and is not kept.
Exit status: 0 no difference, 1 a difference, 2 the comparison could not be made.`;

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const nowSecond = secondOf(Date.now());
  const line = readCommandLine({
    usage: USAGE,
    options: { day: { type: 'string', default: dayBefore(nowSecond) } },
  });
  if (line === null) return 0;
  const config = readBooksConfig(await commandEnvironment(process.env));
  const db = connectDb(config.databaseUrl);
  try {
    // The differences are printed, and a log would repeat them.
    const log = pino({ level: 'silent' });
    const reconciler = createReconciler({ db, books: allBooks(createStripe(config.stripe), config.crypto), log });
    const day = line.values.day === 'today' ? dayOf(nowSecond) : line.values.day;
    const report = await reconciler.reconcile({ day, nowSecond });
    print(report);
    return report.differences.length > 0 ? 1 : 0;
  } finally {
    await db.$disconnect();
  }
}

const amount = (micros: Micros | null): string => (micros === null ? '-' : formatDollars(micros));

function print({ day, rows, foreign, underWay, differences, madeSecond }: Reconciliation): void {
  const lines = tableLines([
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
  for (const line of lines) say(line);
  for (const each of differences) {
    say('');
    say(`${each.class}: ${each.depositId ?? '-'}, ${each.providerId ?? '-'}`);
    say(`  ${each.sentence}`);
    say(`  ${each.whatToDo}`);
  }
  say('');
  if (isProvisional({ day, madeSecond }))
    say(`provisional: the day ends at 00:00 UTC, the comparison is as of ${formatSecond(madeSecond)}`);
  say(
    `${day}: ${rows.length} rows compared, ${differences.length} differences, ${underWay} under way, ${foreign.length} foreign`,
  );
}

main().then(
  (status) => process.exit(status),
  (error: Error) => {
    process.stderr.write(`reconcile: ${error.message}\n`);
    process.exit(2);
  },
);
