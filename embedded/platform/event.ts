/** One delivery of an event, as the platform got it. A retried event is delivered more than once, under the same id. */
export interface PlatformEvent {
  /** The `webhook-id`. */
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** When it was received, RFC 3339. */
  readonly at: string;
  /** True when the signature is that of our secret. */
  readonly verified: boolean;
  /** The status it was answered with; null when the sender had hung up by then. */
  readonly answered: number | null;
  /** True when it was answered 2xx, so that the sender may rest. */
  readonly ok: boolean;
}

/** The machine that an event is about, by whichever name the event has for it. */
export function machineOf({ data }: PlatformEvent): string {
  const named = [data.instance, data.instanceId, data.id].find((value) => typeof value === 'string');
  return typeof named === 'string' ? named : '(unnamed)';
}
