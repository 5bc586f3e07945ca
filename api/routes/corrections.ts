/** An operator's corrections: of credited payments, and of refunds and disputes that the provider does not have. */
import { BillingError } from '../../billing/errors.ts';
import { micros, subtract } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import { creditsOf, type DepositCorrection, listCorrections } from '../../prisma/corrections.ts';
import { cryptoReceiptsOf } from '../../prisma/crypto-receipts.ts';
import { getDeposit } from '../../prisma/deposits.ts';
import type { Wakes } from '../engine/wakes.ts';
import { withdraw } from '../engine/withdrawing.ts';
import { actorOf, newId } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import {
  Amount,
  amount,
  Id,
  listOf,
  PathId,
  pageQuery,
  pageRequest,
  SignedDollars,
  Time,
  text,
  viewPage,
  z,
} from '../http/schemas.ts';
import { Payment, viewPayment } from '../views/payment.ts';
import type { ApiWorld } from '../world.ts';

const MAX_MICROS = micros(1_000_000_000_000);

const Correction = z
  .object({
    id: z.string(),
    deposit: z.string(),
    team: z.string(),
    at: Time,
    amount: Amount.openapi({ description: 'positive: credited; negative: taken back', example: '-20.000000' }),
    owed: Amount.openapi({ description: 'the rest, which became owed', example: '0.000000' }),
    corrects: z.string().openapi({ description: 'the reference of the corrected transaction' }),
    note: z.string(),
    actor: z.string().openapi({ description: '`platform`, or `provider` if the provider corrected the payment' }),
  })
  .openapi('DepositCorrection');

const view = (row: DepositCorrection): z.input<typeof Correction> => ({
  id: row.id,
  deposit: row.depositId,
  team: row.teamId,
  at: formatSecond(row.second),
  amount: amount(row.amountMicros),
  owed: amount(subtract(row.creditMicros, row.amountMicros)),
  corrects: row.correctsReference,
  note: row.note,
  actor: row.actor,
});

const correct = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/deposits/{id}/corrections',
    tag: 'Operator',
    summary: 'Correct the credited amount of a payment: credit an amount, or take it back',
    who: 'platform',
    params: z.object({ id: PathId }),
    body: z.object({
      id: Id.optional().openapi({
        description: 'the same id and body again is the same correction',
        example: 'correction-1042',
      }),
      amount: SignedDollars,
      note: text(500).openapi({ example: 'Stripe took $80 for this deposit of $100' }),
      corrects: z.string().min(1).max(300).optional().openapi({
        description:
          'the `reference` of the transaction to correct; default: the credit of the deposit. Send it to correct one payment of a crypto deposit, or a refund',
        example: 'deposit/dep_9c1185a5c5e9fc54612808977ee8f548',
      }),
      team: Id.optional().openapi({
        description:
          'the team whose credit changes; default: the team of the deposit. Send it if another team was credited',
      }),
    }),
    answer: { status: 201, schema: Correction },
    fails: ['amount_out_of_range', 'id_taken', 'team_archived'],
    handle: async ({ params, body, call }) => {
      const { id: correctionId = newId(call, 'cor'), amount: amountMicros, note } = body;
      if (amountMicros === 0 || Math.abs(amountMicros) > MAX_MICROS)
        throw new BillingError(
          'amount_out_of_range',
          'amount must not be zero, and at most $1,000,000 either way',
          'amount',
        );
      const input = {
        ...{ correctionId, depositId: params.id, amountMicros, note },
        teamId: body.team ?? null,
        correctsReference: body.corrects ?? null,
        actor: actorOf(call),
        nowSecond: call.receivedSecond,
      };
      const correction = await world.ledger.correctDeposit(input, call.requestId);
      await wake({ what: 'watch', id: correction.teamId });
      return { status: 201, body: view(correction) };
    },
  });

const listOfDeposit = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/deposits/{id}/corrections',
    tag: 'Operator',
    summary: 'List the corrections of a deposit, newest first',
    who: 'platform',
    params: z.object({ id: PathId }),
    query: pageQuery(),
    answer: { status: 200, schema: listOf(Correction) },
    handle: async ({ params, query }) => {
      const page = await listCorrections(world.db, params.id, pageRequest(query));
      // A credit can exist without its deposit.
      if (page.data.length === 0 && (await creditsOf(world.db, params.id)).length === 0)
        await getDeposit(world.db, params.id);
      return { status: 200, body: viewPage(page, view) };
    },
  });

const withdrawal = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/deposits/{id}/withdraw',
    tag: 'Operator',
    summary: 'Withdraw a refund or a dispute that the provider does not have; its amount is credit again',
    who: 'platform',
    params: z.object({ id: PathId }),
    body: z.object({
      id: Id.openapi({ description: 'the id of the refund or the dispute', example: 'refund-1042' }),
      note: text(500).openapi({ example: 'Stripe has no such refund; checked in the dashboard' }),
    }),
    answer: {
      status: 200,
      schema: z.object({
        data: z
          .array(Payment)
          .openapi({ description: 'the recorded state: the deposit, then its refunds and disputes' }),
      }),
    },
    fails: ['withdrawal_refused', 'provider_unavailable'],
    handle: async ({ params, body, call }) => {
      const deposit = await getDeposit(world.db, params.id);
      const payments = await withdraw(world, call, deposit, { subjectId: body.id, note: body.note });
      await wake({ what: 'watch', id: deposit.teamId });
      const receipts = (await cryptoReceiptsOf(world.db, [params.id])).get(params.id) ?? [];
      return { status: 200, body: { data: payments.map((row) => viewPayment(row, world.publicUrl, receipts)) } };
    },
  });

export const corrections = (world: ApiWorld, wake: Wakes): Route[] => [
  correct(world, wake),
  listOfDeposit(world),
  withdrawal(world, wake),
];
