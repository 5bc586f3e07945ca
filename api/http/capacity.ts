/**
 * The number of calls that a process serves at once. Each kind of call has its own places, so reads go on while writes
 * are refused, and a slow provider takes places of its own kind only. Probes and metrics need no place.
 */
import { Gate, type GateRefusal, type GateSettings } from './gate.ts';
import type { Route } from './route.ts';

/** `keys`: lookups of callers. `payments`: calls that wait for a provider. `pages`: pages in a person's browser. */
export const KINDS_OF_CALLS = ['reads', 'writes', 'payments', 'webhooks', 'pages', 'keys'] as const;
export type KindOfCall = (typeof KINDS_OF_CALLS)[number];

export type Gates = Record<KindOfCall, Gate>;

/**
 * Calls under way and waiting together can be served in about two seconds, half of the time under way and half waiting.
 * 32 callers are served on any machine.
 */
export const CALL_CAPACITY: GateSettings = {
  floor: 32,
  ceiling: 256,
  targetMs: 1_000,
  leastWaiting: 32,
  mostWaiting: 512,
  expectedWaitMs: 1_000,
  longestWaitMs: 2_000,
};

/** Lookups of keys are single statements. Few run at a time, so strangers who try keys take few connections. */
const KEY_LOOKS = { floor: 8, ceiling: 8, leastWaiting: 256 };
const PAGES = { floor: 16, ceiling: 16 };

export function createGates(settings: GateSettings, onRefused: (kind: KindOfCall, why: GateRefusal) => void): Gates {
  const gate = (kind: KindOfCall, change: Partial<GateSettings> = {}) =>
    new Gate({ ...settings, ...change }, (why) => onRefused(kind, why));
  return {
    reads: gate('reads'),
    writes: gate('writes'),
    payments: gate('payments'),
    webhooks: gate('webhooks'),
    pages: gate('pages', PAGES),
    keys: gate('keys', KEY_LOOKS),
  };
}

/** The kind of a call, from its route. */
export const kindOf = ({ asksProvider, method, records }: Route): KindOfCall => {
  if (asksProvider) return 'payments';
  return method === 'get' || !records ? 'reads' : 'writes';
};
