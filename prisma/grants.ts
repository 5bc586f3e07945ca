/** Credit that was given: who got it, and why. */
import type { Tx } from './client.ts';

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
