/** The JSON form of a change of an auto top-up policy: the consent and its author. */
import { formatSecond } from '../../billing/time.ts';
import type { TopUpPolicy } from '../../billing/top-up.ts';
import type { Consent } from '../../prisma/generated/client.ts';
import { Amount, amount, Time, z } from '../http/schemas.ts';

const Policy = z.object({
  enabled: z.boolean(),
  threshold: Amount,
  amount: Amount,
  paymentMethod: z.string().nullable(),
  monthlyCap: Amount.nullable(),
});

export const PolicyChange = z
  .object({
    id: z.string(),
    at: Time,
    actor: z.string().openapi({ description: 'the key of the caller, or the workflow that switched the policy off' }),
    cause: z.string(),
    old: Policy.nullable(),
    new: Policy,
  })
  .openapi('PolicyChange');

const view = (policy: TopUpPolicy): z.input<typeof Policy> => ({
  enabled: policy.enabled,
  threshold: amount(policy.thresholdMicros),
  amount: amount(policy.amountMicros),
  paymentMethod: policy.paymentMethodId,
  monthlyCap: policy.monthlyCapMicros === null ? null : amount(policy.monthlyCapMicros),
});

/** The columns hold policies in the form that prisma/consents.ts writes. */
export const viewPolicyChange = (row: Consent): z.input<typeof PolicyChange> => ({
  id: row.id,
  at: formatSecond(Number(row.second)),
  actor: row.actor,
  cause: row.cause,
  old: row.oldPolicy === null ? null : view(row.oldPolicy as unknown as TopUpPolicy),
  new: view(row.newPolicy as unknown as TopUpPolicy),
});
