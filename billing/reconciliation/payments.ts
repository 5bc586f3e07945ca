/** Compares the providers' payments with the deposits that they pay. */
import type { DifferenceClass } from '../differences.ts';
import { ZERO } from '../money.ts';
import { compareCredit, compareStrayPosting, creditDifferences, isCredited, lineOf } from './credits.ts';
import {
  type ComparedDay,
  compared,
  depositIdOf,
  type Finding,
  foreignRow,
  isInDay,
  isYoung,
  UNDER_WAY,
} from './day.ts';
import type { LedgerDeposit, ProviderPayment } from './rows.ts';

/** The payments of both sides, matched by deposit. */
export interface MatchedPayments {
  /** All payments of a deposit, in the order of the provider's rows. */
  byDeposit: ReadonlyMap<string, ProviderPayment[]>;
  /** The payment that paid each deposit, of deposits with a succeeded payment. */
  ownByDeposit: ReadonlyMap<string, ProviderPayment>;
  /** Payments at the provider that are not in the ledger. */
  foreign: ProviderPayment[];
}

export function matchPayments(day: ComparedDay): MatchedPayments {
  // A payment that was looked up may be among the day's payments too, and then also has its page.
  const payments = new Map<string, ProviderPayment>();
  for (const payment of day.provider.payments)
    if (payment.pageId !== null || !payments.has(payment.paymentId)) payments.set(payment.paymentId, payment);
  const byDeposit = new Map<string, ProviderPayment[]>();
  const foreign: ProviderPayment[] = [];
  for (const payment of payments.values()) {
    const depositId = depositIdOf(day, payment);
    if (depositId === null) foreign.push(payment);
    else byDeposit.set(depositId, [...(byDeposit.get(depositId) ?? []), payment]);
  }
  const ownByDeposit = new Map<string, ProviderPayment>();
  for (const [depositId, ofDeposit] of byDeposit) {
    const deposit = day.depositsById.get(depositId);
    const own = deposit && ownPayment(deposit, succeeded(ofDeposit));
    if (own) ownByDeposit.set(depositId, own);
  }
  return { byDeposit, ownByDeposit, foreign };
}

const succeeded = (payments: ProviderPayment[]): ProviderPayment[] =>
  payments.filter(({ status }) => status === 'succeeded').sort((a, b) => a.second - b.second);

/** The payment that the deposit names, or the first payment. */
const ownPayment = ({ providerIds }: LedgerDeposit, payments: ProviderPayment[]): ProviderPayment | undefined =>
  payments.find(({ paymentId, pageId }) => providerIds.some((id) => id === paymentId || id === pageId)) ?? payments[0];

export function comparePayments(day: ComparedDay, { byDeposit, ownByDeposit, foreign }: MatchedPayments): Finding[] {
  const ofPayments = [...byDeposit].flatMap(([depositId, payments]) => {
    const deposit = day.depositsById.get(depositId);
    if (!deposit) return payments.flatMap((payment) => comparePaymentWithoutDeposit(day, depositId, payment));
    const own = ownByDeposit.get(depositId);
    return own
      ? comparePaidDeposit(day, deposit, own, succeeded(payments))
      : compareUnpaidDeposit(day, deposit, payments[0]);
  });
  const ofDeposits = day.ledger.deposits.flatMap((deposit) => {
    if (deposit.provider === 'copperx') return compareCredit(day, deposit);
    return byDeposit.has(deposit.depositId) ? [] : compareUnpaidDeposit(day, deposit);
  });
  return [
    ...foreign.flatMap((payment) => foreignRow(day, 'payment', payment.paymentId, payment)),
    ...ofPayments,
    ...ofDeposits,
    ...day.ledger.strayPostings.flatMap((posting) => compareStrayPosting(day, posting)),
  ];
}

/** @param payments all succeeded payments of the deposit, `own` among them */
function comparePaidDeposit(
  day: ComparedDay,
  deposit: LedgerDeposit,
  own: ProviderPayment,
  payments: ProviderPayment[],
): Finding[] {
  const surplus = payments.filter((payment) => payment !== own && isInDay(day, payment.second));
  return [
    ...surplus.map((payment) =>
      compared(lineOf(deposit, payment), ...(isGivenBack(payment) ? [] : (['charged_twice'] as const))),
    ),
    ...(isInDay(day, own.second) ? [compareOwnPayment(day, deposit, own)] : []),
  ];
}

