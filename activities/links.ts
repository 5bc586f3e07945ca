/** Addresses that people are sent to. `publicUrl` has no slash at its end. */

/** The page that this service has itself, for a deployment that names no other. */
export const defaultBillingUrl = (publicUrl: string): string => `${publicUrl.replace(/\/+$/, '')}/billing?team={team}`;

/** A team's page of credit, cards and auto top-up. @param template BILLING_URL, with `{team}` for the team's id */
export const billingPage = (template: string, teamId: string): string =>
  template.replaceAll('{team}', encodeURIComponent(teamId));

/** Where a person comes back to from a payment page, to see what became of the deposit. */
export const depositReturn = (publicUrl: string, depositId: string): string =>
  `${publicUrl}/return?deposit=${encodeURIComponent(depositId)}`;

/**
 * Where a person comes back to from the page for saving a card: with a card, and without. Stripe puts the session's id in
 * place of the template's name. `detailsHash` names the row with the address that the person is sent on to.
 */
export function setupReturns(publicUrl: string, detailsHash: string | null): { saved: string; left: string } {
  const onTo = detailsHash === null ? '' : `&to=${detailsHash}`;
  return {
    saved: `${publicUrl}/return?setup={CHECKOUT_SESSION_ID}${onTo}`,
    left: `${publicUrl}/return?setup=left${onTo}`,
  };
}

/**
 * Where a receipt is downloaded, with a key that may read the team.
 * @param number which of the deposit's receipts; without it, the first
 */
export const receiptLink = (
  publicUrl: string,
  { id, teamId }: { id: string; teamId: string },
  number?: string,
): string => `${publicUrl}/v1/teams/${teamId}/deposits/${id}/receipt${number === undefined ? '' : `s/${number}`}`;
