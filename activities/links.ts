/** Addresses for people. `publicUrl` has no slash at the end. */

/** The billing page of this service, for a deployment that names no other page. */
export const defaultBillingUrl = (publicUrl: string): string => `${publicUrl.replace(/\/+$/, '')}/billing?team={team}`;

/** A team's page of credit, cards and auto top-up. @param template BILLING_URL, with `{team}` for the team's id */
export const billingPage = (template: string, teamId: string): string =>
  template.replaceAll('{team}', encodeURIComponent(teamId));

/** The address to which a person returns from a payment page, with the state of the deposit. */
export const depositReturn = (publicUrl: string, depositId: string): string =>
  `${publicUrl}/return?deposit=${encodeURIComponent(depositId)}`;

/**
 * The addresses to which the page for saving a card returns a person: with a card, and without. Stripe puts the
 * session's id in place of the template's name. `detailsHash` names the row with the address that the person is sent on
 * to.
 */
export function setupReturns(publicUrl: string, detailsHash: string | null): { saved: string; left: string } {
  const onTo = detailsHash === null ? '' : `&to=${detailsHash}`;
  return {
    saved: `${publicUrl}/return?setup={CHECKOUT_SESSION_ID}${onTo}`,
    left: `${publicUrl}/return?setup=left${onTo}`,
  };
}

/**
 * The address of a receipt, for keys that may read the team.
 * @param number the number of the receipt; without a number, the deposit's first receipt
 */
export const receiptLink = (
  publicUrl: string,
  { id, teamId }: { id: string; teamId: string },
  number?: string,
): string => `${publicUrl}/v1/teams/${teamId}/deposits/${id}/receipt${number === undefined ? '' : `s/${number}`}`;
