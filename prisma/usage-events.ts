/** Token usage that was accepted; the id is kept in the transaction of its effect. */
import type { Tx } from './client.ts';

export interface UsageEventRow {
  teamId: string;
  eventId: string;
  bodyHash: string;
  model: string;
  project: string | null;
  inputTokens: number;
  outputTokens: number;
  /** Exact, in millionths of a micro. */
  cost: bigint;
  second: number;
}

export const findUsageEvent = (tx: Tx, teamId: string, eventId: string): Promise<{ bodyHash: string } | null> =>
  tx.usageEvent.findUnique({ where: { teamId_eventId: { teamId, eventId } }, select: { bodyHash: true } });

export const insertUsageEvent = async (tx: Tx, event: UsageEventRow): Promise<void> => {
  await tx.usageEvent.create({ data: { ...event, cost: event.cost.toString() } });
};
