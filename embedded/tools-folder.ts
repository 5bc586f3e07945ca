/** The folder of downloaded programs. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

const CHECKOUT = join(import.meta.dirname, '..');

/**
 * The folder of fetched programs: in the checkout, so all data folders share the programs, or the data folder where the
 * checkout has no write access.
 */
export async function toolsFolder(dataDir: string, checkout = CHECKOUT): Promise<string> {
  const shared = join(checkout, '.data');
  return await mkdir(shared, { recursive: true, mode: 0o700 }).then(
    () => shared,
    () => dataDir,
  );
}
