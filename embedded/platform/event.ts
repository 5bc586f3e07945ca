/** A delivery of an event to the platform. A retried event is delivered more than once, under the same id. */
export interface PlatformEvent {
  /** The `webhook-id`. */
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** The time of receipt, RFC 3339. */
  readonly at: string;
  /** True when the signature is made with our secret. */
  readonly verified: boolean;
  /** The status of the answer; null when the sender had hung up by then. */
  readonly answered: number | null;
  /** True for a 2xx, after which the sender stops retrying. */
  readonly ok: boolean;
}

/** The machine of an event, under any field name. */
export function machineOf({ data }: PlatformEvent): string {
  const named = [data.instance, data.instanceId, data.id].find((value) => typeof value === 'string');
  return typeof named === 'string' ? named : '(unnamed)';
}
