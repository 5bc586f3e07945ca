/** `npm run db:migrate`: applies the migrations as the owner of the tables, and grants the runtime role its privileges. */
import { parseArgs } from 'node:util';
import { migrate, migrationOf } from './migrate.ts';

const USAGE = `usage: npm run db:migrate

Applies the migrations that the database lacks. Two at once wait for each other.

  MIGRATE_DATABASE_URL   connects as the owner of the tables (default: DATABASE_URL)
  DATABASE_URL           connects as the role of the api and the workers, which is granted its privileges`;

/** @throws Error with the usage for any other option */
function isHelpAsked(): boolean {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values.help ?? false;
  } catch (error) {
    throw new Error(`${(error as Error).message}.\n\n${USAGE}`);
  }
}

async function main(): Promise<void> {
  if (isHelpAsked()) return void process.stdout.write(`${USAGE}\n`);
  const { ownerUrl, runtimeRole } = migrationOf(process.env);
  const applied = await migrate(ownerUrl, runtimeRole);
  process.stdout.write(applied.length > 0 ? `applied: ${applied.join(', ')}\n` : 'nothing to apply\n');
  process.stdout.write(
    runtimeRole === null
      ? 'DATABASE_URL connects as the owner of the tables, who can change the ledger: set MIGRATE_DATABASE_URL to connect as the owner, and DATABASE_URL as another role.\n'
      : `privileges granted to ${runtimeRole}\n`,
  );
}

main().catch((error: Error) => {
  process.stderr.write(`db:migrate: ${error.message}\n`);
  process.exit(1);
});
