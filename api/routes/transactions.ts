/** Every credit and debit of a team, as JSON in pages or as one CSV file. */
import { BillingError } from '../../billing/errors.ts';
import type { Db } from '../../prisma/client.ts';
import type { Page, PageRequest } from '../../prisma/pages.ts';
import { creditAfterEach } from '../../prisma/past-balances.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { causesOf } from '../../prisma/transfer-causes.ts';
import { listTransfers, type TransferFilter } from '../../prisma/transfer-lists.ts';
import { csvOf } from '../http/csv.ts';
import { type Route, route } from '../http/route.ts';
import { Id, listOf, PathId, pageQuery, pageRequest, Second, TeamPath, text, UUID, z } from '../http/schemas.ts';
import { TRANSACTION_CODES } from '../reference/transaction-codes.ts';
import { TRANSACTION_COLUMNS, TRANSACTION_TOTALS, Transaction, viewTransaction } from '../views/transaction.ts';
import type { ApiWorld } from '../world.ts';

type TransactionView = z.input<typeof Transaction>;

/** A value, or an empty text for usage without a value. */
const orNone = <T extends z.ZodType<string>>(value: T, example: string) =>
  z
    .literal('')
    .or(value)
    .optional()
    .openapi({ type: 'string', example, description: 'empty: usage without a value in this dimension' });

const Filter = pageQuery(UUID).extend({
  from: Second.optional(),
  to: Second.optional().openapi({ description: 'the first second after the range' }),
  code: z.enum(Object.keys(TRANSACTION_CODES)).optional().openapi({ example: 'instance_usage' }),
  deposit: PathId.optional().openapi({ example: 'dep_9c1185a5c5e9fc54612808977ee8f548' }),
  instance: orNone(Id, 'train-1'),
  reservation: orNone(Id, 'r1'),
  project: orNone(text(100), 'vision'),
  model: orNone(text(100), 'llama-3.3-70b-instruct'),
  gpuType: orNone(text(100), 'h100-80gb'),
  region: orNone(text(100), 'eu-west-1'),
  pricing: orNone(z.enum(['on_demand', 'spot', 'reserved']), 'on_demand'),
});

/** @throws BillingError `invalid_request` for an empty range */
function filterOf({ from, to, limit: _, cursor: __, ...fields }: z.output<typeof Filter>): TransferFilter {
  if (from !== undefined && to !== undefined && from >= to)
    throw new BillingError('invalid_request', 'to must be later than from', 'to');
  return { ...fields, fromSecond: from, toSecond: to };
}

/** A page of rows and their balances as of the same moment. */
const readPage = (db: Db, team: string, request: PageRequest, filter: TransferFilter): Promise<Page<TransactionView>> =>
  inSnapshot(db, async (tx) => {
    const { data, nextCursor } = await listTransfers(tx, team, request, filter);
    const causes = await causesOf(tx, data);
    const balances = await creditAfterEach(tx, team, data);
    const views = data.map((row, index) => viewTransaction(row, causes[index] ?? {}, balances.get(row.id) ?? 0n));
    return { data: views, nextCursor };
  });

export const transactions = ({ db }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/teams/{team}/transactions',
    tag: 'Transactions',
    summary: 'List every credit and debit of a team, newest first; with "Accept: text/csv", all rows as a file',
    who: 'read',
    params: TeamPath,
    query: Filter,
    answer: { status: 200, schema: listOf(Transaction) },
    csv: true,
    handle: async ({ params: { team }, query, accept }) => {
      const filter = filterOf(query);
      const read = (request: PageRequest) => readPage(db, team, request, filter);
      const page = pageRequest(query);
      if (accept === 'csv')
        return csvOf(`transactions-${team}.csv`, TRANSACTION_COLUMNS, read, page, TRANSACTION_TOTALS);
      return { status: 200, body: await read(page) };
    },
  }),
];
