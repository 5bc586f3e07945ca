/** Where people are sent: pages of the dashboard. `publicUrl` has no slash at its end. */
export const billingPage = (publicUrl: string): string => `${publicUrl}/billing`;

/** Where a person comes back to from a payment page, to see what became of the deposit. */
export const depositReturn = (publicUrl: string, depositId: string): string =>
  `${publicUrl}/return?deposit=${encodeURIComponent(depositId)}`;

/** Where a person comes back to from saving a card. Stripe puts the session's id in place of the template's name. */
export const setupReturn = (publicUrl: string): string => `${publicUrl}/return?setup={CHECKOUT_SESSION_ID}`;

/**
 * Where a receipt is downloaded, with a key that may read the team.
 * @param number which of the deposit's receipts; without it, the first
 */
export const receiptLink = (
  publicUrl: string,
  { id, teamId }: { id: string; teamId: string },
  number?: string,
): string => `${publicUrl}/v1/teams/${teamId}/deposits/${id}/receipt${number === undefined ? '' : `s/${number}`}`;
