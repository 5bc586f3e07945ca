/**
 * The exhaustions of teams: a row for each, written by the transaction that records the exhaustion, announced by the
 * watch.
 */
import type { Tx } from './client.ts';
import { toSecond } from './columns.ts';

export interface Exhaustion {
  number: number;
  second: number;
  instanceIds: string[];
}

export const insertExhaustion = async (tx: Tx, teamId: string, exhausted: Exhaustion): Promise<void> => {
  const { number, second, instanceIds } = exhausted;
  await tx.exhaustion.create({ data: { teamId, number, second, instanceIds, announced: false } });
};

export async function findExhaustion(tx: Tx, teamId: string, number: number): Promise<Exhaustion | null> {
  const row = await tx.exhaustion.findUnique({ where: { teamId_number: { teamId, number } } });
  return row && { number: Number(row.number), second: toSecond(row.second), instanceIds: row.instanceIds };
}

export async function unannouncedExhaustions(tx: Tx, teamId: string): Promise<Exhaustion[]> {
  const rows = await tx.exhaustion.findMany({ where: { teamId, announced: false }, orderBy: { number: 'asc' } });
  return rows.map((row) => ({
    number: Number(row.number),
    second: toSecond(row.second),
    instanceIds: row.instanceIds,
  }));
}

export const markAnnounced = async (tx: Tx, teamId: string, numbers: number[]): Promise<void> => {
  await tx.exhaustion.updateMany({ where: { teamId, number: { in: numbers } }, data: { announced: true } });
};
