/** The connection to Temporal. */
import type { Config } from './config.ts';

/** The connection to Temporal by the environment: plain for a local server, TLS and a key for a remote one. */
export const temporalConnection = ({ temporal }: Config) => ({
  address: temporal.address,
  ...(temporal.tls && { tls: {} }),
  ...(temporal.apiKey !== null && { apiKey: temporal.apiKey }),
});
