/** Refunds: money that an operator gives back. */
import { getDeposit } from '../prisma/deposits.ts';
import { refundDeposit } from './refunding.ts';
import { type Route, route } from './route.ts';
import { Dollars, Id, PathId, z } from './schemas.ts';
import { Refund, viewRefund } from './views/refund.ts';
import type { ApiWorld } from './world.ts';

/** Refunds that are made at the provider have ids of this form: a caller's must not take one of theirs. */
const FOUND_ID = /^ref_(re|pyr)_/;

export const refunds = (world: ApiWorld): Route[] => [
  route({
    method: 'post',
    path: '/v1/deposits/{id}/refund',
    tag: 'Operator',
    summary: 'Refund a deposit as far as its credit is unused, waiting up to 10 s for the card provider',
    who: 'platform',
    params: z.object({ id: PathId }),
    body: z.object({
      id: Id.refine((id) => !FOUND_ID.test(id), 'ids of this form belong to refunds made at the provider')
        .optional()
        .openapi({ description: 'the same id and body again is the same refund', example: 'refund-1042' }),
      amount: Dollars.optional().openapi({ description: 'without it, all that can be refunded', example: '20.00' }),
    }),
    answer: { status: 201, schema: Refund },
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
      return { status: 201, body: viewRefund(await refundDeposit(world, call, deposit, body.amount ?? null, body.id)) };
    },
  }),
];
