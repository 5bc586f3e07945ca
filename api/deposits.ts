/** Deposits: money that people pay in, by a saved card, on a Checkout page, or in crypto. */
import { BillingError } from '../billing/errors.ts';
import { micros } from '../billing/money.ts';
import { checkPayment } from '../billing/top-up.ts';
import type { Db } from '../prisma/client.ts';
import { cryptoReceiptsOf } from '../prisma/crypto-receipts.ts';
import type { Deposit as DepositRow } from '../prisma/deposits.ts';
import { listPayments } from '../prisma/history.ts';
import type { PageRequest } from '../prisma/pages.ts';
import { findPaymentMethod } from '../prisma/payment-methods.ts';
import { newId } from './calls.ts';
import { csvOf } from './csv.ts';
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
import { PAYMENT_COLUMNS, Payment, paymentAsCells, viewPayment } from './views/payment.ts';
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
  saveCard: z.boolean().optional().openapi({ description: 'of a Checkout page: keep its card for later' }),
});

export function deposits(world: ApiWorld): Route[] {
  const { db, ledger, deposits: limits, publicUrl } = world;
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
      fails: [
        'card_declined',
        'amount_out_of_range',
        'provider_rejected',
        'engine_unavailable',
        'provider_unavailable',
      ],
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
        if (body.saveCard && paymentMethodId !== null)
          throw new BillingError(
            'invalid_request',
            'saveCard: the card named in paymentMethod is saved already',
            'saveCard',
          );
        if (paymentMethodId !== null && !(await findPaymentMethod(db, teamId, paymentMethodId)))
          throw new BillingError('not_found', 'no such payment method', 'paymentMethod');
        const deposit = await openDeposit(world, call, {
          depositId: newId(call, 'dep'),
          teamId,
          kind: body.method === 'crypto' ? 'crypto' : paymentMethodId === null ? 'checkout' : 'saved_card',
          amountMicros: body.amount,
          paymentMethodId,
          ...(body.saveCard && { saveCard: true }),
        });
        return { status: 201, body: await viewOne(world, deposit) };
      },
    }),

    route({
      method: 'get',
      path: '/v1/teams/{team}/deposits',
      tag: 'Deposits',
      summary: 'What a team has paid in and what went back, newest first: deposits, auto top-ups, refunds, disputes',
      who: 'read',
      params: TeamPath,
      query: pageQuery(),
      answer: { status: 200, schema: listOf(Payment) },
      csv: true,
      handle: async ({ params: { team }, query, accept }) => {
        const read = async (request: PageRequest) => {
          const page = await listPayments(db, team, request);
          const receipts = await receiptsOf(
            db,
            page.data.map(({ deposit }) => deposit),
          );
          return viewPage(page, (row) => viewPayment(row, publicUrl, receipts.get(row.deposit.id)));
        };
        if (accept !== 'csv') return { status: 200, body: await read(pageRequest(query)) };
        const cells = async (request: PageRequest) => {
          const { data, nextCursor } = await read(request);
          return { data: data.map(paymentAsCells), nextCursor };
        };
        return csvOf(`deposits-${team}.csv`, PAYMENT_COLUMNS, cells, pageRequest(query));
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
        body: await viewOne(world, await ledger.depositOf(params.team, params.deposit)),
      }),
    }),
  ];
}

const receiptsOf = (db: Db, deposits: DepositRow[]) =>
  cryptoReceiptsOf(
    db,
    deposits.filter(({ method }) => method === 'crypto').map(({ id }) => id),
  );

const viewOne = async ({ db, publicUrl }: ApiWorld, deposit: DepositRow) =>
  viewDeposit(deposit, publicUrl, (await receiptsOf(db, [deposit])).get(deposit.id));
