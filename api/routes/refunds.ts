/** An operator's refunds, and looks at the provider's state of a payment. */
import { cryptoReceiptsOf } from '../../prisma/crypto-receipts.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import { lookAtPayment } from '../engine/looking.ts';
import { refundDeposit } from '../engine/refunding.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, Id, PathId, z } from '../http/schemas.ts';
import { Payment, viewPayment } from '../views/payment.ts';
import { Refund, viewRefund } from '../views/refund.ts';
import type { ApiWorld } from '../world.ts';

/** The form of ids of refunds made at the provider. A caller's id must not have this form. */
const FOUND_ID = /^ref_(re|pyr)_/;

const refund = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/deposits/{id}/refund',
    tag: 'Operator',
    summary: 'Refund the unused part of a deposit; waits up to 10 s for the card provider',
    who: 'platform',
    params: z.object({ id: PathId }),
    body: z.object({
      id: Id.refine((id) => !FOUND_ID.test(id), 'ids of this form belong to refunds made at the provider')
        .optional()
        .openapi({ description: 'the same id and body again is the same refund', example: 'refund-1042' }),
      amount: Dollars.optional().openapi({ description: 'without it, the whole refundable amount', example: '20.00' }),
    }),
    answer: { status: 201, schema: Refund },
    asksProvider: true,
    fails: [
      'id_taken',
      'team_archived',
      'not_refundable',
      'deposit_disputed',
      'amount_out_of_range',
      'refund_refused',
      'refund_not_supported',
      'engine_unavailable',
    ],
    handle: async ({ params, body, call }) => {
      const deposit = await getDeposit(world.db, params.id);
      return {
        status: 201,
        body: viewRefund(await refundDeposit(world, wake, call, deposit, body.amount ?? null, body.id)),
      };
    },
  });

const lookAgain = (world: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/deposits/{id}/look-again',
    tag: 'Operator',
    summary: 'Ask the provider for the present state of a deposit, its refunds and its disputes',
    who: 'platform',
    params: z.object({ id: PathId }),
    answer: {
      status: 200,
      schema: z.object({
        data: z
          .array(Payment)
          .openapi({ description: 'the recorded state: the deposit, then its refunds and disputes' }),
      }),
    },
    fails: ['engine_unavailable', 'provider_unavailable'],
    handle: async ({ params, call }) => {
      const payments = await lookAtPayment(world, call, await getDeposit(world.db, params.id));
      const receipts = (await cryptoReceiptsOf(world.db, [params.id])).get(params.id) ?? [];
      return { status: 200, body: { data: payments.map((row) => viewPayment(row, world.publicUrl, receipts)) } };
    },
  });

export const refunds = (world: ApiWorld, wake: Wakes): Route[] => [refund(world, wake), lookAgain(world)];
