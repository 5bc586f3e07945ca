/** Deposits: money that people pay in, by a saved card, on a Checkout page, or in crypto. */
import { BillingError } from '../billing/errors.ts';
import { micros } from '../billing/money.ts';
import { checkPayment } from '../billing/top-up.ts';
import type { Db } from '../prisma/client.ts';
import { cryptoReceiptsOf } from '../prisma/crypto-receipts.ts';
import { type Deposit as DepositRow, listDeposits } from '../prisma/deposits.ts';
import { findPaymentMethod } from '../prisma/payment-methods.ts';
import { newId } from './calls.ts';
import { openDeposit } from './depositing.ts';
import { type Route, route } from './route.ts';
import {
  Amount,
  amount,
  Dollars,
  Id,
  listOf,
  PathId,
  pageQuery,
  pageRequest,
  TeamPath,
  viewPage,
  z,
} from './schemas.ts';
import { Deposit, viewDeposit } from './views/deposit.ts';
import type { ApiWorld } from './world.ts';

const RECOMMENDED_MICROS = micros(100_000_000);

const Options = z
  .object({
    min: Amount,
    max: Amount,
    presets: z.array(z.object({ amount: Amount, recommended: z.boolean() })),
    methods: z.array(z.enum(['card', 'crypto'])),
  })
  .openapi('DepositOptions');

const NewDeposit = z.object({
  amount: Dollars.openapi({ example: '100.00' }),
  method: z.enum(['card', 'crypto']),
  paymentMethod: Id.optional().openapi({ description: 'a saved card; without it, a Checkout page is opened' }),
});

export function deposits(world: ApiWorld): Route[] {
  const { db, ledger, deposits: limits } = world;
  return [
    route({
      method: 'get',
      path: '/v1/deposit-options',
      tag: 'Deposits',
      summary: 'The least and the most of one deposit, and the amounts to offer',
      who: 'read',
      answer: { status: 200, schema: Options },
      handle: async () => ({
        status: 200,
        body: {
          min: amount(limits.minMicros),
          max: amount(limits.maxMicros),
          presets: limits.presetsMicros.map((preset) => ({
            amount: amount(preset),
            recommended: preset === RECOMMENDED_MICROS,
          })),
          methods: world.verifyCopperxEvent === null ? ['card' as const] : ['card' as const, 'crypto' as const],
        },
      }),
    }),

    route({
      method: 'post',
      path: '/v1/teams/{team}/deposits',
      tag: 'Deposits',
      summary: 'Pay in by a saved card, waiting up to 10 s for the outcome, or open a page for a card or for crypto',
      who: 'billing',
      params: TeamPath,
      body: NewDeposit,
      answer: { status: 201, schema: Deposit },
      fails: ['card_declined', 'amount_out_of_range', 'engine_unavailable'],
      handle: async ({ params: { team: teamId }, body, call }) => {
        if (body.method === 'crypto') {
          if (world.verifyCopperxEvent === null)
            throw new BillingError('invalid_request', 'method: crypto deposits are not offered here', 'method');
          if (body.paymentMethod !== undefined)
            throw new BillingError(
              'invalid_request',
              'paymentMethod is a card: leave it out with crypto',
              'paymentMethod',
            );
        }
        checkPayment('amount', body.amount, limits.minMicros, limits.maxMicros);
        const paymentMethodId = body.paymentMethod ?? null;
        if (paymentMethodId !== null && !(await findPaymentMethod(db, teamId, paymentMethodId)))
          throw new BillingError('not_found', 'no such payment method', 'paymentMethod');
        const deposit = await openDeposit(world, call, {
          depositId: newId(call, 'dep'),
          teamId,
          kind: body.method === 'crypto' ? 'crypto' : paymentMethodId === null ? 'checkout' : 'saved_card',
          amountMicros: body.amount,
          paymentMethodId,
        });
        return { status: 201, body: await viewOne(db, deposit) };
      },
    }),

    route({
      method: 'get',
      path: '/v1/teams/{team}/deposits',
      tag: 'Deposits',
      summary: 'The deposits of a team, newest first, auto top-ups among them',
      who: 'read',
      params: TeamPath,
      query: pageQuery(),
      answer: { status: 200, schema: listOf(Deposit) },
      handle: async ({ params, query }) => {
        const page = await listDeposits(db, params.team, pageRequest(query));
        const receipts = await receiptsOf(db, page.data);
        return { status: 200, body: viewPage(page, (deposit) => viewDeposit(deposit, receipts.get(deposit.id))) };
      },
    }),

    route({
      method: 'get',
      path: '/v1/teams/{team}/deposits/{deposit}',
      tag: 'Deposits',
      summary: 'A deposit',
      who: 'read',
      params: TeamPath.extend({ deposit: PathId }),
      answer: { status: 200, schema: Deposit },
      handle: async ({ params }) => ({
        status: 200,
        body: await viewOne(db, await ledger.depositOf(params.team, params.deposit)),
      }),
    }),
  ];
}

const receiptsOf = (db: Db, deposits: DepositRow[]) =>
  cryptoReceiptsOf(
    db,
    deposits.filter(({ method }) => method === 'crypto').map(({ id }) => id),
  );

const viewOne = async (db: Db, deposit: DepositRow) =>
  viewDeposit(deposit, (await receiptsOf(db, [deposit])).get(deposit.id));
