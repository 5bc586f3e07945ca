/** Every credit and debit of a team, as JSON a page at a time or as one CSV file. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify';
import type { Response } from 'express';
import type { Db } from '../prisma/client.ts';
import type { PageRequest } from '../prisma/pages.ts';
import { listTransfers } from '../prisma/transfers.ts';
import { type FileAnswer, type Route, route } from './route.ts';
import { listOf, pageQuery, pageRequest, TeamPath, viewPage } from './schemas.ts';
import { TRANSACTION_COLUMNS, Transaction, viewTransaction } from './views/transaction.ts';
import type { ApiWorld } from './world.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ROWS_A_READ = 1_000;

/** All rows from a page on, without holding them in memory. */
async function* rowsOf(db: Db, teamId: string, first: PageRequest) {
  let request: PageRequest | null = first;
  while (request) {
    const page: Awaited<ReturnType<typeof listTransfers>> = await listTransfers(db, teamId, request);
    yield* page.data.map(viewTransaction);
    request = page.nextCursor === null ? null : { limit: ROWS_A_READ, cursor: page.nextCursor };
  }
}

const csvOf = (db: Db, teamId: string, request: PageRequest): FileAnswer => ({
  status: 200,
  file: {
    type: 'text/csv; charset=utf-8',
    name: `transactions-${teamId}.csv`,
    write: (response: Response) =>
      pipeline(
        Readable.from(rowsOf(db, teamId, request)),
        stringify({ header: true, columns: TRANSACTION_COLUMNS }),
        response,
      ),
  },
});

export const transactions = ({ db }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/teams/{team}/transactions',
    tag: 'Transactions',
    summary: 'Every credit and debit of a team, newest first; with "Accept: text/csv", all of them as a file',
    who: 'read',
    params: TeamPath,
    query: pageQuery(UUID),
    answer: { status: 200, schema: listOf(Transaction) },
    csv: true,
    handle: async ({ params: { team }, query, accept }) => {
      if (accept === 'csv') return csvOf(db, team, { ...pageRequest(query), limit: ROWS_A_READ });
      const page = await listTransfers(db, team, pageRequest(query));
      return { status: 200, body: viewPage(page, viewTransaction) };
    },
  }),
];
