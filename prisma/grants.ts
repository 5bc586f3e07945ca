/** Credit that was given: who got it, and why. */
import type { Tx } from './client.ts';
import { toMicros, toSecond } from './columns.ts';

export interface Grant {
  id: string;
  teamId: string;
  amountMicros: number;
  note: string;
  second: number;
}

export const insertGrant = async (tx: Tx, grant: Grant): Promise<void> => {
  await tx.grant.create({ data: grant });
};

export async function findGrant(tx: Tx, id: string): Promise<Grant | null> {
  const row = await tx.grant.findUnique({ where: { id } });
  return row && { ...row, amountMicros: toMicros(row.amountMicros), second: toSecond(row.second) };
}
