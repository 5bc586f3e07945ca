/** Where fetched programs are kept. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

const CHECKOUT = join(import.meta.dirname, '..');

/**
 * The folder of fetched programs: with the checkout, so that they are fetched once whatever the data folder is, or the data
 * folder where the checkout cannot be written.
 */
export async function toolsFolder(dataDir: string, checkout = CHECKOUT): Promise<string> {
  const shared = join(checkout, '.data');
  return await mkdir(shared, { recursive: true, mode: 0o700 }).then(
    () => shared,
    () => dataDir,
  );
}
