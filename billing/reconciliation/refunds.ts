/** Compares the providers' refunds with the ledger's. */
import type { DifferenceClass } from '../differences.ts';
import {
  type ComparedDay,
  compared,
  depositIdOf,
  type Finding,
  foreignRow,
  isInDay,
  isYoung,
  type Line,
  missingInLedger,
  UNDER_WAY,
} from './day.ts';
import type { MatchedPayments } from './payments.ts';
import type { LedgerRefund, ProviderRefund } from './rows.ts';

export function compareRefunds(day: ComparedDay, payments: MatchedPayments): Finding[] {
  const matched = new Set<LedgerRefund>();
  const ofProvider = day.provider.refunds.flatMap((refund) => {
    const ledgerRefund = day.ledger.refunds.find(
      ({ providerId, refundId }) => providerId === refund.providerId || refundId === refund.refundId,
    );
    if (ledgerRefund) matched.add(ledgerRefund);
    const depositId = ledgerRefund?.depositId ?? depositIdOf(day, refund);
    if (depositId === null) return foreignRow(day, 'refund', refund.providerId, refund);
    if (ledgerRefund) return compareRefund(day, ledgerRefund, refund);
    return compareRefundMissingInLedger(day, payments, depositId, refund);
  });
  const unmatched = day.ledger.refunds.filter((refund) => !matched.has(refund));
  return [...ofProvider, ...unmatched.flatMap((refund) => compareRefundMissingAtProvider(day, refund))];
}

function compareRefund(day: ComparedDay, ledgerRefund: LedgerRefund, refund: ProviderRefund): Finding[] {
  if (!isInDay(day, refund.second)) return [];
  const hasOneFailed = (ledgerRefund.status === 'failed') !== (refund.status === 'failed');
  const isClosedAtProvider = ledgerRefund.status === 'open' && refund.status !== 'open';
  const statusDiffers = hasOneFailed || isClosedAtProvider;
  const isUnderWay = statusDiffers && isYoung(day, refund.second);
  const differences: DifferenceClass[] = [];
  if (ledgerRefund.amountMicros !== refund.amountMicros) differences.push('refund_amount_differs');
  if (statusDiffers && !isUnderWay) differences.push('refund_status_differs');
  return [...(isUnderWay ? [UNDER_WAY] : []), compared(refundLine(ledgerRefund, refund), ...differences)];
}

/** Money that was never credited, such as a second charge, is refunded without a row in the ledger. */
function compareRefundMissingInLedger(
  day: ComparedDay,
  { ownByDeposit }: MatchedPayments,
  depositId: string,
  refund: ProviderRefund,
): Finding[] {
  const deposit = day.depositsById.get(depositId);
  const own = ownByDeposit.get(depositId);
  const wasCredited = deposit?.status === 'credited' && (own === undefined || own.paymentId === refund.paymentId);
  if (!wasCredited || refund.status === 'failed' || !isInDay(day, refund.second)) return [];
  return [missingInLedger(day, 'refund', refund, deposit, 'refund_not_in_ledger')];
}

function compareRefundMissingAtProvider(day: ComparedDay, refund: LedgerRefund): Finding[] {
  // A refund that the provider refused and the ledger gave back has no effect on either side.
  if (refund.status === 'failed' || !isInDay(day, refund.openedSecond)) return [];
  if (refund.status === 'open' && isYoung(day, refund.openedSecond)) return [UNDER_WAY];
  return [compared(refundLine(refund, null), 'refund_not_at_provider')];
}

function refundLine(ledgerRefund: LedgerRefund, refund: ProviderRefund | null): Line {
  const { depositId, teamId, amountMicros: ledgerMicros } = ledgerRefund;
  return {
    kind: 'refund',
    provider: refund?.provider ?? 'stripe',
    second: refund?.second ?? ledgerRefund.openedSecond,
    depositId,
    teamId,
    providerId: refund?.providerId ?? ledgerRefund.providerId,
    ledgerMicros,
    providerMicros: refund?.amountMicros ?? null,
  };
}
