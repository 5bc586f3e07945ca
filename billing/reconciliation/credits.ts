/** Compares a deposit with its own credit in the ledger: the transfers into the team's credit, and their corrections. */
import type { DifferenceClass } from '../differences.ts';
import { add, type Micros, subtract, ZERO } from '../money.ts';
import { type ComparedDay, compared, type Finding, isInDay, type Line } from './day.ts';
import type { LedgerDeposit, ProviderPayment, StrayPosting } from './rows.ts';

/**
 * Compares the credit of a crypto deposit with the received amount. The outputs of the deposit are compared separately.
 */
export function compareCredit(day: ComparedDay, deposit: LedgerDeposit): Finding[] {
  const seconds = [
    ...deposit.postings.map(({ second }) => second),
    ...(deposit.closedSecond === null ? [] : [deposit.closedSecond]),
  ];
  const second = seconds.find((each) => isInDay(day, each));
  if (second === undefined || (deposit.status !== 'credited' && deposit.postings.length === 0)) return [];
  return [compared({ ...lineOf(deposit, null), kind: 'credit', second }, ...creditDifferences(deposit))];
}

/** Reports a credit for a deposit that the ledger lacks. */
export function compareStrayPosting(
  day: ComparedDay,
  { reference, teamId, second, depositId, amountMicros, correctedMicros }: StrayPosting,
): Finding[] {
  if (!isInDay(day, second)) return [];
  const line = { kind: 'credit' as const, provider: null, second, depositId, teamId, providerId: reference };
  const ledgerMicros = add(amountMicros, correctedMicros);
  const differences: DifferenceClass[] = ledgerMicros === 0 ? [] : ['credit_without_deposit'];
  return [compared({ ...line, ledgerMicros, providerMicros: null }, ...differences)];
}

/** The differences between a deposit and its transfers. */
export function creditDifferences(deposit: LedgerDeposit): DifferenceClass[] {
  const { status, amountMicros, teamId, postings } = deposit;
  const dueMicros = status === 'credited' ? amountMicros : ZERO;
  if (deposit.corrections.length > 0 && isCredited(deposit, dueMicros)) return [];
  if (status !== 'credited') return postings.length > 0 ? ['credit_without_deposit'] : [];
  if (postings.length === 0) return ['credit_missing'];
  if (postings.some((posting) => posting.teamId !== teamId)) return ['wrong_team'];
  const surplusMicros = subtract(sumOf(postings), amountMicros);
  if (surplusMicros === 0) return [];
  return surplusMicros > 0 && postings.length > 1 ? ['credited_twice'] : ['credit_differs'];
}

/** True if a deposit's team has this credit for the deposit, corrections included, and no other team has any. */
export function isCredited(deposit: LedgerDeposit, dueMicros: Micros, teamId = deposit.teamId): boolean {
  const netMicrosByTeam = new Map<string, Micros>([[teamId, ZERO]]);
  for (const row of [...deposit.postings, ...deposit.corrections])
    netMicrosByTeam.set(row.teamId, add(netMicrosByTeam.get(row.teamId) ?? ZERO, row.amountMicros));
  return [...netMicrosByTeam].every(([team, netMicros]) => netMicros === (team === teamId ? dueMicros : ZERO));
}

/** The line of a deposit, with the provider's payment if there is one. */
export function lineOf(deposit: LedgerDeposit, payment: ProviderPayment | null): Line {
  const { depositId, teamId, provider, postings, corrections, amountMicros, closedSecond, openedSecond } = deposit;
  return {
    kind: 'payment',
    provider,
    second: payment?.status === 'succeeded' ? payment.second : (postings[0]?.second ?? closedSecond ?? openedSecond),
    depositId,
    teamId,
    providerId: payment?.paymentId ?? deposit.providerIds[0] ?? null,
    ledgerMicros: postings.length + corrections.length > 0 ? sumOf([...postings, ...corrections]) : amountMicros,
    providerMicros: payment?.status === 'succeeded' ? payment.amountMicros : null,
  };
}

const sumOf = (rows: ReadonlyArray<{ amountMicros: Micros }>): Micros =>
  add(ZERO, ...rows.map(({ amountMicros }) => amountMicros));
