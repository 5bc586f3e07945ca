import { Gates, type Point } from '../gates.ts';
import type { CheckoutSession } from './objects.ts';

/** A request at a gate, to the API or to a session's page. */
export interface CopperxPassing {
  readonly point: Point;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  /** The session in the path, in its present state. */
  readonly session: CheckoutSession | undefined;
}

export class CopperxGates extends Gates<CopperxPassing> {}
