/** A kind of payment in the matrix: the way of paying, the places for gates, and the expected result. */
import type { Gate } from '../../embedded/gates.ts';
import type { StripePassing } from '../../embedded/stripe/index.ts';
import type { Site } from './site.ts';
import type { Team } from './teams.ts';
import type { ProviderStep } from './words.ts';

const MICROS_A_CENT = 10_000;

/** Money that a provider has taken for a deposit or, below zero, has given back. */
export interface Moved {
  depositId: string;
  amountMicros: number;
}

export interface PaymentKind {
  /** As in a table and on the command line. */
  name: string;
  /** The preparation of the payment, before any fault. */
  prepare?(site: Site, team: Team): Promise<void>;
  /** All acts of people, from the first call to the last press of a button, with repeats of unanswered calls. */
  play(site: Site, team: Team): Promise<void>;
  /** The gate for the payment's request at a step. */
  hold(site: Site, team: Team, step: ProviderStep): Gate<unknown>;
  /** The provider's charges and refunds of the team. */
  moved(site: Site, team: Team): Moved[];
  /** The subject of the mail of the last two steps. */
  subject: RegExp;
  /** Its workflow goes on after the payment, because more may come. */
  staysOpen?: boolean;
  expected(team: Team): Expected;
}

/** The expected state at the end after any fault. Amounts in micro-dollars. */
export interface Expected {
  deposit: { label: string; status: string; amountMicros: number };
  /** None by default. */
  refunds?: number[];
  /** Signed by their effect on the team's credit. */
  transfers: { code: string; micros: number }[];
  /** Kinds of mail, each once. */
  mails: string[];
}

/**
 * A gate for a request of the team to Stripe, or to one of its pages. The SDK itself repeats a call once after a closed
 * connection. The repeat is dropped too, because a fault that the SDK hides from the product would test nothing.
 */
export function holdAtStripe(
  { stripe }: Site,
  team: Team,
  point: StripePassing['point'],
  method: 'GET' | 'POST',
  path: RegExp,
  status?: string,
): Gate<StripePassing> {
  const gate = stripe.gates.hold(
    (passing) =>
      passing.point === point &&
      passing.method === method &&
      path.test(passing.path) &&
      (teamIn(passing.params.metadata) ?? teamIn(passing.object?.metadata)) === team.id &&
      (status === undefined || passing.object?.status === status),
  );
  let held: StripePassing | undefined;
  void gate.reached.then(({ passing }) => {
    held = passing;
  });
  return {
    reached: gate.reached,
    release: (way) => {
      if (way === 'drop' && held?.path.startsWith('/v1/')) {
        stripe.faults.add({ on: `${method} ${held.path}`, kind: 'drop', where: whoseOf(held) });
      }
      gate.release(way);
    },
  };
}

/** The recognition of a repeated request: by the object in its path, or by its parameters. */
function whoseOf({ params, object }: StripePassing): Record<string, string> {
  const team = teamIn(params.metadata);
  if (team !== undefined) return { 'metadata[team]': team };
  return object && params.payment_intent === object.id ? { payment_intent: object.id } : {};
}

const teamIn = (metadata: unknown): string | undefined => (metadata as { team?: string } | undefined)?.team;

/** The charges and refunds of a team at Stripe. */
export const movedAtStripe = ({ stripe }: Site, team: Team): Moved[] =>
  [
    ...stripe.charges().map((charge) => ({ ...charge, sign: 1 })),
    ...stripe.refunds().map((refund) => ({ ...refund, sign: -1 })),
  ]
    .filter(({ metadata, status }) => metadata?.team === team.id && status !== 'failed')
    .map(({ metadata, amount, sign }) => ({
      depositId: metadata?.deposit ?? 'none',
      amountMicros: sign * amount * MICROS_A_CENT,
    }));
