/** Discounts that operators assigned: who, when, how much, until when and why. The one that holds stands on the account. */
import { v7 as uuidv7 } from 'uuid';
import type { Tx } from './client.ts';
import { toSecond, toSecondOrNull } from './columns.ts';

export interface DiscountOfTeam {
  teamId: string;
  /** 0: it was taken away. */
  basisPoints: number;
  untilSecond: number | null;
  note: string;
  actor: string;
  second: number;
}

export const insertDiscount = async (tx: Tx, discount: DiscountOfTeam): Promise<void> => {
  await tx.discount.create({ data: { ...discount, id: uuidv7() } });
};

/** The last that was assigned, whether or not it still holds. */
export async function lastDiscount(tx: Tx, teamId: string): Promise<DiscountOfTeam | null> {
  const row = await tx.discount.findFirst({ where: { teamId }, orderBy: [{ second: 'desc' }, { id: 'desc' }] });
  if (!row) return null;
  const { id: _, ...discount } = row;
  return { ...discount, second: toSecond(row.second), untilSecond: toSecondOrNull(row.untilSecond) };
}
