/** The JSON form of auto top-up: the policy and its present state. */
import type { BillingSettings } from '../../billing/account.ts';
import { topUpOutlook } from '../../billing/crossings.ts';
import { paymentFailure } from '../../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../../billing/failure-words.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { formatSecond } from '../../billing/time.ts';
import { topUpWarnings } from '../../billing/warnings.ts';
import { disabledReason, readAccount } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import { policyVersion } from '../../prisma/consents.ts';
import { lastAttempt } from '../../prisma/deposits.ts';
import { findPaymentMethod } from '../../prisma/payment-methods.ts';
import { Amount, amount, amountOrNull, Time, timeOrNull, z } from '../http/schemas.ts';
import { DEPOSIT_STATUSES } from './deposit.ts';
import { type Standing, standingOf } from './standing.ts';
import { Warning } from './warning.ts';

const Attempt = z
  .object({
    deposit: z.string(),
    at: Time,
    amount: Amount,
    status: z.enum(DEPOSIT_STATUSES),
    failureCode: z.string().nullable(),
    failureMessage: z
      .string()
      .nullable()
      .openapi({ description: 'the failure, the reason and the remedy, in sentences' }),
  })
  .openapi('AutoTopUpAttempt');

export const AutoTopUp = z
  .object({
    enabled: z.boolean(),
    threshold: Amount.nullable(),
    amount: Amount.nullable(),
    paymentMethod: z.string().nullable(),
    paymentMethodMissing: z.boolean().openapi({
      description: 'true if the card of the policy is not saved any more: the next charge will fail',
    }),
    monthlyCap: Amount.nullable(),
    state: z.enum(['off', 'watching', 'charging', 'cooling_down', 'capped', 'suspended']),
    lastAttempt: Attempt.nullable(),
    cooldownUntil: Time.nullable().openapi({
      description: 'the second before which no charge is made; null if it has passed',
    }),
    disabledReason: z
      .string()
      .nullable()
      .openapi({ description: 'the failure that switched the policy off; null if a person did' }),
    disabledMessage: z.string().nullable().openapi({ description: 'disabledReason in sentences, with the remedy' }),
    warnings: z
      .array(Warning)
      .openapi({ description: 'settings of the policy that cannot pay for the running instances through a cooldown' }),
    version: z.int().openapi({ description: 'the number of changes of the policy', example: 2 }),
  })
  .openapi('AutoTopUp');

const failureOf = (code: string | null) => ({
  failureCode: code === null ? null : paymentFailure(code),
  failureMessage: code === null ? null : inSentences(paymentFailureWords(code, 'card')),
});

/** Counts an attempt that is due and that no transaction has opened yet. */
async function attemptOf(tx: Tx, { account }: Standing): Promise<z.input<typeof Attempt> | null> {
  const latestAttempt = await lastAttempt(tx, account.teamId);
  const { attempt } = account;
  if (attempt && latestAttempt?.id !== attempt.depositId)
    return {
      deposit: attempt.depositId,
      at: formatSecond(attempt.openedSecond),
      amount: amount(attempt.amountMicros),
      status: 'pending',
      failureCode: null,
      failureMessage: null,
    };
  return (
    latestAttempt && {
      deposit: latestAttempt.id,
      at: formatSecond(latestAttempt.openedSecond),
      amount: amount(latestAttempt.amountMicros),
      status: latestAttempt.status,
      ...failureOf(latestAttempt.failureCode),
    }
  );
}

export async function readAutoTopUp(
  tx: Tx,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<z.input<typeof AutoTopUp>> {
  const standing = standingOf(
    await readAccount(tx, teamId, { throughSecond: second, for: 'forecast' }),
    settings,
    second,
  );
  const { policy, lastAttemptSecond } = standing.account;
  const cardId = policy?.paymentMethodId ?? null;
  const card = cardId === null ? null : await findPaymentMethod(tx, teamId, cardId);
  const disabled = failureOf(await disabledReason(tx, teamId));
  const cooldownUntil = lastAttemptSecond === null ? null : lastAttemptSecond + settings.cooldownSeconds;
  return {
    enabled: policy?.enabled ?? false,
    threshold: amountOrNull(policy?.thresholdMicros ?? null),
    amount: amountOrNull(policy?.amountMicros ?? null),
    paymentMethod: card?.id ?? null,
    paymentMethodMissing: policy !== null && card === null,
    monthlyCap: amountOrNull(policy?.monthlyCapMicros ?? null),
    state: topUpOutlook(standing.account, settings).state,
    lastAttempt: await attemptOf(tx, standing),
    cooldownUntil: timeOrNull(cooldownUntil !== null && cooldownUntil > standing.nowSecond ? cooldownUntil : null),
    disabledReason: disabled.failureCode,
    disabledMessage: disabled.failureMessage,
    warnings: topUpWarnings(policy, burnMicrosPerHour(standing.account), settings),
    version: await policyVersion(tx, teamId),
  };
}
