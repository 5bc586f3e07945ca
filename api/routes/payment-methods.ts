/** Saved cards. Card data is taken by Stripe's own form or page; here are a brand, four digits and an expiry. */
import { expiresSoon, isExpired } from '../../billing/cards.ts';
import { BillingError } from '../../billing/errors.ts';
import { formatForPeople } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import { AS_RECORDED, lockAccount } from '../../prisma/accounts.ts';
import { keepDetails, NO_DETAILS } from '../../prisma/call-details.ts';
import { inTransaction } from '../../prisma/client.ts';
import {
  listPaymentMethods,
  makeDefault,
  type PaymentMethod as PaymentMethodRow,
} from '../../prisma/payment-methods.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Call, newId } from '../http/calls.ts';
import { returnUrl } from '../http/return-url.ts';
import { type Route, route } from '../http/route.ts';
import { listOf, PathId, TeamPath, Time, z } from '../http/schemas.ts';
import { mustFindCard } from '../http/suggestions.ts';
import type { ApiWorld } from '../world.ts';

const CardPath = TeamPath.extend({ paymentMethod: PathId });

const PaymentMethod = z
  .object({
    id: z.string(),
    brand: z.string(),
    last4: z.string(),
    expMonth: z.int(),
    expYear: z.int(),
    isDefault: z.boolean(),
    expired: z.boolean(),
    expiresSoon: z
      .boolean()
      .openapi({ description: 'true if the card is still valid, and expires within thirty days' }),
    createdAt: Time,
  })
  .openapi('PaymentMethod');
const SetupPage = z
  .object({ checkoutUrl: z.string().openapi({ description: 'the page on which a person saves a card' }) })
  .openapi('SetupPage');

const view = (card: PaymentMethodRow, nowSecond: number): z.input<typeof PaymentMethod> => ({
  id: card.id,
  brand: card.brand,
  last4: card.last4,
  expMonth: card.expMonth,
  expYear: card.expYear,
  isDefault: card.isDefault,
  expired: isExpired(card, nowSecond),
  expiresSoon: expiresSoon(card, nowSecond),
  createdAt: formatSecond(card.createdSecond),
});

/** The longest wait for Stripe in a read of the card list. */
const LOOK_WITHIN_MS = 2_000;

/**
 * Adopts cards from completed pages that no webhook reported. The list is answered without these cards when Stripe is
 * away.
 */
async function adoptCompleted({ cards }: ApiWorld, teamId: string, call: Call): Promise<void> {
  const adopted = cards.adoptCompleted({ teamId, nowSecond: call.receivedSecond }).catch((error) => {
    call.log.warn({ err: error }, 'the new cards of a team could not be fetched from Stripe');
  });
  await Promise.race([adopted, new Promise((resolve) => setTimeout(resolve, LOOK_WITHIN_MS).unref())]);
}

const save = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/payment-methods',
    tag: 'Payment methods',
    summary: 'Save a card from your own Stripe form, or open a page on which a person saves a card',
    who: 'billing',
    params: TeamPath,
    body: z.object({
      stripePaymentMethod: z
        .string()
        .regex(/^(pm|card)_\w{1,100}$/, 'must be the id of a payment method of Stripe, such as "pm_card_visa"')
        .optional()
        .openapi({ example: 'pm_card_visa' }),
      returnUrl: returnUrl(world).optional(),
    }),
    answer: { status: 201, schema: z.union([PaymentMethod, SetupPage]) },
    fails: ['card_declined', 'payment_method_invalid', 'provider_rejected', 'provider_unavailable'],
    handle: async ({ params: { team: teamId }, body, call }) => {
      const { stripePaymentMethod, returnUrl: address = null } = body;
      if (stripePaymentMethod === undefined) {
        const detailsHash = await keepDetails(world.db, { ...NO_DETAILS, returnUrl: address });
        return { status: 201, body: await world.cards.setupCheckout(teamId, detailsHash) };
      }
      if (address !== null)
        throw new BillingError('invalid_request', 'returnUrl: a card is attached without a page', 'returnUrl');
      const saving = { nowSecond: call.receivedSecond, newId: newId(call, 'pm') };
      const card = await world.cards.attach({ teamId, stripePaymentMethod, ...saving });
      await wake({ what: 'watch', id: teamId });
      return { status: 201, body: view(card, call.receivedSecond) };
    },
  });

const list = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/payment-methods',
    tag: 'Payment methods',
    summary: 'List the saved world.cards of a team',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: listOf(PaymentMethod) },
    asksProvider: true,
    handle: async ({ params, call }) => {
      await adoptCompleted(world, params.team, call);
      const saved = await listPaymentMethods(world.db, params.team);
      return { status: 200, body: { data: saved.map((card) => view(card, call.receivedSecond)), nextCursor: null } };
    },
  });

const setDefault = ({ db }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/payment-methods/{paymentMethod}/default',
    tag: 'Payment methods',
    summary: 'Make a card the default',
    who: 'billing',
    params: CardPath,
    answer: { status: 200, schema: PaymentMethod },
    handle: async ({ params: { team, paymentMethod }, call }) => {
      await mustFindCard(db, team, paymentMethod);
      const card = await inTransaction(db, async (tx) => {
        await lockAccount(tx, team, AS_RECORDED);
        return makeDefault(tx, team, paymentMethod, call.receivedSecond);
      });
      await wake({ what: 'watch', id: team });
      return { status: 200, body: view(card, call.receivedSecond) };
    },
  });

const remove = ({ db, cards }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'delete',
    path: '/v1/teams/{team}/payment-methods/{paymentMethod}',
    tag: 'Payment methods',
    summary: 'Remove a card; if it was the default, the newest of the other cards becomes the default',
    who: 'billing',
    params: CardPath,
    query: z.object({
      evenInUse: z.enum(['true', 'false']).optional().openapi({
        description:
          'true to remove a card that auto top-up charges: the next charge then fails, switches auto top-up off, and causes a mail',
      }),
    }),
    answer: {
      status: 200,
      schema: z.object({
        id: z.string().openapi({ example: 'pm_e6e08eec1724b735226fa781a46e5a84' }),
        deleted: z.literal(true),
        usedByAutoTopUp: z.boolean().openapi({ example: false }),
      }),
    },
    fails: ['payment_method_in_use', 'provider_rejected', 'provider_unavailable'],
    archivedToo: true,
    handle: async ({ params: { team: teamId, paymentMethod: paymentMethodId }, query, call }) => {
      await mustFindCard(db, teamId, paymentMethodId);
      await inTransaction(db, async (tx) => {
        const { policy } = await lockAccount(tx, teamId, AS_RECORDED);
        if (policy?.enabled && policy.paymentMethodId === paymentMethodId && query.evenInUse !== 'true')
          throw new BillingError(
            'payment_method_in_use',
            `auto top-up charges this card when less than ${formatForPeople(policy.thresholdMicros)} is available: switch it off or choose another card for it, or remove this one all the same with ?evenInUse=true, and its next charge will fail`,
          );
      });
      const { usedByAutoTopUp } = await cards.detach({ teamId, paymentMethodId, nowSecond: call.receivedSecond });
      await wake({ what: 'watch', id: teamId });
      return { status: 200, body: { id: paymentMethodId, deleted: true as const, usedByAutoTopUp } };
    },
  });

export const paymentMethods = (world: ApiWorld, wake: Wakes): Route[] => [
  save(world, wake),
  list(world),
  setDefault(world, wake),
  remove(world, wake),
];
