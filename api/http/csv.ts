/**
 * A whole list as one CSV file, read one page at a time so that memory stays small.
 *
 * Made for spreadsheets and programs alike: UTF-8 with a byte-order mark, which Excel needs; times as `2026-03-01
 * 14:05:00`, with UTC in the column's name; amounts as plain numbers. A spreadsheet might take a text for a formula, a
 * number, a date or a time. Such a text gets an apostrophe in front, and so does a text with a leading apostrophe, so a
 * program restores the original by removing one leading apostrophe.
 *
 * A list of amounts may end in totals. A total is a row with `total` in its first cell.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify';
import type { Response } from 'express';
import { formatDollars } from '../../billing/money.ts';
import type { Page, PageRequest } from '../../prisma/pages.ts';
import type { FileAnswer } from './route.ts';

/** `text` is guarded, `time` is an RFC 3339 time, `number` is written unchanged. */
export interface CsvColumn<T> {
  key: keyof T & string;
  kind: 'text' | 'time' | 'number';
}

const ROWS_A_READ = 1_000;

const TYPE = 'text/csv; charset=utf-8';

const FORMULA = /^\s*[=+\-@\t\r'＝＋－＠]/;
/** Digits together with the signs of numbers, dates, times, amounts and percentages. */
const NUMBER_OR_DATE = /^[\s$€£¥(]*[.,]?\d[\d\s.,:;/\\+\-()%$€£¥]*(e[+-]?\d*)?\s*([ap]m?)?$/i;
const MONTH = '(jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*';
const DATE_IN_WORDS = new RegExp(`^(${MONTH}[\\s.,/-]*\\d{1,4}|\\d{1,4}[\\s.,/-]*${MONTH})([\\s.,/-]+\\d{1,4})?$`, 'i');
const LOGICAL = /^(true|false)$/i;

/** A text as a cell, protected from reinterpretation by spreadsheets. */
export const guarded = (text: string): string =>
  [FORMULA, NUMBER_OR_DATE, DATE_IN_WORDS, LOGICAL].some((pattern) => pattern.test(text)) ? `'${text}` : text;

function cellOf(kind: CsvColumn<unknown>['kind'], value: unknown): string {
  if (value === null || value === undefined) return '';
  if (kind === 'time') return String(value).replace('T', ' ').replace(/Z$/, '');
  return kind === 'number' ? String(value) : guarded(String(value));
}

const titleOf = ({ key, kind }: { key: string; kind: string }): string => (kind === 'time' ? `${key} (UTC)` : key);

/** All rows from a page on. */
async function* rowsOf<T>(read: (request: PageRequest) => Promise<Page<T>>, cursor: string | undefined) {
  let next: string | null | undefined = cursor;
  while (next !== null) {
    const page: Page<T> = await read({ limit: ROWS_A_READ, ...(next !== undefined && { cursor: next }) });
    yield* page.data;
    next = page.nextCursor;
  }
}

/** The totals at the end of a file: the sum of a column for each value of another column. */
export interface CsvTotals<T> {
  /** A column of amounts in dollars, six places. */
  of: keyof T & string;
  by: keyof T & string;
  /** The value whose total comes last, and is also written for a file without rows. */
  last: string;
}

/** Dollars with six places as micros. */
const microsOf = (dollars: unknown): bigint => BigInt(String(dollars).replace('.', ''));

async function* cellsOf<T extends object>(
  rows: AsyncIterable<T>,
  columns: ReadonlyArray<CsvColumn<T>>,
  totals: CsvTotals<T> | undefined,
) {
  const sums = new Map<string, bigint>();
  for await (const row of rows) {
    if (totals) {
      const value = String(row[totals.by]);
      sums.set(value, (sums.get(value) ?? 0n) + microsOf(row[totals.of]));
    }
    yield columns.map(({ key, kind }) => cellOf(kind, row[key]));
  }
  if (!totals) return;
  if (sums.size === 0) sums.set(totals.last, 0n);
  for (const value of [...sums.keys()].sort((a) => (a === totals.last ? 1 : -1)))
    yield columns.map(({ key }, index) => {
      if (key === totals.of) return formatDollars(sums.get(value) ?? 0n);
      if (key === totals.by) return guarded(value);
      return index === 0 ? 'total' : '';
    });
}

export const csvOf = <T extends object>(
  name: string,
  columns: ReadonlyArray<CsvColumn<T>>,
  read: (request: PageRequest) => Promise<Page<T>>,
  { cursor }: PageRequest,
  totals?: CsvTotals<T>,
): FileAnswer => ({
  status: 200,
  file: {
    type: TYPE,
    name,
    write: (response: Response) =>
      pipeline(
        Readable.from(cellsOf(rowsOf(read, cursor), columns, totals)),
        stringify({ bom: true, header: true, columns: columns.map(titleOf) }),
        response,
      ),
  },
});
