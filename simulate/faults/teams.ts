/** Whose an event of Stripe's is. */

/** The fields of an event's object by which it can be told. */
interface About {
  id: string;
  object: string;
  customer?: string | null;
  metadata?: { team?: string } | null;
}

/** Tells by the team that we have Stripe keep with a payment or a customer, and by the customer of what has none. */
export function teamsOfStripe(): (event: { data: { object: unknown } }) => string | undefined {
  const teamOfCustomer = new Map<string, string>();
  return ({ data }) => {
    const about = data.object as About;
    const team = about.metadata?.team;
    if (about.object === 'customer' && team !== undefined) teamOfCustomer.set(about.id, team);
    return team ?? teamOfCustomer.get(about.customer ?? about.id);
  };
}
