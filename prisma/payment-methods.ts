/** Saved cards, with the fields for people: brand, last four, expiry. */
import { BillingError } from '../billing/errors.ts';
import { AS_RECORDED, lockAccount } from './accounts.ts';
import { type Db, inTransaction, type Tx } from './client.ts';
import { fieldsOf, type InJson, toSecond, toSecondOrNull } from './columns.ts';
import { lookIsDue } from './due-work.ts';
import { type PaymentMethod as PaymentMethodRow, Prisma } from './generated/client.ts';

export interface PaymentMethod {
  id: string;
  teamId: string;
  stripePaymentMethodId: string;
  brand: string;
  last4: string;
  expMonth: number;
  expYear: number;
  fingerprint: string | null;
  isDefault: boolean;
  createdSecond: number;
  removedSecond: number | null;
}

const toPaymentMethod = (row: InJson<PaymentMethodRow>): PaymentMethod => ({
  ...row,
  createdSecond: toSecond(row.createdSecond),
  removedSecond: toSecondOrNull(row.removedSecond),
});

export async function listPaymentMethods(tx: Tx, teamId: string): Promise<PaymentMethod[]> {
  const rows = await tx.paymentMethod.findMany({
    where: { teamId, removedSecond: null },
    orderBy: [{ createdSecond: 'desc' }, { id: 'desc' }],
  });
  return rows.map(toPaymentMethod);
}

/** A saved card of a team. Null when the card is another's, unknown, or removed. */
export async function findPaymentMethod(tx: Tx, teamId: string, id: string): Promise<PaymentMethod | null> {
  const row = await tx.paymentMethod.findFirst({ where: { id, teamId, removedSecond: null } });
  return row && toPaymentMethod(row);
}

/** A card by its id, removed or not, to describe a past charge. */
export async function findAnyPaymentMethod(tx: Tx, id: string): Promise<PaymentMethod | null> {
  const row = await tx.paymentMethod.findUnique({ where: { id } });
  return row && toPaymentMethod(row);
}

/** A card by Stripe's id, removed or not. */
export async function findByStripeId(tx: Tx, stripePaymentMethodId: string): Promise<PaymentMethod | null> {
  const row = await tx.paymentMethod.findUnique({ where: { stripePaymentMethodId } });
  return row && toPaymentMethod(row);
}

/** Stores the changes of a bank to a card: the expiry and the last digits. */
export const updatePaymentMethod = async (
  tx: Tx,
  id: string,
  change: Pick<PaymentMethod, 'brand' | 'last4' | 'expMonth' | 'expYear' | 'fingerprint'>,
): Promise<void> => {
  await tx.paymentMethod.updateMany({ where: { id, removedSecond: null }, data: change });
};

/** The saved card of a team with this number and expiry, by Stripe's fingerprint. */
export async function findSameCard(
  tx: Tx,
  teamId: string,
  card: Pick<PaymentMethod, 'fingerprint' | 'expMonth' | 'expYear'>,
): Promise<PaymentMethod | null> {
  if (card.fingerprint === null) return null;
  const { fingerprint, expMonth, expYear } = card;
  const row = await tx.paymentMethod.findFirst({
    where: { teamId, fingerprint, expMonth, expYear, removedSecond: null },
    orderBy: { createdSecond: 'asc' },
  });
  return row && toPaymentMethod(row);
}

export async function defaultPaymentMethod(tx: Tx, teamId: string): Promise<PaymentMethod | null> {
  const row = await tx.paymentMethod.findFirst({ where: { teamId, isDefault: true } });
  return row && toPaymentMethod(row);
}

const FIELDS = fieldsOf(Prisma.PaymentMethodScalarFieldEnum, 'payment_methods');

/** The same as a JSON value. @param teamId the id of the team */
export const defaultPaymentMethodInJson = (teamId: Prisma.Sql): Prisma.Sql => Prisma.sql`
  SELECT row_to_json(card) FROM (
    SELECT ${Prisma.raw(FIELDS)} FROM payment_methods WHERE team_id = ${teamId} AND is_default LIMIT 1
  ) AS card`;

export const paymentMethodFromJson = (row: unknown): PaymentMethod | null =>
  row ? toPaymentMethod(row as InJson<PaymentMethodRow>) : null;

/**
 * Saves a card that Stripe has attached. The first card of a team is its default, so the watch has to look. The same
 * Stripe id is the same card.
 */
export async function savePaymentMethod(
  tx: Tx,
  card: Omit<PaymentMethod, 'isDefault' | 'removedSecond'>,
): Promise<PaymentMethod> {
  const insert = (isDefault: boolean) =>
    tx.paymentMethod.createMany({ data: [{ ...card, isDefault }], skipDuplicates: true });
  const find = () => tx.paymentMethod.findUnique({ where: { stripePaymentMethodId: card.stripePaymentMethodId } });
  const isFirst = (await defaultPaymentMethod(tx, card.teamId)) === null;
  // The account's row is locked before the rows of cards, as by a removal.
  if (isFirst) await lookIsDue(tx, card.teamId, card.createdSecond);
  await insert(isFirst);
  // Another first card may have become the default at the same moment. Then this card is saved beside the default.
  if ((await find()) === null) await insert(false);
  const row = await find();
  if (!row) throw new Error(`the payment method ${card.id} was not kept`);
  return toPaymentMethod(row);
}

/**
 * Makes a card the default. The watch has to look, because it announces when the default card expires.
 * @throws BillingError `not_found`
 */
export async function makeDefault(tx: Tx, teamId: string, id: string, second: number): Promise<PaymentMethod> {
  const card = await findPaymentMethod(tx, teamId, id);
  if (!card) throw new BillingError('not_found', 'no such payment method', 'paymentMethod');
  await tx.paymentMethod.updateMany({ where: { teamId, isDefault: true }, data: { isDefault: false } });
  await tx.paymentMethod.updateMany({ where: { id }, data: { isDefault: true } });
  await lookIsDue(tx, teamId, second);
  return { ...card, isDefault: true };
}

/**
 * Removes a card, under the team's row lock. If the card was the default, the newest remaining card becomes the
 * default. An auto top-up policy keeps the removed card: its next charge finds no card, fails, and switches the policy
 * off.
 * @returns whether an enabled policy names the card
 * @throws BillingError `not_found` for an unknown team
 */
export const removePaymentMethod = (db: Db, teamId: string, id: string, second: number): Promise<boolean> =>
  inTransaction(db, async (tx) => {
    const { policy } = await lockAccount(tx, teamId, AS_RECORDED);
    await remove(tx, teamId, id, second);
    return policy?.enabled === true && policy.paymentMethodId === id;
  });

async function remove(tx: Tx, teamId: string, id: string, second: number): Promise<void> {
  const { count } = await tx.paymentMethod.updateMany({
    where: { id, teamId, removedSecond: null },
    data: { removedSecond: second, isDefault: false },
  });
  if (count === 0 || (await defaultPaymentMethod(tx, teamId))) return;
  const [newest] = await listPaymentMethods(tx, teamId);
  if (newest) await makeDefault(tx, teamId, newest.id, second);
}
