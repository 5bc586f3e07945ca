/** Compares the providers' disputes with the ledger's. */
import type { DifferenceClass } from '../differences.ts';
import {
  type ComparedDay,
  compared,
  depositIdOf,
  type Finding,
  foreignRow,
  isInDay,
  type Line,
  missingInLedger,
} from './day.ts';
import type { LedgerDispute, ProviderDispute } from './rows.ts';

export function compareDisputes(day: ComparedDay): Finding[] {
  const matched = new Set<LedgerDispute>();
  const ofProvider = day.provider.disputes.flatMap((dispute) => {
    const ledgerDispute = day.ledger.disputes.find(({ providerId }) => providerId === dispute.providerId);
    if (ledgerDispute) matched.add(ledgerDispute);
    const depositId = ledgerDispute?.depositId ?? depositIdOf(day, dispute);
    if (depositId === null) return foreignRow(day, 'dispute', dispute.providerId, dispute);
    if (ledgerDispute) return compareDispute(day, ledgerDispute, dispute);
    return compareDisputeMissingInLedger(day, depositId, dispute);
  });
  const unmatched = day.ledger.disputes.filter((dispute) => !matched.has(dispute));
  return [...ofProvider, ...unmatched.flatMap((dispute) => compareDisputeMissingAtProvider(day, dispute))];
}

/**
 * A provider does not report when a dispute moved, so a difference is reported on every day until both sides agree.
 */
function compareDispute(day: ComparedDay, ledgerDispute: LedgerDispute, dispute: ProviderDispute): Finding[] {
  const differences: DifferenceClass[] = [];
  if (ledgerDispute.amountMicros !== dispute.amountMicros) differences.push('dispute_amount_differs');
  if (dispute.status !== 'inquiry' && ledgerDispute.status !== dispute.status)
    differences.push('dispute_status_differs');
  if (differences.length === 0 && !isInDay(day, dispute.second)) return [];
  return [compared(disputeLine(ledgerDispute, dispute), ...differences)];
}

function compareDisputeMissingInLedger(day: ComparedDay, depositId: string, dispute: ProviderDispute): Finding[] {
  if (!isInDay(day, dispute.second) || dispute.status === 'inquiry') return [];
  const teamId = day.depositsById.get(depositId)?.teamId ?? null;
  return [missingInLedger(day, 'dispute', dispute, { depositId, teamId }, 'dispute_not_in_ledger')];
}

function compareDisputeMissingAtProvider(day: ComparedDay, dispute: LedgerDispute): Finding[] {
  if (!isInDay(day, dispute.openedSecond)) return [];
  // A won dispute holds nothing and has taken nothing.
  const differences: DifferenceClass[] = dispute.status === 'won' ? [] : ['dispute_not_at_provider'];
  return [compared(disputeLine(dispute, null), ...differences)];
}

function disputeLine(ledgerDispute: LedgerDispute, dispute: ProviderDispute | null): Line {
  const { depositId, teamId, providerId, amountMicros: ledgerMicros } = ledgerDispute;
  return {
    kind: 'dispute',
    provider: dispute?.provider ?? 'stripe',
    second: dispute?.second ?? ledgerDispute.openedSecond,
    depositId,
    teamId,
    providerId,
    ledgerMicros,
    providerMicros: dispute?.amountMicros ?? null,
  };
}
