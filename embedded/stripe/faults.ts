/**
 * The faults of a call:
 * - `hang`, `hang_after_effect`: no answer ever comes
 * - `drop`, `drop_after_effect`: the connection is closed without an answer
 * - `rate_limit`: 429, nothing executed and nothing kept under the idempotency key
 * - `error`, `error_after_effect`: 500, kept under the idempotency key
 * - `refuse`: the status, type, code and words of the fault, 400 by default; nothing executed, and kept under the key
 * - `slow`, `slow_after_effect`: `ms` pass before the effect, or between effect and answer; the key is in use meanwhile
 */
export type FaultKind =
  | 'hang'
  | 'hang_after_effect'
  | 'drop'
  | 'drop_after_effect'
  | 'rate_limit'
  | 'error'
  | 'error_after_effect'
  | 'refuse'
  | 'slow'
  | 'slow_after_effect';

export interface Fault {
  /**
   * `POST /v1/payment_intents/:id/confirm`: a `:name` or a `*` stands for one part of the path; `*` alone is every
   * call.
   */
  on: string;
  kind: FaultKind;
  /**
   * Only calls whose parameters have these values, such as `{customer: 'cus_…'}` or `{'metadata[deposit]': 'dep_…'}`.
   */
  where?: Record<string, string>;
  /** So many matching calls pass before the fault begins. */
  skip?: number;
  /**
   * The number of calls to strike: 1 by default, `always` until removed. The SDK itself repeats a dropped call once.
   */
  times?: number | 'always';
  ms?: number;
  /** For `refuse`: the answer to the call. */
  refusal?: Refusal;
}

/** An answer other than a 2xx. Stripe's has all of these fields, CopperX's a status and a message. */
export interface Refusal {
  status?: number;
  type?: string;
  code?: string;
  declineCode?: string;
  param?: string;
  message?: string;
}

/** Every call fails, in one way, until the outage is over. */
export type Outage = 'error' | 'drop' | 'hang' | 'rate_limit';

export const FAULT_KINDS: readonly string[] = [
  'hang',
  'hang_after_effect',
  'drop',
  'drop_after_effect',
  'rate_limit',
  'error',
  'error_after_effect',
  'refuse',
  'slow',
  'slow_after_effect',
] satisfies FaultKind[];

/**
 * Faults that strike every call. Other faults strike only an executed call, and no call that a key answers from memory.
 */
const ON_ARRIVAL = new Set<FaultKind>(['hang', 'drop', 'rate_limit']);

interface Armed extends Fault {
  id: string;
  passes: number;
  strikes: number;
}

export class Faults {
  #armed: Armed[] = [];
  #outage: Outage | null = null;
  #count = 0;

  /** Returns an id for the removal of the fault. */
  add(fault: Fault): string {
    if (!FAULT_KINDS.includes(fault.kind))
      throw new Error(`unknown fault ${fault.kind}: one of ${FAULT_KINDS.join(', ')}`);
    const id = `fault_${++this.#count}`;
    const strikes = fault.times === 'always' ? Number.POSITIVE_INFINITY : (fault.times ?? 1);
    this.#armed.push({ ...fault, id, passes: fault.skip ?? 0, strikes });
    return id;
  }

  remove(id: string): void {
    this.#armed = this.#armed.filter((fault) => fault.id !== id);
  }

  reset(): void {
    this.#armed = [];
    this.#outage = null;
  }

  /**
   * Begins an outage that lasts until `endOutage`. Its 500s are like those of a proxy: nothing is executed, and nothing
   * is stored.
   */
  beginOutage(kind: Outage = 'error'): void {
    this.#outage = kind;
  }

  endOutage(): void {
    this.#outage = null;
  }

  get outage(): Outage | null {
    return this.#outage;
  }

  /** Faults that have still to strike. */
  pending(): (Fault & { id: string })[] {
    return this.#armed.map(({ passes, strikes, ...fault }) => {
      return { ...fault, skip: passes, times: Number.isFinite(strikes) ? strikes : 'always' };
    });
  }

  /** The fault that strikes this call, if any. Its count is reduced by one. */
  strike(
    when: 'arrival' | 'execution',
    method: string,
    path: string,
    params: Record<string, unknown>,
  ): Fault | undefined {
    for (const fault of this.#armed) {
      if (ON_ARRIVAL.has(fault.kind) !== (when === 'arrival')) continue;
      if (!matches(fault.on, method, path) || !hasValues(params, fault.where ?? {})) continue;
      if (fault.passes > 0) {
        fault.passes -= 1;
        continue;
      }
      fault.strikes -= 1;
      if (fault.strikes <= 0) this.remove(fault.id);
      return fault;
    }
    return undefined;
  }
}

function matches(on: string, method: string, path: string): boolean {
  if (on === '*') return true;
  const [wantedMethod = '*', wantedPath = '*'] = on.trim().split(/\s+/);
  if (wantedMethod !== '*' && wantedMethod.toUpperCase() !== method) return false;
  if (wantedPath === '*') return true;
  const wanted = wantedPath.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => part === '*' || part.startsWith(':') || part === given[i])
  );
}

function hasValues(params: Record<string, unknown>, where: Record<string, string>): boolean {
  return Object.entries(where).every(([name, value]) => {
    const [first = '', ...inner] = name.replaceAll(']', '').split('[');
    let at: unknown = params[first];
    for (const key of inner) at = (at as Record<string, unknown> | undefined)?.[key];
    return at === value;
  });
}
