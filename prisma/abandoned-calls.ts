/**
 * Deposits, refunds and reservations that were answered `engine_unavailable`. With no worker up, Temporal may still run such
 * a call later; the mark, written under the same row lock as the effect, has that run refused (docs/decisions/0006).
 *
 * A caller whose connection broke repeats its call, perhaps to another process. So a call's id names the act that it
 * asks for and its second, and abandoning it abandons whatever came before it for the same act.
 */
import type { Tx } from './client.ts';

/** The id of a call: what it asks for (`reservation/…`, `deposit/…`), when it was received, and which of them it is. */
export const callIdOf = (act: string, receivedSecond: number, random: string): string =>
  `${act}@${receivedSecond}-${random}`;

const CALL_ID = /^(.+)@(\d+)-/;

/** Calls that name no act are abandoned one by one. */
function actOf(callId: string, second: number): { act: string; second: number } {
  const [, act, received] = CALL_ID.exec(callId) ?? [];
  return act && received ? { act, second: Number(received) } : { act: callId, second };
}

/** The act's calls through this one's second are not to take effect any more. */
export const abandonCall = async (tx: Tx, callId: string, second: number): Promise<void> => {
  const call = actOf(callId, second);
  await tx.$executeRaw`
    INSERT INTO abandoned_calls (call_id, second) VALUES (${call.act}, ${call.second})
    ON CONFLICT (call_id) DO UPDATE SET second = GREATEST(abandoned_calls.second, EXCLUDED.second)`;
};

export const isAbandoned = async (tx: Tx, callId: string): Promise<boolean> => {
  const call = actOf(callId, 0);
  return (await tx.abandonedCall.count({ where: { callId: call.act, second: { gte: call.second } } })) > 0;
};
