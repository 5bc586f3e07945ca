/**
 * The neighbours that are not configured, run embedded, each speaking its real protocol. What the environment names is
 * used as it is. Answers the environment that the product's processes are then given.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CopperxStandIn, startCopperxStandIn } from './copperx/index.ts';
import { type MailInbox, startMailInbox } from './mail/inbox.ts';
import { type PlatformStandIn, startPlatformStandIn } from './platform.ts';
import { freePort, isListening } from './ports.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type StripeStandIn, startStripeStandIn } from './stripe/index.ts';
import { type SearchAttribute, startTemporalDevServer, type TemporalDevServer } from './temporal.ts';

type Environment = Record<string, string | undefined>;

export interface NeighboursOptions {
  /** Where what they keep is kept. */
  dataDir: string;
  /** Where programs are kept that had to be fetched; beside the data unless told. */
  toolsDir?: string;
  environment: Environment;
  searchAttributes: readonly SearchAttribute[];
  /** False: any free port for everything, so that several can run side by side. */
  usualPorts?: boolean;
  postgresSettings?: Record<string, string>;
  /** Told once for each neighbour: whether it is embedded or configured, and where it is. */
  say?: (line: string) => void;
}

export interface Neighbours {
  environment: Record<string, string>;
  postgres: Postgres | null;
  temporal: TemporalDevServer | null;
  inbox: MailInbox | null;
  stripe: StripeStandIn | null;
  copperx: CopperxStandIn | null;
  platform: PlatformStandIn | null;
  /** Stops what was started here, in the order in which they need each other. */
  stop(): Promise<void>;
}

const USUAL_PORTS = {
  api: 3000,
  temporal: 7233,
  temporalUi: 8233,
  smtp: 1025,
  inbox: 8025,
  stripe: 12111,
  copperx: 12112,
  platform: 9797,
  platformWeb: 9798,
};
const DATABASE = 'burnrate';
/** Blocks of an embedded chain: a payment is confirmed within seconds, and one can watch it. */
const BLOCK_MS = 250;

export async function startNeighbours(options: NeighboursOptions): Promise<Neighbours> {
  const { dataDir, environment: given, say = () => {} } = options;
  await mkdir(dataDir, { recursive: true });
  const port = options.usualPorts ? usualOrFree : () => freePort();
  const apiPort = Number(given.PORT ?? (await port(USUAL_PORTS.api)));
  const publicUrl = given.PUBLIC_URL ?? `http://127.0.0.1:${apiPort}`;
  const secrets = await keptSecrets(dataDir);
  const has = (name: string) => given[name] !== undefined && given[name] !== '';

  const [postgres, temporal, inbox, stripe, copperx, platform] = await Promise.all([
    has('DATABASE_URL')
      ? null
      : startPostgres({ dataDir: join(dataDir, 'postgres'), settings: options.postgresSettings ?? {} }),
    has('TEMPORAL_ADDRESS')
      ? null
      : startTemporalDevServer({
          dataDir: options.toolsDir ?? dataDir,
          dbFile: join(dataDir, 'temporal.db'),
          port: await port(USUAL_PORTS.temporal),
          uiPort: await port(USUAL_PORTS.temporalUi),
          searchAttributes: options.searchAttributes,
        }),
    has('SMTP_URL')
      ? null
      : startMailInbox({
          smtpPort: await port(USUAL_PORTS.smtp),
          webPort: await port(USUAL_PORTS.inbox),
          file: join(dataDir, 'mails.jsonl'),
        }),
    has('STRIPE_SECRET_KEY')
      ? null
      : startStripeStandIn({
          port: await port(USUAL_PORTS.stripe),
          file: join(dataDir, 'stripe.json'),
          webhook: { url: `http://127.0.0.1:${apiPort}/v1/webhooks/stripe`, secret: secrets.stripeWebhook },
        }),
    has('COPPERX_API_KEY')
      ? null
      : startCopperxStandIn({
          port: await port(USUAL_PORTS.copperx),
          file: join(dataDir, 'copperx.json'),
          webhook: { url: `http://127.0.0.1:${apiPort}/v1/webhooks/copperx`, secret: secrets.copperxWebhook },
          blockMs: BLOCK_MS,
        }),
    has('PLATFORM_WEBHOOK_URL')
      ? null
      : startPlatformStandIn({
          port: await port(USUAL_PORTS.platform),
          webPort: await port(USUAL_PORTS.platformWeb),
          secret: secrets.platformWebhook,
          file: join(dataDir, 'platform-events.jsonl'),
        }),
  ]);
  await postgres?.createDatabase(DATABASE);

  const embedded: Environment = {
    PORT: String(apiPort),
    PUBLIC_URL: publicUrl,
    MAIL_FROM: 'Burnrate <billing@burnrate.example>',
    BURNRATE_PLATFORM_KEY: secrets.platformKey,
    ...(postgres && { DATABASE_URL: postgres.runtimeUrl(DATABASE) }),
    ...(temporal && { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace }),
    ...(inbox && { SMTP_URL: inbox.smtpUrl }),
    ...(stripe && {
      STRIPE_SECRET_KEY: 'sk_test_embedded',
      STRIPE_WEBHOOK_SECRET: secrets.stripeWebhook,
      STRIPE_API_BASE: stripe.url,
    }),
    ...(copperx && {
      COPPERX_API_KEY: 'embedded',
      COPPERX_WEBHOOK_SECRET: secrets.copperxWebhook,
      COPPERX_API_BASE: copperx.url,
    }),
    ...(platform && { PLATFORM_WEBHOOK_URL: platform.url, PLATFORM_WEBHOOK_SECRET: secrets.platformWebhook }),
  };
  for (const [name, part, where] of [
    ['Postgres', postgres, postgres?.url],
    ['Temporal', temporal, temporal?.address],
    ['mail', inbox, inbox?.smtpUrl],
    ['Stripe', stripe, stripe?.url],
    ['CopperX', copperx, copperx?.url],
    ['the platform', platform, platform?.url],
  ] as const)
    say(part ? `${name} is not configured: embedded at ${where}` : `${name} as configured`);

  // An owner's address belongs to the database that is used, whatever else the environment names.
  const owner = postgres && { MIGRATE_DATABASE_URL: postgres.databaseUrl(DATABASE) };
  const set = Object.entries({ ...embedded, ...given, ...owner }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return {
    environment: Object.fromEntries(set),
    postgres,
    temporal,
    inbox,
    stripe,
    copperx,
    platform,
    stop: async () => {
      await Promise.all([stripe?.close(), copperx?.close(), platform?.stop(), inbox?.stop(), temporal?.stop()]);
      await postgres?.stop();
    },
  };
}

async function usualOrFree(usual: number): Promise<number> {
  return (await isListening(usual)) ? freePort() : usual;
}

interface Secrets {
  platformKey: string;
  platformWebhook: string;
  stripeWebhook: string;
  copperxWebhook: string;
}

/** Made on the first start and kept, so that a restart does not lock out who was given a key. */
async function keptSecrets(dataDir: string): Promise<Secrets> {
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
    // One that an earlier version kept lacks what came since.
    ...kept,
  };
  await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}
