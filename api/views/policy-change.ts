/** The JSON form of a change of an auto top-up policy: the consent and its author. */
import { formatSecond } from '../../billing/time.ts';
import type { TopUpPolicy } from '../../billing/top-up.ts';
import type { RecordedPolicyChange } from '../../prisma/consents.ts';
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

export const viewPolicyChange = (change: RecordedPolicyChange): z.input<typeof PolicyChange> => ({
  id: change.id,
  at: formatSecond(change.second),
  actor: change.actor,
  cause: change.cause,
  old: change.oldPolicy === null ? null : view(change.oldPolicy),
  new: view(change.newPolicy),
});
