/** What the matrix must be told of a kind of payment: how people make it, where it can be held, and what it must come to. */
import type { Gate } from '../../embedded/gates.ts';
import type { StripePassing } from '../../embedded/stripe/index.ts';
import type { Site, Team } from './site.ts';
import type { ProviderStep } from './words.ts';

const MICROS_A_CENT = 10_000;

/** Money that a provider has taken for a deposit, or, below zero, has given back. */
export interface Moved {
  depositId: string;
  amountMicros: number;
}

export interface PaymentKind {
  /** As in a table and on the command line. */
  name: string;
  /** What must have been before, with which nothing goes wrong yet. */
  prepare?(site: Site, team: Team): Promise<void>;
  /** All that people do, from the first call to the last press of a button. Repeats what was not answered, as people do. */
  play(site: Site, team: Team): Promise<void>;
  /** Where its request stands at a step. */
  hold(site: Site, team: Team, step: ProviderStep): Gate<unknown>;
  /** What the provider has taken from the team and given back. */
  moved(site: Site, team: Team): Moved[];
  /** The subject of the mail that the last two steps are about. */
  subject: RegExp;
  /** Its workflow goes on after the payment: something may still come. */
  staysOpen?: boolean;
  expected(team: Team): Expected;
}

/** What must be so at the end, whatever went wrong. Amounts in micro-dollars. */
export interface Expected {
  deposit: { label: string; status: string; amountMicros: number };
  /** None unless told. */
  refunds?: number[];
  /** As they change the team's credit. */
  transfers: { code: string; micros: number }[];
  /** Kinds of mail, each once. */
  mails: string[];
}

/**
 * A gate for a request of the team's to Stripe, or to one of its pages. The SDK repeats a call whose connection was closed
 * once by itself: a fault that it hides from the product shows nothing, so that repeat is dropped too.
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

/** By what the repeat of a request is known: its path names an object, or its parameters say whose it is. */
function whoseOf({ params, object }: StripePassing): Record<string, string> {
  const team = teamIn(params.metadata);
  if (team !== undefined) return { 'metadata[team]': team };
  return object && params.payment_intent === object.id ? { payment_intent: object.id } : {};
}

const teamIn = (metadata: unknown): string | undefined => (metadata as { team?: string } | undefined)?.team;

/** What Stripe has charged and refunded for a team. */
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
