/** Lists: newest first, with a cursor that names the last row, so new rows do not shift the pages. */
import { BillingError } from '../billing/errors.ts';

export interface PageRequest {
  limit: number;
  cursor?: string;
}

export interface Page<T> {
  data: T[];
  nextCursor: string | null;
}

type Keyed<K extends string> = { id: string | bigint } & Record<K, bigint>;

const encode = (second: bigint, id: string | bigint) => Buffer.from(`${second}.${id}`).toString('base64url');

/**
 * The characters of ids. Postgres fails on characters that no text or no UUID may hold, so such a cursor is refused
 * before.
 */
const ANY_ID = /^[A-Za-z0-9_-]+$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NUMBER = /^\d{1,18}$/;
const LOOKS = { any: ANY_ID, uuid: UUID, number: NUMBER };

function decode(cursor: string, ids: RegExp): { second: bigint; id: string } {
  const match = /^(\d{1,18})\.(.+)$/.exec(Buffer.from(cursor, 'base64url').toString());
  if (!match?.[1] || !match[2] || !ids.test(match[2]))
    throw new BillingError('invalid_request', 'cursor is not one that a list answered', 'cursor');
  return { second: BigInt(match[1]), id: match[2] };
}

/**
 * A page of rows from a custom statement, ordered by (second, id) descending.
 * @param find the rows after the named one, at most `take`
 * @throws BillingError `invalid_request` for a cursor that no list answered
 */
export async function pageBySql<T extends { second: bigint; id: string }>(
  request: PageRequest,
  find: (after: { second: bigint; id: string } | null, take: number) => Promise<T[]>,
  ids: keyof typeof LOOKS = 'any',
): Promise<Page<T>> {
  const after = request.cursor === undefined ? null : decode(request.cursor, LOOKS[ids]);
  const rows = await find(after, request.limit + 1);
  const data = rows.slice(0, request.limit);
  const last = data.at(-1);
  return { data, nextCursor: rows.length > request.limit && last ? encode(last.second, last.id) : null };
}

/**
 * A page of rows, ordered by (`key`, id) descending.
 * @throws BillingError `invalid_request` for a cursor that no list answered
 */
export async function pageOf<K extends string, T extends Keyed<K>>(
  request: PageRequest,
  key: K,
  find: (where: object, take: number) => Promise<T[]>,
  ids: keyof typeof LOOKS = 'any',
): Promise<Page<T>> {
  const after = request.cursor === undefined ? null : decode(request.cursor, LOOKS[ids]);
  const idOf = (id: string) => (ids === 'number' ? BigInt(id) : id);
  const where = after
    ? { OR: [{ [key]: { lt: after.second } }, { [key]: after.second, id: { lt: idOf(after.id) } }] }
    : {};
  const rows = await find(where, request.limit + 1);
  const data = rows.slice(0, request.limit);
  const last = data.at(-1);
  return { data, nextCursor: rows.length > request.limit && last ? encode(last[key], last.id) : null };
}
