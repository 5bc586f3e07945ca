/** Where people are sent: pages of the dashboard. `publicUrl` has no slash at its end. */
export const billingPage = (publicUrl: string): string => `${publicUrl}/billing`;

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
