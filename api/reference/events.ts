/** The outgoing events: payload, occasion, and the check of the signature by a receiver. */
import type { OpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import { BUDGET_ACTIONS, BUDGET_PERIODS } from '../../billing/alerts.ts';
import { DECLINE_REASONS, PAYMENT_FAILURES } from '../../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../../billing/failure-words.ts';
import { Amount, Time, z } from '../http/schemas.ts';

/** The signing, sending and repeating of deliveries, as text of the document. */
export const DELIVERY = `Events are sent as \`POST\` to \`PLATFORM_WEBHOOK_URL\`, signed as [Standard Webhooks](https://www.standardwebhooks.com) defines it.

To check an event, take the raw body before it is parsed:

1. Refuse the event if \`webhook-timestamp\` differs from your clock by more than five minutes.
2. Compute the HMAC-SHA256 of \`{webhook-id}.{webhook-timestamp}.{body}\` with the secret. The secret is \`PLATFORM_WEBHOOK_SECRET\` without \`whsec_\`, read as base64.
3. Compare the result in constant time with each \`v1,\` signature of \`webhook-signature\`, in base64.

The libraries \`standardwebhooks\` for Node, Python, Go, Ruby, Java, PHP, C# and Rust do all three steps.

Answer with any 2xx within ten seconds. After any other answer, including a redirect, the event is sent again, at least once a minute at first, until a 2xx. Events may arrive more than once and in another order: \`webhook-id\` is the same for each delivery of one event. \`timestamp\` is the time of the event itself. Ignore unknown fields.`;

const HEADERS = z.object({
  'webhook-id': z.string().openapi({
    description: 'The id of the event, the same at each delivery.',
    example: 'evt_0d6a1b7c5e9f4a2b8c3d7e6f5a4b3c2d',
  }),
  'webhook-timestamp': z.string().openapi({ description: 'Unix seconds of this delivery.', example: '1795324321' }),
  'webhook-signature': z.string().openapi({
    description: 'Signatures, separated by spaces, each `v1,` and base64.',
    example: 'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
  }),
});

const NAMES = {
  team: z.string().openapi({ example: 'acme' }),
  deposit: z.string().openapi({ example: 'dep_9c1185a5c5e9fc54612808977ee8f548' }),
  instance: z.string().openapi({ example: 'train-1' }),
};
const STARTED = '2026-11-22T04:42:01Z';
const ENDED = '2026-11-22T05:12:01Z';
const Ended = Time.openapi({ example: ENDED });
const Money = (example: string, description?: string) =>
  Amount.openapi({ example, ...(description !== undefined && { description }) });
const Seconds = z.int().openapi({ example: 1800 });

const PAID = {
  team: NAMES.team,
  deposit: NAMES.deposit,
  amount: Money('50.000000'),
  at: Time.openapi({ example: STARTED, description: 'the time of the credit, or of the failure' }),
  providerReceiptUrl: z.string().optional().openapi({
    description: 'the card provider’s page about the charge; our receipt is `receiptUrl` of the deposit',
    example: 'https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8x',
  }),
};

interface Event {
  summary: string;
  description: string;
  data: z.ZodType;
}

export const EVENTS: Record<string, Event> = {
  'instance.terminate': {
    summary: 'Stop this machine',
    description:
      'Billing of an instance has ended without a request of the platform: credit ran out, a budget was met, or an operator or a reclaim ended the instance. Stop the machine, then answer 2xx. The event is sent again until a 2xx.',
    data: z.object({
      id: NAMES.instance,
      team: NAMES.team,
      reason: z
        .enum(['stopped', 'out_of_credits', 'spot_reclaimed', 'operator', 'budget'])
        .openapi({ example: 'out_of_credits', description: 'the reason of the end' }),
      startedAt: Time.openapi({ example: STARTED }),
      endedAt: Ended,
      seconds: Seconds,
      cost: Money('1.245000'),
    }),
  },
  'balance.low': {
    summary: 'Credit is below a level',
    description:
      'The available credit of a team has fallen below a level. The event is sent once until credit is above the level again.',
    data: z.object({
      team: NAMES.team,
      level: Money('10.000000', 'the level'),
      burnPerHour: Money('2.490000'),
      runsOutAt: Time.nullable().openapi({
        example: ENDED,
        description: 'the last second that is paid in full, without further top-ups',
      }),
    }),
  },
  'balance.exhausted': {
    summary: 'Credit has run out',
    description:
      'The credit of a team has run out, and its instances have ended at that second. `instance.terminate` is also sent for each instance.',
    data: z.object({
      team: NAMES.team,
      instances: z
        .array(z.object({ id: NAMES.instance, endedAt: Ended, seconds: Seconds, cost: Money('1.245000') }))
        .openapi({ description: 'the ended instances' }),
    }),
  },
  'top_up.succeeded': {
    summary: 'Auto top-up has charged the card',
    description: 'Auto top-up has charged the saved card, and the amount is credit.',
    data: z.object({
      ...PAID,
      label: z.literal('Auto Top-Up'),
      status: z.enum(['succeeded', 'refunded', 'disputed']).openapi({ example: 'succeeded' }),
    }),
  },
  'top_up.failed': {
    summary: 'Auto top-up could not charge the card',
    description:
      'The charge of an auto top-up has failed. After an error of the card, the policy is off until somebody switches it on again, and the team gets a mail.',
    data: z.object({
      ...PAID,
      label: z.literal('Auto Top-Up'),
      status: z.literal('failed'),
      failureCode: z.enum(PAYMENT_FAILURES).openapi({ example: DECLINE_REASONS[0] }),
      failureMessage: z.string().openapi({
        example: inSentences(paymentFailureWords(DECLINE_REASONS[0], 'card')),
        description: 'the failure, the reason and the remedy, in sentences for the person who pays',
      }),
    }),
  },
  'deposit.succeeded': {
    summary: 'A deposit is credited',
    description:
      'A deposit by card or crypto has been credited. Crypto may come in parts: each part is an event of its own, with the amount of that part.',
    data: z.object({
      ...PAID,
      amount: Money('100.000000', 'the credited amount; for crypto, of this transaction'),
      label: z.literal('Deposit'),
      status: z
        .enum(['pending', 'succeeded', 'expired', 'failed', 'refunded', 'disputed'])
        .openapi({ example: 'succeeded', description: 'the status of the whole deposit: crypto may still be pending' }),
      failureCode: z.enum(PAYMENT_FAILURES).optional().openapi({ example: 'expired' }),
      failureMessage: z
        .string()
        .optional()
        .openapi({ example: inSentences(paymentFailureWords('expired', 'crypto')) }),
      expected: Money('100.000000', 'crypto: the requested amount').optional(),
      received: Money('100.000000', 'crypto: the total received amount').optional(),
      transaction: z
        .object({
          hash: z.string().openapi({ example: '0x9fc76417374aa880d4449a1f7f31ec597f00b1f6f3dd2d66f4c9c6c445836d8b' }),
          output: z.int().openapi({ example: 0 }),
        })
        .optional()
        .openapi({ description: 'crypto: the credited output' }),
    }),
  },
  'budget.met': {
    summary: 'A budget is met',
    description:
      'The spend of a team or of a project has met a budget. The event is sent once in each day or month of the budget. For the action `stop`, `instance.terminate` is also sent for each instance that has ended.',
    data: z.object({
      team: NAMES.team,
      project: z.string().nullable().openapi({ example: 'train', description: 'null: the budget of the whole team' }),
      period: z.enum(BUDGET_PERIODS).openapi({ example: 'day' }),
      action: z.enum(BUDGET_ACTIONS).openapi({ example: 'stop' }),
      amount: Money('40.000000'),
      spend: Money('39.999814', 'the spend at the second of the event'),
      periodStart: Time.openapi({ example: '2026-03-01T00:00:00Z' }),
      periodEnd: Time.openapi({ example: '2026-03-02T00:00:00Z', description: 'the first second of the next period' }),
      instancesEnded: z.int().openapi({ example: 3, description: 'the number of instances that the budget has ended' }),
    }),
  },
  'usage.owed': {
    summary: 'Usage was not covered by credit',
    description:
      'The reported usage of models costs more than the available credit. The rest is `owed` and is collected from the next credit. Use holds to avoid owed usage.',
    data: z.object({ team: NAMES.team, owed: Money('0.250000', 'the amount that became owed') }),
  },
};

/** `top_up.failed` → `TopUpFailedEvent`. */
const schemaName = (type: string): string =>
  `${type.replace(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase())}Event`;

export function registerEvents(registry: OpenAPIRegistry): void {
  for (const [type, { summary, description, data }] of Object.entries(EVENTS)) {
    const schema = z
      .object({
        type: z.literal(type),
        timestamp: Time.openapi({ example: ENDED, description: 'the time of the event, and not of its delivery' }),
        data,
      })
      .openapi(schemaName(type));
    registry.registerWebhook({
      method: 'post',
      path: type,
      tags: ['Events'],
      operationId: `event${schemaName(type).replace(/Event$/, '')}`,
      summary,
      description,
      security: [],
      request: { headers: HEADERS, body: { required: true, content: { 'application/json': { schema } } } },
      responses: { '2XX': { description: 'Received. After any other answer, the event is sent again.' } },
    });
  }
}
