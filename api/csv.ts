/** A whole list as one CSV file, read a page at a time so that none of it is held in memory. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify';
import type { Response } from 'express';
import type { Page, PageRequest } from '../prisma/pages.ts';
import type { FileAnswer } from './route.ts';

const ROWS_A_READ = 1_000;

/** All rows from a page on. */
async function* rowsOf<T>(read: (request: PageRequest) => Promise<Page<T>>, cursor: string | undefined) {
  let next: string | null | undefined = cursor;
  while (next !== null) {
    const page: Page<T> = await read({ limit: ROWS_A_READ, ...(next !== undefined && { cursor: next }) });
    yield* page.data;
    next = page.nextCursor;
  }
}

export const csvOf = <T extends object>(
  name: string,
  columns: string[],
  read: (request: PageRequest) => Promise<Page<T>>,
  { cursor }: PageRequest,
): FileAnswer => ({
  status: 200,
  file: {
    type: 'text/csv; charset=utf-8',
    name,
    write: (response: Response) =>
      pipeline(Readable.from(rowsOf(read, cursor)), stringify({ header: true, columns }), response),
  },
});
