/** The client for Stripe, or for another host with Stripe's API. */
import Stripe from 'stripe';

export interface StripeOptions {
  secretKey: string;
  /** STRIPE_API_BASE: scheme, host and port. Null for Stripe itself. */
  apiBase: string | null;
  /** The timeout of a call. Shorter than the activity's own limit, so time is left to read the outcome. */
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 20_000;

/**
 * Temporal retries, so the client does not. The client only repeats, under the same key, a call whose connection was
 * closed.
 */
export function createStripe({ secretKey, apiBase, timeoutMs = DEFAULT_TIMEOUT_MS }: StripeOptions): Stripe {
  return new Stripe(secretKey, { maxNetworkRetries: 0, telemetry: false, timeout: timeoutMs, ...hostOf(apiBase) });
}

function hostOf(apiBase: string | null) {
  if (apiBase === null) return {};
  const { protocol, hostname, port } = new URL(apiBase);
  const secure = protocol === 'https:';
  return { protocol: secure ? 'https' : 'http', host: hostname, port: port || (secure ? '443' : '80') } as const;
}
