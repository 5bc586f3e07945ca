/**
 * What a process is told by its environment (api.md, "Environment"). A missing or wrong variable stops the process with
 * a sentence that names it; nothing is guessed and nothing is embedded here.
 */
import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { DEFAULT_ISSUER } from '../activities/receipts/receipt.ts';
import type { Terms } from '../billing/account.ts';
import type { VolumeTier } from '../billing/discounts.ts';
import { formatForPeople, type Micros, micros, parseDollars } from '../billing/money.ts';

export interface Config {
  databaseUrl: string;
  temporal: { address: string; namespace: string; apiKey: string | null; tls: boolean };
  stripe: { secretKey: string; webhookSecret: string; apiBase: string | null };
  /** Null: no crypto deposits are offered. */
  crypto: { apiKey: string; apiBase: string; webhookSecret: string; confirmations: number } | null;
  mail: { smtpUrl: string; from: string };
  platform: { webhookUrl: string; webhookSecret: string; key: string };
  publicUrl: string;
  port: number;
  settleEveryMs: number;
  terms: Terms;
  deposits: { minMicros: Micros; maxMicros: Micros; presetsMicros: Micros[] };
  receiptIssuer: string;
  rateLimitPerMinute: number;
  logLevel: string;
}

const duration = z.string().transform((text, context) => {
  const value = ms(text as StringValue);
  if (Number.isFinite(value) && value >= 0) return value;
  context.addIssue({ code: 'custom', message: 'expected a duration such as 300s or 1h' });
  return z.NEVER;
});

const dollars = z.string().transform((text, context) => {
  try {
    return parseDollars(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});

const count = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number')
  .transform(Number);
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const presets = z
  .string()
  .transform((text) => text.split(',').map((item) => item.trim()))
  .pipe(z.array(dollars).min(1));

const TIER = /^(\d{1,9}):(\d{1,2}(?:\.\d{1,2})?)$/;

/** `1000:2,5000:5`: who has spent $1,000 in the last 30 days pays 2 % less, $5,000 5 %. */
function readTiers(text: string): VolumeTier[] {
  return text.split(',').map((item) => {
    const [, spent, percent] = TIER.exec(item.trim()) ?? [];
    if (spent === undefined || percent === undefined)
      throw new Error('expected dollars:percent,… such as 1000:2,5000:5, or none');
    return { spendMicros: parseDollars(spent), basisPoints: Math.round(Number(percent) * 100) };
  });
}

const tiers = z.string().transform((text, context) => {
  if (text.trim() === 'none') return [];
  try {
    return readTiers(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});

/** The small-balance product's presets come by DEPOSIT_PRESETS=10,25,50,100 and DEPOSIT_MIN=5. */
const ENVIRONMENT = z.object({
  DATABASE_URL: z.url(),
  TEMPORAL_ADDRESS: z.string().min(1),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_API_KEY: z.string().min(1).optional(),
  TEMPORAL_TLS: flag.optional(),
  STRIPE_SECRET_KEY: z.string().min(1),
  STRIPE_WEBHOOK_SECRET: z.string().min(1),
  STRIPE_API_BASE: z.url().optional(),
  COPPERX_API_KEY: z.string().min(1).optional(),
  COPPERX_WEBHOOK_SECRET: z.string().min(1).optional(),
  COPPERX_API_BASE: z.url().default('https://api.copperx.io'),
  CRYPTO_CONFIRMATIONS: count.default(12),
  SMTP_URL: z.string().regex(/^smtps?:\/\//, 'expected smtp:// or smtps://'),
  MAIL_FROM: z.string().min(3),
  PLATFORM_WEBHOOK_URL: z.url(),
  PLATFORM_WEBHOOK_SECRET: z.string().min(16),
  BURNRATE_PLATFORM_KEY: z.string().min(16),
  PUBLIC_URL: z.url(),
  PORT: count.default(3000),
  SETTLE_EVERY: duration.default(ms('1h')),
  TOP_UP_COOLDOWN: duration.default(ms('300s')),
  TOP_UP_GRACE: duration.default(ms('60s')),
  DEPOSIT_MIN: dollars.default(micros(15_000_000)),
  DEPOSIT_MAX: dollars.default(micros(5_000_000_000)),
  DEPOSIT_PRESETS: presets.default([50, 100, 200, 500, 1000, 5000].map((amount) => micros(amount * 1_000_000))),
  MIN_START_BALANCE: dollars.default(micros(3_000_000)),
  LOW_BALANCE_LEVEL: dollars.default(micros(10_000_000)),
  VOLUME_DISCOUNTS: tiers.default(readTiers('1000:2,5000:5,20000:8,50000:12')),
  TOP_UP_LATENCY: duration.default(ms('10s')),
  RECEIPT_ISSUER: z.string().min(1).max(100).default(DEFAULT_ISSUER),
  RATE_LIMIT_PER_MINUTE: count.default(6000),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/**
 * Reads the configuration.
 * @throws Error with one sentence that names every missing or wrong variable
 */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const env = parse(ENVIRONMENT, environment);
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
    mail: { smtpUrl: env.SMTP_URL, from: env.MAIL_FROM },
    platform: {
      webhookUrl: env.PLATFORM_WEBHOOK_URL,
      webhookSecret: env.PLATFORM_WEBHOOK_SECRET,
      key: env.BURNRATE_PLATFORM_KEY,
    },
    publicUrl: env.PUBLIC_URL.replace(/\/$/, ''),
    port: env.PORT,
    settleEveryMs: env.SETTLE_EVERY,
    terms: {
      cooldownSeconds: Math.round(env.TOP_UP_COOLDOWN / 1000),
      graceSeconds: Math.round(env.TOP_UP_GRACE / 1000),
      minStartMicros: env.MIN_START_BALANCE,
      lowLevelMicros: env.LOW_BALANCE_LEVEL,
      volumeTiers: env.VOLUME_DISCOUNTS,
      chargeLatencySeconds: Math.ceil(env.TOP_UP_LATENCY / 1000),
    },
    deposits: { minMicros: env.DEPOSIT_MIN, maxMicros: env.DEPOSIT_MAX, presetsMicros: env.DEPOSIT_PRESETS },
    receiptIssuer: env.RECEIPT_ISSUER,
    rateLimitPerMinute: env.RATE_LIMIT_PER_MINUTE,
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
 * Reads as much of it as a comparison of the books needs.
 * @throws Error with one sentence that names every missing or wrong variable
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

function parse<T>(schema: z.ZodType<T>, environment: Record<string, string | undefined>): T {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0]);
    return name in given ? `${name}: ${issue.message}` : `${name} is not set`;
  });
  throw new Error(`The environment is not complete: ${problems.join('; ')}.`);
}

/** Crypto is offered with a key, and then its webhooks must be told from forged ones. */
function cryptoOf(env: z.output<typeof ENVIRONMENT>): Config['crypto'] {
  const { COPPERX_API_KEY: apiKey, COPPERX_WEBHOOK_SECRET: webhookSecret } = env;
  if (apiKey === undefined) return null;
  if (webhookSecret === undefined)
    throw new Error('The environment is not complete: COPPERX_WEBHOOK_SECRET is not set, though COPPERX_API_KEY is.');
  return { apiKey, webhookSecret, apiBase: env.COPPERX_API_BASE, confirmations: env.CRYPTO_CONFIRMATIONS };
}
