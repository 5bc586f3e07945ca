/**
 * The configuration of a process, read from its environment (README.md#environment). A missing or wrong variable stops
 * the process with a sentence that names the variable. Nothing is guessed, and nothing is embedded here.
 */
import ms from 'ms';
import { z } from 'zod';
import { defaultBillingUrl } from '../activities/links.ts';
import { type Brand, DEFAULT_BRAND } from '../activities/mail/brand.ts';
import type { Mailbox } from '../activities/mail/mailbox.ts';
import { DEFAULT_ISSUER, type Issuer } from '../activities/papers/issuer.ts';
import type { BillingSettings } from '../billing/account.ts';
import { formatForPeople, type Micros, micros } from '../billing/money.ts';
import * as value from './setting-values.ts';

export interface Config {
  databaseUrl: string;
  temporal: { address: string; namespace: string; apiKey: string | null; tls: boolean };
  stripe: { secretKey: string; webhookSecret: string; apiBase: string | null };
  /** Null: no crypto deposits are offered. */
  crypto: { apiKey: string; apiBase: string; webhookSecret: string; confirmations: number } | null;
  mail: { smtpUrl: string; from: Mailbox; replyTo: Mailbox | null; brand: Brand };
  platform: { webhookUrl: string; webhookSecret: string; key: string };
  publicUrl: string;
  /** Null: any https address, and http on this machine. */
  returnUrlOrigins: string[] | null;
  /** The address of a team's billing page, with `{team}` for the team's id. */
  billingUrl: string;
  port: number;
  /** Null: every interface of the machine. */
  host: string | null;
  settleEveryMs: number;
  billingSettings: BillingSettings;
  deposits: { minMicros: Micros; maxMicros: Micros; presetsMicros: Micros[] };
  issuer: Issuer;
  rateLimitPerMinute: number;
  /** Whose `X-Forwarded-For` is believed: a number of hops, or addresses and networks. False: nobody's. */
  trustedProxies: number | string[] | false;
  logLevel: string;
}

