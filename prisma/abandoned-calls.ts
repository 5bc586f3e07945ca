/**
 * Calls that an api of an earlier release answered `engine_unavailable`: deposits, refunds, reservations and starts.
 * Such an api sends the call to the workflow, and the workflow records the fact, perhaps later than the answer. The api
 * marks the call under the team's row lock. The run that the api has started reads the mark under the same lock and
 * then records nothing (docs/decisions/0006). An api of this release records first and marks no call.
 *
 * A caller whose connection broke repeats its call, perhaps to another process. A call's id therefore names the
 * requested act and its second (`deposit/…@second-…`), and an abandoned call abandons every earlier call for the same
 * act.
 */
import type { Tx } from './client.ts';

const CALL_ID = /^(.+)@(\d+)-/;

/** Calls without an act are abandoned one by one. */
function actOf(callId: string): { act: string; second: number } {
  const [, act, received] = CALL_ID.exec(callId) ?? [];
  return act && received ? { act, second: Number(received) } : { act: callId, second: 0 };
}

export const isAbandoned = async (tx: Tx, callId: string): Promise<boolean> => {
  const call = actOf(callId);
  return (await tx.abandonedCall.count({ where: { callId: call.act, second: { gte: call.second } } })) > 0;
};