function compareOwnPayment(day: ComparedDay, deposit: LedgerDeposit, own: ProviderPayment): Finding {
  const line = lineOf(deposit, own);
  const ofCredit = creditDifferences(deposit);
  // A payment of the wrong kind is settled once all of the money has gone back. Its refunds are compared separately.
  if (deposit.status === 'credited') {
    const differences = [...(isGivenBack(own) ? [] : paymentDifferences(deposit, own)), ...ofCredit];
    return compared(line, ...unlessCorrected(deposit, own, differences));
  }
  if (isGivenBack(own)) return compared(line, ...ofCredit);
  if (deposit.status === 'failed') return compared(line, 'charged_though_failed', ...ofCredit);
  if (isYoung(day, own.second)) return UNDER_WAY;
  return compared(line, 'stuck_open', ...ofCredit);
}

/** Reports a deposit without money at the provider. `payment`: the provider's payment instead, if any. */
function compareUnpaidDeposit(day: ComparedDay, deposit: LedgerDeposit, payment?: ProviderPayment): Finding[] {
  const line = lineOf(deposit, payment ?? null);
  const ofCredit = creditDifferences(deposit);
  if (deposit.status === 'credited') {
    if (!isInDay(day, line.second)) return [];
    return [compared(line, ...unlessCorrected(deposit, null, ['deposit_without_charge', ...ofCredit]))];
  }
  const isOver = deposit.status === 'open' && payment?.status === 'failed' && !isYoung(day, payment.second);
  const postedInDay = deposit.postings.find((posting) => isInDay(day, posting.second));
  const second = postedInDay?.second ?? deposit.openedSecond;
  if (!isInDay(day, second) || (!isOver && deposit.postings.length === 0)) return [];
  return [compared({ ...line, second }, ...(isOver ? (['stuck_open'] as const) : []), ...ofCredit)];
}

function comparePaymentWithoutDeposit(day: ComparedDay, depositId: string, payment: ProviderPayment): Finding[] {
  if (payment.status !== 'succeeded' || !isInDay(day, payment.second)) return [];
  const { provider, second, teamId, paymentId: providerId, amountMicros: providerMicros } = payment;
  return [
    compared(
      { kind: 'payment', provider, second, depositId, teamId, providerId, ledgerMicros: null, providerMicros },
      ...(isGivenBack(payment) ? [] : (['charge_without_deposit'] as const)),
    ),
  ];
}

/** A payment that was given back in full is settled: an operator has handled the payment. */
const isGivenBack = ({ refundedMicros, amountMicros }: ProviderPayment): boolean => refundedMicros >= amountMicros;

/** The differences between a deposit and its payment. */
function paymentDifferences(deposit: LedgerDeposit, own: ProviderPayment): DifferenceClass[] {
  const differences: DifferenceClass[] = [];
  if (own.currency !== 'usd') differences.push('currency_differs');
  else if (own.amountMicros !== deposit.amountMicros) differences.push('amount_differs');
  const isOtherTeam = own.teamId !== null && own.teamId !== deposit.teamId;
  const isOtherCustomer = own.customerId !== null && own.customerId !== deposit.customerId;
  if (isOtherTeam || isOtherCustomer) differences.push('wrong_team');
  return differences;
}

/**
 * Drops differences that corrections have settled: the corrected credit equals the amount that the provider took. Money
 * of another team or in another currency is no credit of this team; such a difference is settled once the whole credit
 * is taken back or moved to the paying team.
 */
function unlessCorrected(
  deposit: LedgerDeposit,
  own: ProviderPayment | null,
  differences: DifferenceClass[],
): DifferenceClass[] {
  if (deposit.corrections.length === 0) return differences;
  const isOfOtherTeam =
    differences.includes('wrong_team') && own !== null && paymentDifferences(deposit, own).includes('wrong_team');
  if (isOfOtherTeam || differences.includes('currency_differs')) {
    const isMoved = isOfOtherTeam && own.teamId !== null && isCredited(deposit, own.amountMicros, own.teamId);
    return isMoved || isCredited(deposit, ZERO) ? [] : differences;
  }
  return isCredited(deposit, own?.amountMicros ?? ZERO) ? [] : differences;
}
