/** The teams of cases, and the team of each request and event of a provider. */
import type { CheckoutSession } from '../../embedded/copperx/index.ts';

/** Each case has its own team, so payments and mails of cases can be distinguished. */
export interface Team {
  id: string;
  email: string;
  /** The id of the saved card. */
  card: string;
}

/** CopperX says amounts in units of 10⁻⁸ coin. */
export const UNITS_A_MICRO = 100;

/** CopperX does not know the team, so each team pays its own amount, by which its requests are recognised. */
export const microsOf = ({ id }: Team): number => 25_000_000 + 10_000 * Number(/\d+$/.exec(id)?.[0]);
export const unitsOf = (team: Team): string => String(microsOf(team) * UNITS_A_MICRO);

/** The team of a session, for the webhooks. */
export const teamOfSession = ({ amountTotal }: CheckoutSession): string =>
  `team-${(Number(amountTotal) / UNITS_A_MICRO - 25_000_000) / 10_000}`;

/** The fields of an event's object that identify the team. */
interface About {
  id: string;
  object: string;
  customer?: string | null;
  metadata?: { team?: string } | null;
}

/** Finds the team by the metadata of a payment or a customer, and by the customer for objects without metadata. */
export function teamsOfStripe(): (event: { data: { object: unknown } }) => string | undefined {
  const teamOfCustomer = new Map<string, string>();
  return ({ data }) => {
    const about = data.object as About;
    const team = about.metadata?.team;
    if (about.object === 'customer' && team !== undefined) teamOfCustomer.set(about.id, team);
    return team ?? teamOfCustomer.get(about.customer ?? about.id);
  };
}
