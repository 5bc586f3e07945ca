/** Saved cards. Card data is taken by Stripe's own form or page; here are a brand, four digits and an expiry. */
import { BillingError } from '../billing/errors.ts';
import { formatSecond } from '../billing/time.ts';
import { lockAccount } from '../prisma/accounts.ts';
import { inTransaction } from '../prisma/client.ts';
import {
  findPaymentMethod,
  listPaymentMethods,
  makeDefault,
  type PaymentMethod as PaymentMethodRow,
} from '../prisma/payment-methods.ts';
import { newId } from './calls.ts';
import { type Route, route } from './route.ts';
import { listOf, PathId, TeamPath, Time, z } from './schemas.ts';
import type { ApiWorld } from './world.ts';

const CardPath = TeamPath.extend({ paymentMethod: PathId });

const PaymentMethod = z
  .object({
    id: z.string(),
    brand: z.string(),
    last4: z.string(),
    expMonth: z.int(),
    expYear: z.int(),
    isDefault: z.boolean(),
    createdAt: Time,
  })
  .openapi('PaymentMethod');
const SetupPage = z
  .object({ checkoutUrl: z.string().openapi({ description: 'the page on which a person saves a card' }) })
  .openapi('SetupPage');

const view = (card: PaymentMethodRow): z.input<typeof PaymentMethod> => ({
  id: card.id,
  brand: card.brand,
  last4: card.last4,
  expMonth: card.expMonth,
  expYear: card.expYear,
  isDefault: card.isDefault,
  createdAt: formatSecond(card.createdSecond),
});

export const paymentMethods = ({ db, cards }: ApiWorld): Route[] => [
  route({
    method: 'post',
    path: '/v1/teams/{team}/payment-methods',
    tag: 'Payment methods',
    summary: 'Attach a card that Stripe’s own form made, or open a page on which a person saves one',
    who: 'billing',
    params: TeamPath,
    body: z.object({
      stripePaymentMethod: z
        .string()
        .regex(/^(pm|card)_\w{1,100}$/, 'expected the id of a Stripe payment method')
        .optional()
        .openapi({ example: 'pm_card_visa' }),
    }),
    answer: { status: 201, schema: z.union([PaymentMethod, SetupPage]) },
    fails: ['card_declined', 'payment_method_invalid', 'provider_unavailable'],
    handle: async ({ params: { team: teamId }, body: { stripePaymentMethod }, call }) => {
      if (stripePaymentMethod === undefined) return { status: 201, body: await cards.setupCheckout(teamId) };
      const saving = { nowSecond: call.receivedSecond, newId: newId(call, 'pm') };
      const card = await cards.attach({ teamId, stripePaymentMethod, ...saving });
      return { status: 201, body: view(card) };
    },
  }),
  route({
    method: 'get',
    path: '/v1/teams/{team}/payment-methods',
    tag: 'Payment methods',
    summary: 'The saved cards of a team',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: listOf(PaymentMethod) },
    handle: async ({ params }) => ({
      status: 200,
      body: { data: (await listPaymentMethods(db, params.team)).map(view), nextCursor: null },
    }),
  }),
  route({
    method: 'post',
    path: '/v1/teams/{team}/payment-methods/{paymentMethod}/default',
    tag: 'Payment methods',
    summary: 'Make a card the default one',
    who: 'billing',
    params: CardPath,
    answer: { status: 200, schema: PaymentMethod },
    handle: async ({ params: { team, paymentMethod } }) => {
      const card = await inTransaction(db, async (tx) => {
        await lockAccount(tx, team);
        return makeDefault(tx, team, paymentMethod);
      });
      return { status: 200, body: view(card) };
    },
  }),
  route({
    method: 'delete',
    path: '/v1/teams/{team}/payment-methods/{paymentMethod}',
    tag: 'Payment methods',
    summary: 'Remove a card that auto top-up does not charge',
    who: 'billing',
    params: CardPath,
    answer: { status: 200, schema: z.object({ id: z.string(), deleted: z.literal(true) }) },
    fails: ['payment_method_in_use', 'provider_unavailable'],
    handle: async ({ params: { team: teamId, paymentMethod: paymentMethodId }, call }) => {
      await inTransaction(db, async (tx) => {
        const { policy } = await lockAccount(tx, teamId);
        if (!(await findPaymentMethod(tx, teamId, paymentMethodId)))
          throw new BillingError('not_found', 'no such payment method', 'paymentMethod');
        if (policy?.enabled && policy.paymentMethodId === paymentMethodId)
          throw new BillingError(
            'payment_method_in_use',
            'auto top-up charges this card: switch it off, or choose another',
          );
      });
      await cards.detach({ teamId, paymentMethodId, nowSecond: call.receivedSecond });
      return { status: 200, body: { id: paymentMethodId, deleted: true as const } };
    },
  }),
];
