/**
 * The urgency of each kind of work, and the team of the work. Temporal serves the tasks of a queue by priority, and
 * tasks of equal priority in turn by fairness key, so one team's backlog delays no other team. An activity or a child
 * workflow without its own priority has the priority of the starting workflow.
 */
import type { Priority } from '@temporalio/common';

/** Temporal's priority keys: a lower number is served first. */
export const URGENCY = {
  /** A crossing, a payment, an order to stop a machine: a delay costs money or ends machines. */
  urgent: 1,
  /** Metering, and work after a provider's report. A delay changes no bill. */
  normal: 3,
  /** Mails, events, copies of details, comparisons of books. */
  bulk: 5,
} as const;

export type Urgency = keyof typeof URGENCY;

export const WORKFLOW_URGENCY = {
  balanceWatch: 'urgent',
  autoTopUp: 'urgent',
  deposit: 'urgent',
  refund: 'normal',
  dispute: 'normal',
  instance: 'normal',
  reservation: 'normal',
  notice: 'bulk',
  reconciliation: 'bulk',
} as const satisfies Record<string, Urgency>;

/** Temporal refuses a longer fairness key. */
const MOST_KEY_BYTES = 64;
const HASH_DIGITS = 16;

/** The fairness key of a team: its id, or for a long id the beginning of the id and a hash. */
export function fairnessKey(teamId: string): string {
  if (bytesIn(teamId) <= MOST_KEY_BYTES) return teamId;
  let beginning = '';
  for (const character of teamId) {
    if (bytesIn(beginning + character) > MOST_KEY_BYTES - HASH_DIGITS) break;
    beginning += character;
  }
  return beginning + hash(teamId);
}

/** The priority of a workflow of a team. */
export const priorityOf = (workflow: keyof typeof WORKFLOW_URGENCY, teamId: string): Priority => ({
  priorityKey: URGENCY[WORKFLOW_URGENCY[workflow]],
  fairnessKey: fairnessKey(teamId),
});

/** The priority of an activity that is more or less urgent than its workflow. The workflow's fairness key stays. */
export const priorityAs = (urgency: Urgency): Priority => ({ priorityKey: URGENCY[urgency] });

const bytesIn = (text: string): number => new TextEncoder().encode(text).length;

/** FNV-1a of 64 bits, in hexadecimal digits. */
function hash(text: string): string {
  let digest = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text))
    digest = BigInt.asUintN(64, (digest ^ BigInt(byte)) * 0x100000001b3n);
  return digest.toString(16).padStart(HASH_DIGITS, '0');
}