/** The small-balance product's presets come by DEPOSIT_PRESETS=10,25,50,100 and DEPOSIT_MIN=5. */
const ENVIRONMENT = z.object({
  DATABASE_URL: value.address('postgresql', 'postgres'),
  TEMPORAL_ADDRESS: value.hostAndPort,
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_API_KEY: value.apiKey.optional(),
  TEMPORAL_TLS: value.flag.optional(),
  STRIPE_SECRET_KEY: value.stripeSecretKey,
  STRIPE_WEBHOOK_SECRET: value.stripeWebhookSecret,
  STRIPE_API_BASE: value.baseAddress.optional(),
  COPPERX_API_KEY: value.apiKey.optional(),
  COPPERX_WEBHOOK_SECRET: z.string().min(1).optional(),
  COPPERX_API_BASE: value.baseAddress.default('https://api.copperx.io'),
  CRYPTO_CONFIRMATIONS: value.count.default(12),
  SMTP_URL: value.smtpUrl,
  MAIL_FROM: value.mailbox,
  MAIL_REPLY_TO: value.mailbox.optional(),
  MAIL_FOOTER: value.line(500).optional(),
  BRAND_NAME: value.line(60).optional(),
  BRAND_COLOR: value.color.default(DEFAULT_BRAND.color),
  BRAND_LOGO_URL: value.address('https', 'http').optional(),
  SUPPORT_CONTACT: value.contact.optional(),
  BILLING_URL: value.pageAddress.optional(),
  PLATFORM_WEBHOOK_URL: value.address('http', 'https'),
  PLATFORM_WEBHOOK_SECRET: value.signingSecret,
  BURNRATE_PLATFORM_KEY: value.platformKey,
  PUBLIC_URL: value.baseAddress,
  RETURN_URL_ORIGINS: value.origins.optional(),
  PORT: value.port.default(3000),
  HOST: value.host.optional(),
  SETTLE_EVERY: value.duration.default(ms('1h')),
  TOP_UP_COOLDOWN: value.duration.default(ms('300s')),
  TOP_UP_GRACE: value.duration.default(ms('60s')),
  DEPOSIT_MIN: value.dollars.default(micros(15_000_000)),
  DEPOSIT_MAX: value.dollars.default(micros(5_000_000_000)),
  DEPOSIT_PRESETS: value.presets.default([50, 100, 200, 500, 1000, 5000].map((amount) => micros(amount * 1_000_000))),
  MIN_START_BALANCE: value.dollars.default(micros(3_000_000)),
  LOW_BALANCE_LEVEL: value.dollars.default(micros(10_000_000)),
  VOLUME_DISCOUNTS: value.tiers.default(value.readTiers('1000:2,5000:5,20000:8,50000:12')),
  TOP_UP_LATENCY: value.duration.default(ms('10s')),
  RECEIPT_ISSUER: value.paperLine(100).default(DEFAULT_ISSUER.name),
  RECEIPT_ISSUER_ADDRESS: value.paperLines(400, 8).optional(),
  RECEIPT_ISSUER_TAX_ID: value.paperLine(60).optional(),
  RECEIPT_ISSUER_CONTACT: value.paperLine(200).optional(),
  RATE_LIMIT_PER_MINUTE: value.countFromOne.default(6000),
  TRUSTED_PROXIES: value.proxies.default(false),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** The names of all settings. */
export const SETTINGS: readonly string[] = Object.keys(ENVIRONMENT.shape);

/**
 * Reads the configuration.
 * @throws Error with a sentence on every missing or wrong variable
 */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const env = parse(ENVIRONMENT, environment);
  if (env.DEPOSIT_MIN > env.DEPOSIT_MAX)
    throw new Error(
      `The environment is not complete: DEPOSIT_MIN (${formatForPeople(env.DEPOSIT_MIN)}) is above DEPOSIT_MAX (${formatForPeople(env.DEPOSIT_MAX)}).`,
    );
  const unpayable = env.DEPOSIT_PRESETS.filter((preset) => preset < env.DEPOSIT_MIN || preset > env.DEPOSIT_MAX);
  if (unpayable.length > 0)
    throw new Error(
      `The environment is not complete: DEPOSIT_PRESETS: ${unpayable.map(formatForPeople).join(', ')} is not between DEPOSIT_MIN (${formatForPeople(env.DEPOSIT_MIN)}) and DEPOSIT_MAX (${formatForPeople(env.DEPOSIT_MAX)}).`,
    );
  return {
    databaseUrl: env.DATABASE_URL,
    temporal: {
      address: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
      apiKey: env.TEMPORAL_API_KEY ?? null,
      tls: env.TEMPORAL_TLS ?? env.TEMPORAL_API_KEY !== undefined,
    },
    stripe: {
      secretKey: env.STRIPE_SECRET_KEY,
      webhookSecret: env.STRIPE_WEBHOOK_SECRET,
      apiBase: env.STRIPE_API_BASE ?? null,
    },
    crypto: cryptoOf(env),
    mail: {
      smtpUrl: env.SMTP_URL,
      from: env.MAIL_FROM,
      replyTo: env.MAIL_REPLY_TO ?? null,
      brand: brandOf(env),
    },
    platform: {
      webhookUrl: env.PLATFORM_WEBHOOK_URL,
      webhookSecret: env.PLATFORM_WEBHOOK_SECRET,
      key: env.BURNRATE_PLATFORM_KEY,
    },
    returnUrlOrigins: env.RETURN_URL_ORIGINS ?? null,
    publicUrl: env.PUBLIC_URL.replace(/\/+$/, ''),
    billingUrl: env.BILLING_URL ?? defaultBillingUrl(env.PUBLIC_URL),
    port: env.PORT,
    host: env.HOST ?? null,
    settleEveryMs: env.SETTLE_EVERY,
    billingSettings: {
      cooldownSeconds: Math.round(env.TOP_UP_COOLDOWN / 1000),
      graceSeconds: Math.round(env.TOP_UP_GRACE / 1000),
      minStartMicros: env.MIN_START_BALANCE,
      lowLevelMicros: env.LOW_BALANCE_LEVEL,
      volumeTiers: env.VOLUME_DISCOUNTS,
      chargeLatencySeconds: Math.ceil(env.TOP_UP_LATENCY / 1000),
    },
    deposits: { minMicros: env.DEPOSIT_MIN, maxMicros: env.DEPOSIT_MAX, presetsMicros: env.DEPOSIT_PRESETS },
    issuer: {
      name: env.RECEIPT_ISSUER,
      address: env.RECEIPT_ISSUER_ADDRESS ?? null,
      taxId: env.RECEIPT_ISSUER_TAX_ID ?? null,
      contact: env.RECEIPT_ISSUER_CONTACT ?? env.SUPPORT_CONTACT ?? null,
    },
    rateLimitPerMinute: env.RATE_LIMIT_PER_MINUTE,
    trustedProxies: env.TRUSTED_PROXIES,
    logLevel: env.LOG_LEVEL,
  };
}

const BOOKS = ENVIRONMENT.pick({
  DATABASE_URL: true,
  STRIPE_SECRET_KEY: true,
  STRIPE_API_BASE: true,
  COPPERX_API_KEY: true,
  COPPERX_API_BASE: true,
  CRYPTO_CONFIRMATIONS: true,
});

/**
 * Reads the configuration for a comparison of the books.
 * @throws Error with a sentence on every missing or wrong variable
 */
export function readBooksConfig(environment: Record<string, string | undefined>) {
  const env = parse(BOOKS, environment);
  return {
    databaseUrl: env.DATABASE_URL,
    stripe: { secretKey: env.STRIPE_SECRET_KEY, apiBase: env.STRIPE_API_BASE ?? null },
    crypto:
      env.COPPERX_API_KEY === undefined
        ? null
        : { apiKey: env.COPPERX_API_KEY, apiBase: env.COPPERX_API_BASE, confirmations: env.CRYPTO_CONFIRMATIONS },
  };
}

function parse<T extends z.ZodObject>(schema: T, environment: Record<string, string | undefined>): z.output<T> {
  const given = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
  const blemished = new Set(Object.keys(schema.shape).filter((name) => value.blemishOf(given[name] ?? '')));
  const parsed = schema.safeParse(given);
  if (parsed.success && blemished.size === 0) return parsed.data;
  const issues = parsed.error?.issues.filter(({ path }) => !blemished.has(String(path[0]))) ?? [];
  const problems = [
    ...[...blemished].map((name) => `${name} ${value.blemishOf(given[name] ?? '')}`),
    ...issues.map(({ path, message }) =>
      String(path[0]) in given ? `${String(path[0])}: ${message}` : `${String(path[0])} is not set`,
    ),
  ];
  throw new Error(`The environment is not complete: ${problems.join('; ')}.`);
}

/** The brand's name is the name of the mail sender, unless another name is set. */
const brandOf = (env: z.output<typeof ENVIRONMENT>): Brand => ({
  name: env.BRAND_NAME ?? (env.MAIL_FROM.name || DEFAULT_BRAND.name),
  color: env.BRAND_COLOR,
  logoUrl: env.BRAND_LOGO_URL ?? null,
  footer: env.MAIL_FOOTER ?? null,
  support: env.SUPPORT_CONTACT ?? null,
});

/** A key offers crypto, and then a webhook secret is required to detect forged webhooks. */
function cryptoOf(env: z.output<typeof ENVIRONMENT>): Config['crypto'] {
  const { COPPERX_API_KEY: apiKey, COPPERX_WEBHOOK_SECRET: webhookSecret } = env;
  if (apiKey === undefined) return null;
  if (webhookSecret === undefined)
    throw new Error('The environment is not complete: COPPERX_WEBHOOK_SECRET is not set, though COPPERX_API_KEY is.');
  return { apiKey, webhookSecret, apiBase: env.COPPERX_API_BASE, confirmations: env.CRYPTO_CONFIRMATIONS };
}
