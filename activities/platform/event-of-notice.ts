/** The payload of an outgoing event. Money is decimal strings of dollars, times are RFC 3339. */
import type { BillingSettings } from '../../billing/account.ts';
import { nextPeriodStart } from '../../billing/budgets.ts';
import { paymentFailure } from '../../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../../billing/failure-words.ts';
import { runsOutSecond } from '../../billing/forecast.ts';
import { formatDollars, micros } from '../../billing/money.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { formatSecond } from '../../billing/time.ts';
import { endedInstances } from '../../ledger/ended-instances.ts';
import { AS_RECORDED, bySums, readAccount } from '../../prisma/accounts.ts';
import type { Db } from '../../prisma/client.ts';
import { findCryptoReceipt } from '../../prisma/crypto-receipts.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import { findExhaustion } from '../../prisma/exhaustions.ts';
import type { Notice } from '../../prisma/notices.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';

export interface PlatformEvent {
  type: string;
  /** The time of the occurrence, not of the sending. */
  timestamp: string;
  data: Record<string, unknown>;
}

export const eventOfNotice = async (db: Db, settings: BillingSettings, notice: Notice): Promise<PlatformEvent> => ({
  type: notice.kind,
  timestamp: formatSecond(notice.second),
  data: { team: notice.teamId, ...(await dataOf(db, settings, notice)) },
});

async function dataOf(db: Db, settings: BillingSettings, { teamId, data }: Notice): Promise<Record<string, unknown>> {
  if (data.depositId !== undefined)
    return { ...(await depositData(db, data.depositId)), ...(data.receipt && (await receiptData(db, data.receipt))) };
  if (data.exhaustion !== undefined) return exhaustionData(db, teamId, data.exhaustion);
  if (data.owedMicros !== undefined) return { owed: formatDollars(micros(data.owedMicros)) };
  if (data.budget !== undefined) return budgetData(data.budget);
  if (data.levelMicros !== undefined) return lowData(db, settings, teamId, data.levelMicros);
  return {};
}

async function depositData(db: Db, depositId: string) {
  const deposit = await getDeposit(db, depositId);
  const { amountMicros, label, method, status, closedSecond, openedSecond, failureCode, receiptUrl } = deposit;
  return {
    deposit: depositId,
    amount: formatDollars(amountMicros),
    label,
    status,
    at: formatSecond(closedSecond ?? openedSecond),
    ...(failureCode !== null && {
      failureCode: paymentFailure(failureCode),
      failureMessage: inSentences(paymentFailureWords(failureCode, method)),
    }),
    ...(receiptUrl !== null && { providerReceiptUrl: receiptUrl }),
  };
}

/** For a crypto deposit the amount is the receipt's. The requested and the total received amount are included. */
async function receiptData(db: Db, receiptRef: NonNullable<Notice['data']['receipt']>) {
  const receipt = await findCryptoReceipt(db, receiptRef);
  if (receipt === null) return {};
  const { amountMicros: expectedMicros, receivedMicros } = await getDeposit(db, receipt.depositId);
  return {
    amount: formatDollars(receipt.amountMicros),
    expected: formatDollars(expectedMicros),
    received: formatDollars(receivedMicros ?? receipt.amountMicros),
    at: formatSecond(receipt.creditedSecond),
    transaction: { hash: receipt.transactionHash, output: receipt.output },
  };
}

async function exhaustionData(db: Db, teamId: string, number: number) {
  const exhaustion = await findExhaustion(db, teamId, number);
  const ended = await endedInstances(db, exhaustion?.instanceIds ?? []);
  return {
    instances: ended.map(({ instanceId, startSecond, endSecond, costMicros }) => ({
      id: instanceId,
      endedAt: formatSecond(endSecond),
      seconds: endSecond - startSecond,
      cost: formatDollars(costMicros),
    })),
  };
}

const budgetData = (budget: NonNullable<Notice['data']['budget']>) => ({
  project: budget.project,
  period: budget.period,
  action: budget.action,
  amount: formatDollars(micros(budget.amountMicros)),
  spend: formatDollars(micros(budget.spentMicros)),
  periodStart: formatSecond(budget.periodStartSecond),
  periodEnd: formatSecond(nextPeriodStart(budget.period, budget.periodStartSecond)),
  instancesEnded: budget.endedCount,
});

async function lowData(db: Db, settings: BillingSettings, teamId: string, levelMicros: number) {
  const { account, second } = await bySums([], async (named) => {
    const reach = { throughSecond: AS_RECORDED.throughSecond, for: 'forecast' as const, ...named };
    const account = await inSnapshot(db, (tx) => readAccount(tx, teamId, reach));
    return { account, second: runsOutSecond(account, settings) };
  });
  return {
    level: formatDollars(micros(levelMicros)),
    burnPerHour: formatDollars(burnMicrosPerHour(account)),
    runsOutAt: second === null ? null : formatSecond(second),
  };
}
