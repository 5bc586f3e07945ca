/**
 * The receipts of a deposit, as files. Each payment has its own receipt, drawn once: later downloads are the same
 * bytes.
 */
import { DEFAULT_ISSUER } from '../../activities/papers/issuer.ts';
import { paymentsOf, receiptFile } from '../../activities/papers/receipts.ts';
import { BillingError } from '../../billing/errors.ts';
import type { Deposit } from '../../prisma/deposits.ts';
import type { Call } from '../http/calls.ts';
import { type FileAnswer, type Route, route } from '../http/route.ts';
import { PathId, TeamPath, z } from '../http/schemas.ts';
import { Receipt, viewReceipt } from '../views/receipt.ts';
import type { ApiWorld } from '../world.ts';

const PDF = 'application/pdf';
const DepositPath = TeamPath.extend({ deposit: PathId });

const file = { status: 200, schema: z.string().openapi({ format: 'binary' }), type: PDF };

async function answerFile(world: ApiWorld, deposit: Deposit, number: string | null, call: Call): Promise<FileAnswer> {
  const making = { db: world.db, issuer: world.issuer ?? DEFAULT_ISSUER, nowSecond: call.receivedSecond };
  const receipt = await receiptFile(making, deposit, number);
  if (receipt === null) {
    const why = number === null ? 'no receipt: the deposit has not been credited' : 'no such receipt of this deposit';
    throw new BillingError('not_found', why, 'receipt');
  }
  const { name, content } = receipt;
  return { status: 200, file: { type: PDF, name, write: async (response) => void response.end(content) } };
}

const download = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/deposits/{deposit}/receipt',
    tag: 'Deposits',
    summary: 'Get the receipt of a credited deposit as PDF; for crypto in parts, the receipt of the first part',
    who: 'read',
    params: DepositPath,
    answer: file,
    handle: async ({ params: { team, deposit }, call }) =>
      answerFile(world, await world.ledger.depositOf(team, deposit), null, call),
  });

const list = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/deposits/{deposit}/receipts',
    tag: 'Deposits',
    summary:
      'List the receipts of a deposit, oldest first: one for a card payment, one for each part of a crypto payment',
    who: 'read',
    params: DepositPath,
    answer: { status: 200, schema: z.object({ data: z.array(Receipt) }) },
    handle: async ({ params }) => {
      const deposit = await world.ledger.depositOf(params.team, params.deposit);
      const payments = await paymentsOf(world.db, deposit);
      return { status: 200, body: { data: payments.map((payment) => viewReceipt(payment, deposit, world.publicUrl)) } };
    },
  });

const downloadOne = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/deposits/{deposit}/receipts/{receipt}',
    tag: 'Deposits',
    summary: 'Get a receipt by its number, as PDF',
    who: 'read',
    params: DepositPath.extend({ receipt: PathId.openapi({ example: 'acme-000001' }) }),
    answer: file,
    handle: async ({ params: { team, deposit, receipt }, call }) =>
      answerFile(world, await world.ledger.depositOf(team, deposit), receipt, call),
  });

export const receipts = (world: ApiWorld): Route[] => [download(world), list(world), downloadOne(world)];
