import { Gates, type Point } from '../gates.ts';
import type { Form } from './params.ts';
import type { World } from './world.ts';

/** A request at a gate. */
export interface StripePassing {
  readonly point: Point;
  readonly method: string;
  readonly path: string;
  readonly params: Form;
  /**
   * The object in the path or the parameters, in its present state. A request without metadata can be recognised by the
   * object's metadata.
   */
  readonly object: { readonly id: string; readonly status?: string | null; readonly metadata?: unknown } | undefined;
}

export class StripeGates extends Gates<StripePassing> {}

/** The payment of a request, from its path or a parameter. */
export function objectOf({ state }: World, path: string, params: Form): StripePassing['object'] {
  for (const part of [...path.split('/'), String(params.payment_intent ?? '')]) {
    const named = state.paymentIntents.get(part) ?? state.checkoutSessions.get(part) ?? state.charges.get(part);
    if (named) return named;
  }
  return undefined;
}
