/** The two axes of the matrix: the steps of a payment, and the faults. */

/**
 * - `before`: the request that makes the payment has come to the provider, without an effect yet
 * - `during`: the request that pays has come to the provider, without an effect yet
 * - `after_provider`: the provider has taken the money, or shows so, and has not answered
 * - `after_ledger`: the ledger's rows are written; the mail has come to the mail server, which has not stored the mail
 * - `after_mail`: the mail server has stored the mail, and has not acknowledged it
 */
export const STEPS = ['before', 'during', 'after_provider', 'after_ledger', 'after_mail'] as const;
export type Step = (typeof STEPS)[number];
/** The steps at the provider. At the other steps, the mail is held at the mail server. */
export type ProviderStep = Exclude<Step, 'after_ledger' | 'after_mail'>;

/**
 * - `killed`: SIGKILL to the worker, and a new worker
 * - `timeout`: no answer until the caller has given up; only then is the request processed
 * - `dropped`: the connection is closed without an answer, also for the SDK's own repeat
 * - `429`, `500`: this status, whatever was done; a mail server answers 451, 421
 * - `postgres`: killed, and started again after the request has gone on
 * - `lost`: no webhook of the payment ever comes
 * - `doubled`: each comes twice; webhooks from before the step come once more at the step
 * - `late`: webhooks from before the step come at the step, later ones at the end
 * - `reordered`: each two change places; the rest comes newest first, at the step and at the end
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
