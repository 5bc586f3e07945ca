/** Every credit and debit of a team, as JSON in pages or as one CSV file. */
import type { PageRequest } from '../../prisma/pages.ts';
import { causesOf } from '../../prisma/transfer-causes.ts';
import { listTransfers } from '../../prisma/transfers.ts';
import { csvOf } from '../http/csv.ts';
import { type Route, route } from '../http/route.ts';
import { listOf, pageQuery, pageRequest, TeamPath, UUID } from '../http/schemas.ts';
import { TRANSACTION_COLUMNS, Transaction, viewTransaction } from '../views/transaction.ts';
import type { ApiWorld } from '../world.ts';

export const transactions = ({ db }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/teams/{team}/transactions',
    tag: 'Transactions',
    summary: 'List every credit and debit of a team, newest first; with "Accept: text/csv", all rows as a file',
    who: 'read',
    params: TeamPath,
    query: pageQuery(UUID),
    answer: { status: 200, schema: listOf(Transaction) },
    csv: true,
    handle: async ({ params: { team }, query, accept }) => {
      const read = async (request: PageRequest) => {
        const { data, nextCursor } = await listTransfers(db, team, request);
        const causes = await causesOf(db, data);
        return { data: data.map((row, index) => viewTransaction(row, causes[index] ?? {})), nextCursor };
      };
      if (accept === 'csv') return csvOf(`transactions-${team}.csv`, TRANSACTION_COLUMNS, read, pageRequest(query));
      return { status: 200, body: await read(pageRequest(query)) };
    },
  }),
];
