/**
 * Has workflows ask the provider again about correctable differences, so the nightly comparison repairs the effects of
 * lost webhooks.
 */
import type { DifferenceClass } from '../../billing/differences.ts';
import { disputeIdOf, foundRefundId } from '../../billing/ids.ts';
import type { Difference } from '../../billing/reconciliation/rows.ts';
import type { Db } from '../../prisma/client.ts';
import { findDeposit } from '../../prisma/deposits.ts';
import { findRefundByStripeId } from '../../prisma/refunds.ts';
import type { WorkflowWakes } from '../world.ts';

/** The workflow that corrects a difference by asking the provider again. */
const LOOKS: Partial<Record<DifferenceClass, 'deposit' | 'refund' | 'dispute'>> = {
  stuck_open: 'deposit',
  charged_though_failed: 'deposit',
  output_not_credited: 'deposit',
  output_amount_differs: 'deposit',
  credit_without_output: 'deposit',
  refund_not_in_ledger: 'refund',
  refund_amount_differs: 'refund',
  refund_status_differs: 'refund',
  dispute_not_in_ledger: 'dispute',
  dispute_amount_differs: 'dispute',
  dispute_status_differs: 'dispute',
};

/** Wakes the workflow of each correctable difference. Returns the number of wakes. */
export const wakeForDifferences =
  ({ db, wake }: { db: Db; wake: Pick<WorkflowWakes, 'deposit' | 'refund' | 'dispute'> }) =>
  async (differences: readonly Difference[]): Promise<number> => {
    let woken = 0;
    for (const difference of differences) if (await wakeFor(db, wake, difference)) woken += 1;
    return woken;
  };

async function wakeFor(
  db: Db,
  wake: Pick<WorkflowWakes, 'deposit' | 'refund' | 'dispute'>,
  { class: found, depositId, providerId }: Difference,
): Promise<boolean> {
  const look = LOOKS[found];
  const deposit = look === undefined || depositId === null ? null : await findDeposit(db, depositId);
  if (deposit === null) return false;
  const of = { depositId: deposit.id, teamId: deposit.teamId };
  if (look === 'deposit') await wake.deposit({ ...of, kind: deposit.kind });
  else if (providerId === null) return false;
  else if (look === 'dispute')
    await wake.dispute({ ...of, disputeId: disputeIdOf(providerId), stripeDisputeId: providerId });
  else {
    const refund = await findRefundByStripeId(db, providerId);
    await wake.refund({ ...of, refundId: refund?.id ?? foundRefundId(providerId), stripeRefundId: providerId });
  }
  return true;
}
