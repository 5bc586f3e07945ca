/**
 * Discounts that operators assigned, with author, second, amount, end and note. The account has the discount in force.
 */
import { v7 as uuidv7 } from 'uuid';
import type { Tx } from './client.ts';
import { toSecond, toSecondOrNull } from './columns.ts';

export interface DiscountOfTeam {
  teamId: string;
  /** 0: the discount was removed. */
  basisPoints: number;
  untilSecond: number | null;
  note: string;
  actor: string;
  second: number;
}

export const insertDiscount = async (tx: Tx, discount: DiscountOfTeam): Promise<void> => {
  await tx.discount.create({ data: { ...discount, id: uuidv7() } });
};

/** The last assigned discount, in force or not. */
export async function lastDiscount(tx: Tx, teamId: string): Promise<DiscountOfTeam | null> {
  const row = await tx.discount.findFirst({ where: { teamId }, orderBy: [{ second: 'desc' }, { id: 'desc' }] });
  if (!row) return null;
  const { id: _, ...discount } = row;
  return { ...discount, second: toSecond(row.second), untilSecond: toSecondOrNull(row.untilSecond) };
}
