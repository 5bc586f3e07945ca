/**
 * Runs each neighbour that is not configured as an embedded part with its real protocol. Configured neighbours are used
 * unchanged. Returns the environment for the product's processes.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CopperxStandIn, startCopperxStandIn } from './copperx/index.ts';
import { type MailInbox, startMailInbox } from './mail/inbox.ts';
import { type PlatformStandIn, startPlatformStandIn } from './platform/index.ts';
import { freePort } from './ports.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { keptSecrets, type Secrets } from './secrets.ts';
import { type StripeStandIn, startStripeStandIn } from './stripe/index.ts';
import {
  resolveTemporalCli,
  type SearchAttribute,
  startTemporalDevServer,
  type TemporalDevServer,
} from './temporal.ts';

type Environment = Record<string, string | undefined>;

export interface NeighboursOptions {
  /** The folder of the data. */
  dataDir: string;
  /** The folder of fetched programs: `.data/` of the checkout by default, for any data folder. */
  toolsDir?: string;
  environment: Environment;
  searchAttributes: readonly SearchAttribute[];
  /** A claimed port for each part. By default each part takes a free port. */
  ports?: Readonly<Record<PortName, number>>;
  postgresSettings?: Record<string, string>;
  /** Called once for each neighbour: embedded or configured, with the address. */
  say?: (line: string) => void;
}

interface Parts {
  postgres: Postgres | null;
  temporal: TemporalDevServer | null;
  inbox: MailInbox | null;
  stripe: StripeStandIn | null;
  copperx: CopperxStandIn | null;
  platform: PlatformStandIn | null;
}

export interface Neighbours extends Parts {
  environment: Record<string, string>;
  /** Stops the parts started here, in the order of their dependencies. */
  stop(): Promise<void>;
}

/** The usual ports of `npm start`. */
export const USUAL_PORTS = {
  api: 3000,
  postgres: 15432,
  temporal: 7233,
  temporalUi: 8233,
  smtp: 1025,
  inbox: 8025,
  stripe: 12111,
  copperx: 12112,
  platform: 9797,
  platformWeb: 9798,
} as const;
export type PortName = keyof typeof USUAL_PORTS;

const TOOLS = join(import.meta.dirname, '..', '.data');
const DATABASE = 'burnrate';
/** The block time of the embedded chain: short, so a payment is confirmed within seconds while a person watches. */
const BLOCK_MS = 250;

export async function startNeighbours(options: NeighboursOptions): Promise<Neighbours> {
  const { dataDir, say = () => {} } = options;
  // An empty variable counts as not set.
  const given = Object.fromEntries(
    Object.entries(options.environment).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
  await mkdir(dataDir, { recursive: true });
  const secrets = await keptSecrets(dataDir);
  const apiPort = Number(given.PORT ?? options.ports?.api ?? (await freePort()));
  const starts = startsOf(options, secrets, apiPort);

  const parts: Parts = { postgres: null, temporal: null, inbox: null, stripe: null, copperx: null, platform: null };
  const stop = async () => {
    const { stripe, copperx, platform, inbox, temporal, postgres } = parts;
    await Promise.all([stripe?.close(), copperx?.close(), platform?.stop(), inbox?.stop(), temporal?.stop()]);
    await postgres?.stop();
  };
  const start = async <Name extends keyof Parts>(name: Name) => {
    const { variable, title, run, where } = starts[name] as Start<NonNullable<Parts[Name]>>;
    if (given[variable] !== undefined) return say(`${title} as configured`);
    const part = await run();
    parts[name] = part;
    say(`${title} is not configured: embedded at ${where(part)}`);
  };
  const ends = await Promise.allSettled((Object.keys(parts) as Array<keyof Parts>).map(start));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  // The owner's address belongs to the used database, whatever the rest of the environment names.
  const owner = parts.postgres && { MIGRATE_DATABASE_URL: parts.postgres.databaseUrl(DATABASE) };
  const environment = { ...embeddedEnvironment(parts, secrets, apiPort), ...given, ...owner };
  return { ...parts, environment, stop };
}

interface Start<Part> {
  /** The setting that names another neighbour, used instead. */
  variable: string;
  title: string;
  run(): Promise<Part>;
  where(part: Part): string;
}

function startsOf(
  options: NeighboursOptions,
  secrets: Secrets,
  apiPort: number,
): { [Name in keyof Parts]: Start<NonNullable<Parts[Name]>> } {
  const { dataDir, toolsDir = TOOLS, say = () => {} } = options;
  const port = async (name: PortName) => options.ports?.[name] ?? (await freePort());
  const webhook = (provider: string, secret: string) => ({
    url: `http://127.0.0.1:${apiPort}/v1/webhooks/${provider}`,
    secret,
  });
  return {
    postgres: {
      variable: 'DATABASE_URL',
      title: 'Postgres',
      run: async () => {
        const settings = options.postgresSettings ?? {};
        const postgres = await startPostgres({
          dataDir: join(dataDir, 'postgres'),
          settings,
          ...(options.ports && { port: options.ports.postgres }),
        });
        await postgres.createDatabase(DATABASE);
        return postgres;
      },
      where: (postgres) => postgres.runtimeUrl(DATABASE),
    },
    temporal: {
      variable: 'TEMPORAL_ADDRESS',
      title: 'Temporal',
      run: async () => {
        await resolveTemporalCli({ dataDir: toolsDir, logger: say });
        return startTemporalDevServer({
          dataDir: toolsDir,
          dbFile: join(dataDir, 'temporal.db'),
          ...(options.ports && { port: options.ports.temporal, uiPort: options.ports.temporalUi }),
          searchAttributes: options.searchAttributes,
        });
      },
      where: (temporal) => temporal.address,
    },
    inbox: {
      variable: 'SMTP_URL',
      title: 'mail',
      run: async () =>
        startMailInbox({
          smtpPort: await port('smtp'),
          webPort: await port('inbox'),
          file: join(dataDir, 'mails.jsonl'),
        }),
      where: (inbox) => inbox.smtpUrl,
    },
    stripe: {
      variable: 'STRIPE_SECRET_KEY',
      title: 'Stripe',
      run: async () =>
        startStripeStandIn({
          port: await port('stripe'),
          file: join(dataDir, 'stripe.json'),
          webhook: webhook('stripe', secrets.stripeWebhook),
        }),
      where: (stripe) => stripe.url,
    },
    copperx: {
      variable: 'COPPERX_API_KEY',
      title: 'CopperX',
      run: async () =>
        startCopperxStandIn({
          port: await port('copperx'),
          file: join(dataDir, 'copperx.json'),
          webhook: webhook('copperx', secrets.copperxWebhook),
          blockMs: BLOCK_MS,
        }),
      where: (copperx) => copperx.url,
    },
    platform: {
      variable: 'PLATFORM_WEBHOOK_URL',
      title: 'the platform',
      run: async () =>
        startPlatformStandIn({
          port: await port('platform'),
          webPort: await port('platformWeb'),
          secret: secrets.platformWebhook,
          file: join(dataDir, 'platform-events.jsonl'),
        }),
      where: (platform) => platform.url,
    },
  };
}

function embeddedEnvironment(parts: Parts, secrets: Secrets, apiPort: number): Record<string, string> {
  const { postgres, temporal, inbox, stripe, copperx, platform } = parts;
  return {
    PORT: String(apiPort),
    HOST: '127.0.0.1',
    PUBLIC_URL: `http://127.0.0.1:${apiPort}`,
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
}
