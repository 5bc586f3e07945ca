/** The two axes of the matrix: where a payment stands when something goes wrong, and what goes wrong. */

/**
 * - `before`: the request that makes the payment has come to the provider, which has done nothing yet
 * - `during`: so has the request that pays
 * - `after_provider`: the provider has taken the money, or shows that it has, and has not answered
 * - `after_ledger`: the ledger's rows are written; the mail has come to the mail server, which has not kept it
 * - `after_mail`: the mail server has kept the mail, and has not said so
 */
export const STEPS = ['before', 'during', 'after_provider', 'after_ledger', 'after_mail'] as const;
export type Step = (typeof STEPS)[number];
/** The steps at which the payment's request stands at its provider; at the others, its mail at the mail server. */
export type ProviderStep = Exclude<Step, 'after_ledger' | 'after_mail'>;

/**
 * - `killed`: SIGKILL to the worker, and a new one
 * - `timeout`: no answer until the caller has given up; only then is the request processed, for nobody
 * - `dropped`: the connection is closed without an answer; that of the SDK's own repeat too
 * - `429`, `500`: answered so, whatever was done; a mail server answers 451, 421
 * - `postgres`: killed, and started again after the request has gone on
 * - `lost`: no webhook of the payment ever comes
 * - `doubled`: each comes twice; those from before the step once more at it
 * - `late`: those from before the step come at it, those from after it when all is over
 * - `reordered`: each two change places; what is left comes newest first, at the step and when all is over
 */
export const FAULTS = [
  'killed',
  'timeout',
  'dropped',
  '429',
  '500',
  'postgres',
  'lost',
  'doubled',
  'late',
  'reordered',
] as const;
export type Fault = (typeof FAULTS)[number];

export type WebhookFault = 'lost' | 'doubled' | 'late' | 'reordered';
export const isWebhookFault = (fault: Fault): fault is WebhookFault =>
  fault === 'lost' || fault === 'doubled' || fault === 'late' || fault === 'reordered';
