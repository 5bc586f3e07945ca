/** Resuming: of an instance and all its successors, at most one runs. */
import type { Account, BillingSettings } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import { advance } from '../billing/facts.ts';
import { mustHaveAllMeters } from '../billing/meter-sums.ts';
import type { Tx } from '../prisma/client.ts';
import { runningOfChain } from '../prisma/instances.ts';

/** The refusal of a resume, with the running instance. */
export class SuccessorRuns extends BillingError {
  readonly instanceId: string;

  constructor(instanceId: string) {
    super('instance_active', `the instance was resumed as ${instanceId}, which is running: stop it first`);
    this.instanceId = instanceId;
  }
}

/**
 * Called under the team's row lock, so the second of two simultaneous resumes sees the first.
 * @throws SuccessorRuns
 */
export async function checkNothingRuns(
  tx: Tx,
  account: Account,
  settings: BillingSettings,
  resumed: { instanceId: string; nowSecond: number },
): Promise<void> {
  const runningIds = await runningOfChain(tx, resumed.instanceId);
  if (runningIds.length === 0) return;
  // A crossing may have ended an instance without a row yet.
  mustHaveAllMeters(account, 'what runs of a chain');
  const { meters } = advance(account, settings, resumed.nowSecond).account;
  const running = runningIds.find((id) => meters.some(({ instanceId }) => instanceId === id));
  if (running !== undefined) throw new SuccessorRuns(running);
}
