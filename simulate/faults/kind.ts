/** What the matrix must be told of a kind of payment: how people make it, where it can be held, and what it must come to. */
import type { Gate } from '../../embedded/gates.ts';
import type { StripePassing } from '../../embedded/stripe/index.ts';
import type { Site, Team } from './site.ts';
import type { ProviderStep } from './words.ts';

/** A payment that a provider has taken and kept. */
export interface Taken {
  depositId: string;
  amountMicros: number;
}

export interface PaymentKind {
  /** As in a table and on the command line. */
  name: string;
  /** All that people do, from the first call to the last press of a button. Repeats what was not answered, as people do. */
  play(site: Site, team: Team): Promise<void>;
  /** Where its request stands at a step. */
  hold(site: Site, team: Team, step: ProviderStep): Gate<unknown>;
  /** What the provider holds for the team. */
  taken(site: Site, team: Team): Taken[];
  /** The subject of the mail that the last two steps are about. */
  subject: RegExp;
  /** What must be so at the end, whatever went wrong. Amounts in micro-dollars, as they change the team's credit. */
  expected: {
    deposit: { label: string; status: string; amountMicros: number };
    transfers: { code: string; micros: number }[];
    /** Kinds of mail, each once. */
    mails: string[];
  };
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
        const whose = held.object ? {} : { where: { 'metadata[team]': team.id } };
        stripe.faults.add({ on: `${method} ${held.path}`, kind: 'drop', ...whose });
      }
      gate.release(way);
    },
  };
}

const teamIn = (metadata: unknown): string | undefined => (metadata as { team?: string } | undefined)?.team;

/** The charges that Stripe has made for a team and not given back whole. */
export const stripeCharges = ({ stripe }: Site, team: Team): Taken[] =>
  stripe
    .charges()
    .filter(({ metadata, status }) => metadata.team === team.id && status === 'succeeded')
    .map(({ metadata, amount }) => ({ depositId: metadata.deposit ?? 'none', amountMicros: amount * 10_000 }));
