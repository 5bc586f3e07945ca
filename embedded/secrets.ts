/** The secrets of embedded neighbours: made on the first start and stored, so a key stays valid. */
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Secrets {
  platformKey: string;
  platformWebhook: string;
  stripeWebhook: string;
  copperxWebhook: string;
}

export async function keptSecrets(dataDir: string): Promise<Secrets> {
  const file = join(dataDir, 'secrets.json');
  const kept: Partial<Secrets> = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text),
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return {};
    },
  );
  const secrets: Secrets = {
    platformKey: `bk_platform_${randomBytes(18).toString('base64url')}`,
    platformWebhook: `whsec_${randomBytes(24).toString('base64')}`,
    stripeWebhook: `whsec_${randomBytes(24).toString('base64url')}`,
    copperxWebhook: randomBytes(24).toString('base64url'),
    // A file of an earlier release lacks later secrets.
    ...kept,
  };
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, JSON.stringify(secrets), { mode: 0o600 });
  await rename(draft, file);
  return secrets;
}
