/** Deposits: payments into credit by a saved card, on a Checkout page, or in crypto. */

import { BillingError } from '../../billing/errors.ts';
import { micros } from '../../billing/money.ts';
import { checkPayment } from '../../billing/top-up.ts';
import { type CallDetails, detailsOf, keepDetails } from '../../prisma/call-details.ts';
import type { Db } from '../../prisma/client.ts';
import { cryptoReceiptsOf } from '../../prisma/crypto-receipts.ts';
import { type Deposit as DepositRow, listAllDeposits } from '../../prisma/deposits.ts';
import { requestHashOf } from '../../prisma/digest.ts';
import { listPayments } from '../../prisma/history.ts';
import type { PageRequest } from '../../prisma/pages.ts';
import { getTeam } from '../../prisma/teams.ts';
import { type AskedDeposit, openDeposit } from '../engine/depositing.ts';
import { readRecorded } from '../engine/recorded.ts';
import { type Call, newId } from '../http/calls.ts';
import { csvOf } from '../http/csv.ts';
import { NewMetadata } from '../http/metadata.ts';
import { isOutcomeUnknown } from '../http/outcome.ts';
import { returnUrl } from '../http/return-url.ts';
import { type Route, route } from '../http/route.ts';
import {
  Amount,
  amount,
  Dollars,
  Id,
  listOf,
  PathId,
  pageQuery,
  pageRequest,
  Second,
  TeamPath,
  viewPage,
  z,
} from '../http/schemas.ts';
import { mustFindCard } from '../http/suggestions.ts';
import { DEPOSIT_STATUSES, Deposit, viewDeposit } from '../views/deposit.ts';
import { PAYMENT_COLUMNS, Payment, paymentAsCells, viewPayment } from '../views/payment.ts';
import type { ApiWorld } from '../world.ts';

const RECOMMENDED_MICROS = micros(100_000_000);

const Options = z
  .object({
    min: Amount,
    max: Amount,
    presets: z.array(z.object({ amount: Amount, recommended: z.boolean() })),
    methods: z.array(z.enum(['card', 'crypto'])),
  })
  .openapi('DepositOptions');

/** The form of the ids of auto top-up. A caller's id must not take the id of a future attempt. */
const TOP_UP_ID = /^dep_.*_top_up_\d+$/;

const newDeposit = (world: ApiWorld) =>
  z.object({
    id: Id.refine((id) => !TOP_UP_ID.test(id), 'ids of this form belong to auto top-up')
      .optional()
      .openapi({
        description: 'the same id and body again is the same deposit: a repeat charges nothing',
        example: 'order-1042',
      }),
    amount: Dollars.openapi({ example: '100.00' }),
    method: z.enum(['card', 'crypto']),
    paymentMethod: Id.optional().openapi({ description: 'a saved card; without it, a Checkout page is opened' }),
    saveCard: z.boolean().optional().openapi({ description: 'Checkout page only: save the card' }),
    returnUrl: returnUrl(world).optional(),
    metadata: NewMetadata.optional(),
  });

const options = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/deposit-options',
    tag: 'Deposits',
    summary: 'Get the minimum and maximum of one deposit, and the suggested amounts',
    who: 'read',
    answer: { status: 200, schema: Options },
    handle: async () => ({
      status: 200,
      body: {
        min: amount(world.deposits.minMicros),
        max: amount(world.deposits.maxMicros),
        presets: world.deposits.presetsMicros.map((preset) => ({
          amount: amount(preset),
          recommended: preset === RECOMMENDED_MICROS,
        })),
        methods: world.verifyCopperxEvent === null ? ['card' as const] : ['card' as const, 'crypto' as const],
      },
    }),
  });

const open = (world: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/deposits',
    tag: 'Deposits',
    summary: 'Deposit by a saved card, with up to 10 s for the outcome, or open a page for a card or crypto',
    who: 'billing',
    params: TeamPath,
    body: newDeposit(world),
    answer: { status: 201, schema: Deposit },
    fails: [
      'id_taken',
      'team_archived',
      'card_declined',
      'amount_out_of_range',
      'provider_rejected',
      'engine_unavailable',
      'provider_unavailable',
    ],
    handle: async ({ params: { team: teamId }, body, call }) => {
      if (body.method === 'crypto') {
        if (world.verifyCopperxEvent === null)
          throw new BillingError('invalid_request', 'method crypto is not offered here: send card', 'method');
        if (body.paymentMethod !== undefined)
          throw new BillingError(
            'invalid_request',
            'paymentMethod is a card: leave it out with method crypto',
            'paymentMethod',
          );
      }
      checkPayment('amount', body.amount, world.deposits.minMicros, world.deposits.maxMicros);
      const paymentMethodId = body.paymentMethod ?? null;
      if (body.saveCard && paymentMethodId !== null)
        throw new BillingError(
          'invalid_request',
          'saveCard must be left out with paymentMethod: that card is saved already',
          'saveCard',
        );
      if (paymentMethodId !== null) await mustFindCard(world.db, teamId, paymentMethodId);
      if (body.returnUrl !== undefined && paymentMethodId !== null)
        throw new BillingError(
          'invalid_request',
          'returnUrl must be left out with paymentMethod: a saved card is charged without a page',
          'returnUrl',
        );
      const details = { metadata: body.metadata ?? {}, returnUrl: body.returnUrl ?? null };
      const detailsHash = await keepDetails(world.db, details);
      const saveCard = body.saveCard ?? false;
      const request: AskedDeposit = {
        depositId: body.id ?? newId(call, 'dep'),
        teamId,
        kind: body.method === 'crypto' ? 'crypto' : paymentMethodId === null ? 'checkout' : 'saved_card',
        amountMicros: body.amount,
        paymentMethodId,
        requestHash: requestHashOf([teamId, body.method, body.amount, paymentMethodId, saveCard, detailsHash]),
        ...(detailsHash !== null && { detailsHash }),
        ...(saveCard && { saveCard: true }),
      };
      const deposit = await openDeposit(world, call, request);
      return { status: 201, body: await viewRecorded(world, call, deposit, details) };
    },
  });

