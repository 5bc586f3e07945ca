/** The facts of mails, read from the database at the sending. */
import { type BillingSettings, spendableMicros } from '../../billing/account.ts';
import { advance } from '../../billing/facts.ts';
import { runsOutSecond } from '../../billing/forecast.ts';
import { referenceOf, type TransferCode } from '../../billing/ledger.ts';
import { type Micros, ZERO } from '../../billing/money.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { AS_RECORDED, readAccount } from '../../prisma/accounts.ts';
import type { Db, Tx } from '../../prisma/client.ts';
import { policyAt } from '../../prisma/consents.ts';
import { findCryptoReceipt } from '../../prisma/crypto-receipts.ts';
import { type CardSeen, type Deposit, getDeposit } from '../../prisma/deposits.ts';
import type { Notice } from '../../prisma/notices.ts';
import { findAnyPaymentMethod } from '../../prisma/payment-methods.ts';
import type { Refund } from '../../prisma/refunds.ts';
import { transfersUnder } from '../../prisma/transfers.ts';
import type { Issuer } from '../papers/issuer.ts';
import type { RunningInstance } from './credits-exhausted.ts';
import type { About, PaymentFacts, Runway } from './facts.ts';

export interface Sending {
  db: Db;
  settings: BillingSettings;
  notice: Notice;
  about: About;
  nowSecond: number;
  issuer: Issuer;
  /** The smallest deposit that is offered. */
  minDepositMicros: Micros;
}

export type Running = RunningInstance & { startSecond: number };

export const depositOf = ({ db, notice }: Sending): Promise<Deposit> => getDeposit(db, notice.data.depositId ?? '');

export async function paymentFacts(db: Tx, deposit: Deposit): Promise<PaymentFacts> {
  const { id: depositId, amountMicros, closedSecond, openedSecond, receiptNumber } = deposit;
  const card = await cardOf(db, deposit);
  return { depositId, amountMicros, second: closedSecond ?? openedSecond, card, receiptNumber };
}

/** For a crypto deposit, the receipt of the notice. The total received amount is read at the sending. */
export async function receiptFacts({ db, notice }: Sending, deposit: Deposit): Promise<PaymentFacts> {
  const { receipt: receiptRef } = notice.data;
  const receipt = receiptRef === undefined ? null : await findCryptoReceipt(db, receiptRef);
  if (receipt === null) return paymentFacts(db, deposit);
  const { transactionHash, currency, amountMicros, creditedSecond: second } = receipt;
  const { amountMicros: expectedMicros, receivedMicros, status } = deposit;
  const crypto = {
    transactionHash,
    currency,
    expectedMicros,
    receivedMicros: receivedMicros ?? amountMicros,
    open: status === 'pending',
  };
  const receiptNumber = receipt.receiptNumber ?? deposit.receiptNumber;
  return { depositId: deposit.id, amountMicros, second, card: null, receiptNumber, crypto };
}

/** The card as the provider saw the card; as saved if the provider saw none because the card was gone. */
async function cardOf(db: Tx, { cardBrand, cardLast4, paymentMethodId }: Deposit): Promise<CardSeen | null> {
  if (cardBrand !== null && cardLast4 !== null) return { brand: cardBrand, last4: cardLast4 };
  return paymentMethodId === null ? null : findAnyPaymentMethod(db, paymentMethodId);
}

/** The threshold when the attempt was due; the present threshold if the changes of the policy were not recorded. */
export async function thresholdOf({ db, notice }: Sending, { openedSecond }: Deposit): Promise<Micros | null> {
  const policy =
    (await policyAt(db, notice.teamId, openedSecond)) ?? (await readAccount(db, notice.teamId, AS_RECORDED)).policy;
  return policy?.thresholdMicros ?? null;
}

/**
 * The amounts of a refund from credit and as owed, and back. A refund can be taken more than once: the last time
 * counts.
 */
export async function movedBy(db: Tx, { id, teamId, openedSecond: fromSecond }: Refund) {
  const rows = await transfersUnder(db, { teamId, reference: referenceOf.refund(id), fromSecond });
  const lastOf = (code: TransferCode, second?: number): Micros =>
    rows.findLast((row) => row.code === code && (second === undefined || row.second === second))?.amountMicros ?? ZERO;
  const takenSecond = rows.findLast(({ code }) => code === 'refund' || code === 'owed_refund')?.second;
  const taken = { creditMicros: lastOf('refund', takenSecond), owedMicros: lastOf('owed_refund', takenSecond) };
  return { taken, collectedMicros: lastOf('owed_collected') };
}

export const runwayOf = async (sending: Sending): Promise<Runway> => {
  const { running: _, ...runway } = await standingOf(sending);
  return runway;
};

/** The arithmetic of a write, without writing. Source: docs/rules.md#facts-and-their-seconds. */
export async function standingOf({
  db,
  settings,
  notice,
  nowSecond,
}: Sending): Promise<Runway & { running: Running[] }> {
  const { account } = advance(
    await readAccount(db, notice.teamId, { throughSecond: nowSecond, for: 'forecast' }),
    settings,
    nowSecond,
  );
  const availableMicros: Micros = spendableMicros(account, account.asOfSecond);
  const burn = burnMicrosPerHour(account);
  return {
    asOfSecond: account.asOfSecond,
    availableMicros,
    burnMicrosPerHour: burn,
    runsOutSecond: runsOutSecond(account, settings),
    topUpIsOn: account.policy?.enabled === true,
    running: account.meters.map(({ instanceId, instanceStartSecond: startSecond, priced: { gpuType, region } }) => ({
      instanceId,
      gpuType,
      region,
      startSecond,
    })),
  };
}
