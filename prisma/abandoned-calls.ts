/**
 * Calls that were answered "engine_unavailable". With no worker up, Temporal may run what a caller was told had failed;
 * the mark, taken under the same row lock as the effect, makes that run refuse. Source: design.md, "Ghost admission".
 */
import type { Tx } from './client.ts';

export const abandonCall = async (tx: Tx, callId: string, second: number): Promise<void> => {
  await tx.abandonedCall.createMany({ data: [{ callId, second }], skipDuplicates: true });
};

export const isAbandoned = async (tx: Tx, callId: string): Promise<boolean> =>
  (await tx.abandonedCall.count({ where: { callId } })) > 0;