const listOfTeam = ({ db, publicUrl }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/deposits',
    tag: 'Deposits',
    summary: 'List a team’s deposits, auto top-ups, refunds and disputes, newest first',
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
        const details = await detailsOf(
          db,
          page.data.map(({ deposit }) => deposit.detailsHash),
        );
        return viewPage(page, (row) => {
          const { id, detailsHash } = row.deposit;
          return viewPayment(row, publicUrl, receipts.get(id), details.get(detailsHash ?? ''));
        });
      };
      if (accept !== 'csv') return { status: 200, body: await read(pageRequest(query)) };
      const cells = async (request: PageRequest) => {
        const { data, nextCursor } = await read(request);
        return { data: data.map(paymentAsCells), nextCursor };
      };
      return csvOf(`deposits-${team}.csv`, PAYMENT_COLUMNS, cells, pageRequest(query));
    },
  });

const listAll = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/deposits',
    tag: 'Operator',
    summary: 'List the deposits of all teams, newest first',
    who: 'platform',
    query: pageQuery().extend({
      team: Id.optional(),
      status: z.enum(DEPOSIT_STATUSES).optional(),
      method: z.enum(['card', 'crypto']).optional(),
      from: Second.optional().openapi({ description: 'opened at this second or later' }),
      to: Second.optional().openapi({ description: 'opened before this second' }),
    }),
    answer: { status: 200, schema: listOf(Deposit) },
    handle: async ({ query }) => {
      const { team, status, method, from, to } = query;
      if (team !== undefined) await getTeam(world.db, team);
      if (from !== undefined && to !== undefined && to <= from)
        throw new BillingError('invalid_request', 'to: must lie after from', 'to');
      const filter = {
        ...(team !== undefined && { teamId: team }),
        ...(status !== undefined && { status }),
        ...(method !== undefined && { method }),
        ...(from !== undefined && { fromSecond: from }),
        ...(to !== undefined && { toSecond: to }),
      };
      const { data, nextCursor } = await listAllDeposits(world.db, filter, pageRequest(query));
      return { status: 200, body: { data: await viewAll(world, data), nextCursor } };
    },
  });

const get = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/deposits/{deposit}',
    tag: 'Deposits',
    summary: 'Get a deposit',
    who: 'read',
    params: TeamPath.extend({ deposit: PathId }),
    answer: { status: 200, schema: Deposit },
    handle: async ({ params }) => ({
      status: 200,
      body: await viewOne(world, await world.ledger.depositOf(params.team, params.deposit)),
    }),
  });

const receiptsOf = (db: Db, deposits: DepositRow[]) =>
  cryptoReceiptsOf(
    db,
    deposits.filter(({ method }) => method === 'crypto').map(({ id }) => id),
  );

const viewAll = async ({ db, publicUrl }: ApiWorld, deposits: DepositRow[]) => {
  const receipts = await receiptsOf(db, deposits);
  const details = await detailsOf(
    db,
    deposits.map(({ detailsHash }) => detailsHash),
  );
  return deposits.map((deposit) =>
    viewDeposit(deposit, publicUrl, receipts.get(deposit.id), details.get(deposit.detailsHash ?? '')),
  );
};

/** A recorded deposit is answered even when the database goes away before its payments and details are read. */
const viewRecorded = (world: ApiWorld, call: Call, deposit: DepositRow, details: CallDetails) =>
  readRecorded(world, call, () => viewOne(world, deposit)).catch((error: unknown) => {
    if (!isOutcomeUnknown(error)) throw error;
    return viewDeposit(deposit, world.publicUrl, [], details);
  });

const viewOne = async (world: ApiWorld, deposit: DepositRow) => {
  const [view] = await viewAll(world, [deposit]);
  if (!view) throw new Error('a deposit that was read has no view');
  return view;
};

export const deposits = (world: ApiWorld): Route[] => [
  options(world),
  open(world),
  listOfTeam(world),
  listAll(world),
  get(world),
];
