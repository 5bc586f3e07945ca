/** The receipts of deposits: the list, and the file of each receipt, drawn once and stored. */
import { add, type Micros, ZERO } from '../../billing/money.ts';
import type { Db, Tx } from '../../prisma/client.ts';
import { type CryptoReceipt, cryptoReceiptsOf } from '../../prisma/crypto-receipts.ts';
import { creditedMicros, type Deposit } from '../../prisma/deposits.ts';
import { findPaper, findPaperFile, keepPaperFile, openPaper } from '../../prisma/papers.ts';
import { findAnyPaymentMethod } from '../../prisma/payment-methods.ts';
import { cardInWords } from '../mail/facts.ts';
import type { Issuer } from './issuer.ts';
import type { Coins } from './receipt-paper.ts';

/** A payment of a deposit, under the number of its receipt. */
export interface ReceivedPayment {
  number: string;
  /** The second of the credit. */
  second: number;
  amountMicros: Micros;
  /** For a crypto deposit; empty for a card. */
  coins: Coins[];
  /** The total that had arrived for the deposit with this payment. */
  totalMicros: Micros;
}

export interface PaperFile {
  /** `receipt-acme-000001.pdf` */
  name: string;
  content: Buffer;
}

export interface PaperMaking {
  db: Db;
  issuer: Issuer;
  /** The second of the making of the file, if the file is not made yet. */
  nowSecond: number;
}

/** The credited payments of a deposit, oldest first. */
export async function paymentsOf(tx: Tx, deposit: Deposit): Promise<ReceivedPayment[]> {
  if (deposit.method === 'card') return wholeDeposit(deposit, []);
  const receipts = (await cryptoReceiptsOf(tx, [deposit.id])).get(deposit.id) ?? [];
  // Payments from before each payment had its own number have the number of their deposit, once the deposit had
  // succeeded.
  const unnumbered = receipts.filter(({ receiptNumber }) => receiptNumber === null);
  return [...wholeDeposit(deposit, unnumbered), ...receipts.flatMap(paymentOf)];
}

function wholeDeposit(deposit: Deposit, receipts: CryptoReceipt[]): ReceivedPayment[] {
  const { receiptNumber: number, closedSecond: second, method } = deposit;
  if (number === null || second === null || (method === 'crypto' && receipts.length === 0)) return [];
  const amountMicros =
    method === 'card' ? creditedMicros(deposit) : add(ZERO, ...receipts.map((receipt) => receipt.amountMicros));
  return [{ number, second, amountMicros, coins: receipts, totalMicros: amountMicros }];
}

function paymentOf(receipt: CryptoReceipt): ReceivedPayment[] {
  const { receiptNumber: number, creditedSecond: second, amountMicros, totalMicros } = receipt;
  if (number === null) return [];
  return [{ number, second, amountMicros, coins: [receipt], totalMicros: totalMicros ?? amountMicros }];
}

/**
 * The file of a receipt: the kept one, or the first to be drawn.
 * @param number null: of the deposit's first payment
 * @returns null where the deposit has no such receipt: an unpaid deposit has none
 */
export async function receiptFile(
  making: PaperMaking,
  deposit: Deposit,
  number: string | null = null,
): Promise<PaperFile | null> {
  const payments = await paymentsOf(making.db, deposit);
  const payment = number === null ? payments[0] : payments.find((candidate) => candidate.number === number);
  if (payment === undefined) return null;
  return { name: `receipt-${payment.number}.pdf`, content: await receiptContent(making, deposit, payment) };
}

async function receiptContent(
  { db, issuer, nowSecond }: PaperMaking,
  deposit: Deposit,
  payment: ReceivedPayment,
): Promise<Buffer> {
  const { number, second } = payment;
  const { teamId } = deposit;
  let paper = await findPaper(db, 'receipt', number);
  if (paper === null) {
    // For a payment from before papers were stored.
    await openPaper(db, { kind: 'receipt', number, teamId, second });
    paper = await findPaper(db, 'receipt', number);
  }
  if (paper === null) throw new Error(`receipt ${number} could not be opened`);
  const savedFile = await findPaperFile(db, paper.id);
  if (savedFile) return savedFile;
  // Loaded with the first paper: fonts and shapers would be a quarter of the modules that the api and the worker load
  // at their start.
  const { receiptPaper } = await import('./receipt-paper.ts');
  const pdf = await receiptPaper({
    number,
    issuer,
    recipient: paper.recipient,
    teamId,
    depositId: deposit.id,
    label: deposit.label,
    method: await methodInWords(db, deposit, payment),
    paidMicros: payment.amountMicros,
    creditedSecond: paper.second,
    coins: payment.coins,
    deposit:
      deposit.method === 'crypto' ? { askedMicros: deposit.amountMicros, totalMicros: payment.totalMicros } : null,
  });
  return keepPaperFile(db, paper.id, pdf, nowSecond);
}

/** The card as the provider saw the card; as saved if the provider saw none because the card was gone. */
async function methodInWords(db: Tx, deposit: Deposit, { coins }: ReceivedPayment): Promise<string> {
  if (deposit.method === 'crypto')
    return `${[...new Set(coins.map(({ currency }) => currency.toUpperCase()))].join(', ')}, by CopperX`;
  const { cardBrand, cardLast4, paymentMethodId } = deposit;
  if (cardBrand !== null && cardLast4 !== null) return cardInWords({ brand: cardBrand, last4: cardLast4 });
  return cardInWords(paymentMethodId === null ? null : await findAnyPaymentMethod(db, paymentMethodId));
}
