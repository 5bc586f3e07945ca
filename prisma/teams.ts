/** Teams: whom an account belongs to. Addresses live here and in no payload. */
import { emptyAccount } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import { insertAccount } from './accounts.ts';
import { type Db, inTransaction, isUniqueViolation, type Tx } from './client.ts';
import { toSecond } from './columns.ts';
import type { Team as TeamRow } from './generated/client.ts';

export interface Team {
  id: string;
  name: string;
  email: string;
  stripeCustomerId: string | null;
  createdSecond: number;
}

const toTeam = (row: TeamRow): Team => ({ ...row, createdSecond: toSecond(row.createdSecond) });

/**
 * Makes a team and its account. The same id with the same name and address again is the same team.
 * @throws BillingError `id_taken`
 */
export async function createTeam(
  db: Db,
  team: { id: string; name: string; email: string },
  second: number,
): Promise<{ team: Team; created: boolean }> {
  try {
    const created = await inTransaction(db, async (tx) => {
      const row = await tx.team.create({ data: { ...team, createdSecond: second } });
      await insertAccount(tx, emptyAccount(team.id, second));
      return toTeam(row);
    });
    return { team: created, created: true };
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const existing = await getTeam(db, team.id);
    if (existing.name !== team.name || existing.email !== team.email)
      throw new BillingError('id_taken', 'another team has this id', 'id');
    return { team: existing, created: false };
  }
}

/** @throws BillingError `not_found` */
export async function getTeam(tx: Tx, id: string): Promise<Team> {
  const row = await tx.team.findUnique({ where: { id } });
  if (!row) throw new BillingError('not_found', 'no such team', 'team');
  return toTeam(row);
}

/** @throws BillingError `not_found` */
export async function updateTeam(tx: Tx, id: string, change: { name?: string; email?: string }): Promise<Team> {
  await tx.team.updateMany({ where: { id }, data: change });
  return getTeam(tx, id);
}

export const setStripeCustomer = async (tx: Tx, id: string, stripeCustomerId: string): Promise<void> => {
  await tx.team.updateMany({ where: { id, stripeCustomerId: null }, data: { stripeCustomerId } });
};

export async function findTeamByStripeCustomer(tx: Tx, stripeCustomerId: string): Promise<Team | null> {
  const row = await tx.team.findUnique({ where: { stripeCustomerId } });
  return row && toTeam(row);
}
