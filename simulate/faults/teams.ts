/** Whose an event of Stripe's is. */

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
