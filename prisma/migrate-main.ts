/** `npm run db:migrate`: applies the migrations to DATABASE_URL. */
import { migrate } from './migrate.ts';

const { DATABASE_URL } = process.env;
if (!DATABASE_URL) {
  process.stderr.write('DATABASE_URL is not set.\n');
  process.exit(1);
}
const applied = await migrate(DATABASE_URL);
process.stdout.write(applied.length > 0 ? `applied: ${applied.join(', ')}\n` : 'nothing to apply\n');
