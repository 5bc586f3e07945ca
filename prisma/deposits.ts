/** Deposits: every payment into credit, from opened to credited or failed, including auto top-up attempts. */
import type { AttemptInFlight } from '../billing/account.ts';
import type { DepositStatus } from '../billing/deposits.ts';
import { BillingError } from '../billing/errors.ts';
import type { Micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import type { Deposit as DepositRow } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

export type DepositKind = 'saved_card' | 'checkout' | 'crypto' | 'auto_top_up' | 'confirmed';
export type DepositLabel = 'Deposit' | 'Auto Top-Up';

/** The card of a payment, as its provider names the card. */
export interface CardSeen {
  brand: string;
  last4: string;
}

export interface Deposit {
  id: string;
  teamId: string;
  kind: DepositKind;
  method: 'card' | 'crypto';
  label: DepositLabel;
  amountMicros: Micros;
  status: DepositStatus;
  /** The attempt's number, for an auto top-up. */
  attempt: number | null;
  openedSecond: number;
  /** The second of the credit, the failure or the expiry. */
  closedSecond: number | null;
  paymentMethodId: string | null;
  stripeIntentId: string | null;
  stripeSessionId: string | null;
  checkoutUrl: string | null;
  failureCode: string | null;
  receiptUrl: string | null;
  cardBrand: string | null;
  cardLast4: string | null;
  copperxSessionId: string | null;
  /** The credited amount, where the amount can differ from the request: crypto is credited as received. */
  receivedMicros: Micros | null;
  refundedMicros: Micros;
  receiptNumber: string | null;
  /** For a Checkout page: the card is saved for later. */
  saveCard: boolean;
  /** The digest of the caller's request; null for an auto top-up. */
  requestHash: string | null;
  /** Names the row with the caller's metadata and the address to return to: see call-details.ts. */
  detailsHash: string | null;
}

export const toDeposit = ({ openedOrder: _, workflowDueSecond: __, ...row }: DepositRow): Deposit => ({
  ...row,
  kind: row.kind as DepositKind,
  method: row.method as Deposit['method'],
  label: row.label as DepositLabel,
  amountMicros: toMicros(row.amountMicros),
  status: row.status as DepositStatus,
  attempt: row.attempt === null ? null : Number(row.attempt),
  openedSecond: toSecond(row.openedSecond),
  closedSecond: toSecondOrNull(row.closedSecond),
  receivedMicros: row.receivedMicros === null ? null : toMicros(row.receivedMicros),
  refundedMicros: toMicros(row.refundedMicros),
});

/** The credited amount of a deposit. Crypto is credited as received. */
export const creditedMicros = ({
  receivedMicros,
  amountMicros,
}: Pick<Deposit, 'receivedMicros' | 'amountMicros'>): Micros => receivedMicros ?? amountMicros;

/** True if the deposit was credited, in any later state. */
export const wasCredited = ({ status }: Pick<Deposit, 'status'>): boolean =>
  status === 'succeeded' || status === 'refunded' || status === 'disputed';

export type NewDeposit = Pick<Deposit, 'id' | 'teamId' | 'kind' | 'amountMicros' | 'openedSecond' | 'paymentMethodId'> &
  Partial<Pick<Deposit, 'saveCard' | 'requestHash' | 'detailsHash'>>;

/**
 * Opens a deposit by a person. A repeat with the same id changes nothing.
 * @param workflowDueSecond given where the deposit's workflow has still to be started: see due-work.ts
 */
export const openDeposit = async (
  tx: Tx,
  deposit: NewDeposit,
  workflowDueSecond: number | null = null,
): Promise<void> => {
  const method = deposit.kind === 'crypto' ? 'crypto' : 'card';
  await tx.deposit.createMany({
    data: [{ ...deposit, method, label: 'Deposit', status: 'pending', workflowDueSecond }],
    skipDuplicates: true,
  });
};

/** Opens the deposit of an auto top-up attempt, in the transaction that opens the attempt. */
export const openAttemptDeposit = async (
  tx: Tx,
  teamId: string,
  attempt: AttemptInFlight,
  paymentMethodId: string | null,
): Promise<void> => {
  await tx.deposit.create({
    data: {
      id: attempt.depositId,
      teamId,
      kind: 'auto_top_up',
      method: 'card',
      label: 'Auto Top-Up',
      amountMicros: attempt.amountMicros,
      status: 'pending',
      attempt: attempt.number,
      openedSecond: attempt.openedSecond,
      paymentMethodId,
    },
  });
};

export async function findDeposit(tx: Tx, id: string): Promise<Deposit | null> {
  const row = await tx.deposit.findUnique({ where: { id } });
  return row && toDeposit(row);
}

/** @throws BillingError `not_found` */
export async function getDeposit(tx: Tx, id: string): Promise<Deposit> {
  const deposit = await findDeposit(tx, id);
  if (!deposit) throw new BillingError('not_found', 'no such deposit', 'id');
  return deposit;
}

/** The deposit of a CopperX page. */
export async function findDepositByCopperxSession(tx: Tx, copperxSessionId: string): Promise<Deposit | null> {
  const row = await tx.deposit.findUnique({ where: { copperxSessionId } });
  return row && toDeposit(row);
}

/** The deposit of a Stripe payment intent or Checkout session. */
export async function findDepositByStripeId(tx: Tx, stripeId: string): Promise<Deposit | null> {
  const row = await tx.deposit.findFirst({
    where: { OR: [{ stripeIntentId: stripeId }, { stripeSessionId: stripeId }] },
  });
  return row && toDeposit(row);
}

export type DepositUpdate = Partial<
  Pick<
    Deposit,
    | 'status'
    | 'closedSecond'
    | 'stripeIntentId'
    | 'stripeSessionId'
    | 'checkoutUrl'
    | 'failureCode'
    | 'receiptUrl'
    | 'cardBrand'
    | 'cardLast4'
    | 'refundedMicros'
    | 'copperxSessionId'
    | 'receivedMicros'
  >
>;

export const updateDeposit = async (tx: Tx, id: string, change: DepositUpdate): Promise<void> => {
  await tx.deposit.updateMany({ where: { id }, data: change });
};

export interface DepositFilter {
  teamId?: string;
  status?: DepositStatus;
  method?: Deposit['method'];
  /** Opened at this second or later. */
  fromSecond?: number;
  /** Opened before this second. */
  toSecond?: number;
}

/** Deposits of all teams, in the order of opening, newest first. */
export async function listAllDeposits(tx: Tx, filter: DepositFilter, page: PageRequest): Promise<Page<Deposit>> {
  const { fromSecond, toSecond, ...equal } = filter;
  const openedSecond = {
    ...(fromSecond !== undefined && { gte: fromSecond }),
    ...(toSecond !== undefined && { lt: toSecond }),
  };
  const { data, nextCursor } = await pageOf(page, 'openedOrder', (where, take) =>
    tx.deposit.findMany({
      where: { ...equal, ...(Object.keys(openedSecond).length > 0 && { openedSecond }), AND: where },
      orderBy: [{ openedOrder: 'desc' }, { id: 'desc' }],
      take,
    }),
  );
  return { data: data.map(toDeposit), nextCursor };
}

export async function listDeposits(tx: Tx, teamId: string, page: PageRequest): Promise<Page<Deposit>> {
  const { data, nextCursor } = await pageOf(page, 'openedOrder', (where, take) =>
    tx.deposit.findMany({ where: { teamId, ...where }, orderBy: [{ openedOrder: 'desc' }, { id: 'desc' }], take }),
  );
  return { data: data.map(toDeposit), nextCursor };
}

/** The number of a team's payments without an outcome. */
export async function paymentsWithoutOutcome(tx: Tx, teamId: string): Promise<{ deposits: number; refunds: number }> {
  const deposits = await tx.deposit.count({ where: { teamId, status: { in: ['pending', 'requires_action'] } } });
  const refunds = await tx.refund.count({ where: { teamId, status: 'pending' } });
  return { deposits, refunds };
}

/** The last auto top-up attempt of a team, for the workflow's state. */
export async function lastAttempt(tx: Tx, teamId: string): Promise<Deposit | null> {
  const row = await tx.deposit.findFirst({ where: { teamId, kind: 'auto_top_up' }, orderBy: { attempt: 'desc' } });
  return row && toDeposit(row);
}

/** True when the previous attempt failed for the same reason. */
export async function failedBefore(tx: Tx, { teamId, attempt }: Deposit, failureCode: string): Promise<boolean> {
  if (attempt === null) return false;
  const row = await tx.deposit.findFirst({
    where: { teamId, kind: 'auto_top_up', attempt: { lt: attempt } },
    orderBy: { attempt: 'desc' },
    select: { status: true, failureCode: true },
  });
  return row?.status === 'failed' && row.failureCode === failureCode;
}
