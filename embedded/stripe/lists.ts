import { invalidRequest, resourceMissing } from './errors.ts';
import type { SearchResult, StripeList } from './objects.ts';
import { integer, type Range, text } from './params.ts';

export const pagination = { limit: integer(1, 100), starting_after: text, ending_before: text };

interface Page {
  limit?: number | undefined;
  starting_after?: string | undefined;
  ending_before?: string | undefined;
}

/** A page, newest first. `ending_before` selects the page just newer than the named object. */
export function listPage<T extends { id: string }>(
  url: string,
  all: Iterable<T>,
  page: Page,
  noun: string,
  fits: (object: T) => boolean = () => true,
): StripeList<T> {
  const { limit = 10, starting_after: after, ending_before: before } = page;
  if (after !== undefined && before !== undefined)
    throw invalidRequest('You can only specify one of these parameters: ending_before, starting_after.', {
      code: 'parameters_exclusive',
      param: 'ending_before',
    });
  const newestFirst = [...all].filter(fits).reverse();
  const cursor = after ?? before;
  const at = newestFirst.findIndex((object) => object.id === cursor);
  if (cursor !== undefined && at < 0)
    throw resourceMissing(noun, cursor, after === undefined ? 'ending_before' : 'starting_after', 'parameter');
  const start = before === undefined ? at + 1 : Math.max(0, at - limit);
  const end = before === undefined ? start + limit : at;
  const hasMore = before === undefined ? end < newestFirst.length : start > 0;
  return { object: 'list', data: newestFirst.slice(start, end), has_more: hasMore, url };
}

export function within(range: Range | undefined, value: number): boolean {
  if (range === undefined) return true;
  const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = range;
  return value > gt && value >= gte && value < lt && value <= lte;
}

/** Pages of a search are numbered; the name of the next page is opaque to callers. */
export function searchPage<T>(
  url: string,
  found: T[],
  { limit = 10, page }: { limit?: number | undefined; page?: string | undefined },
): SearchResult<T> {
  const start = page === undefined ? 0 : Number(Buffer.from(page, 'base64url').toString());
  if (!Number.isSafeInteger(start)) throw invalidRequest('Invalid page token', { param: 'page' });
  const end = start + limit;
  const hasMore = end < found.length;
  return {
    object: 'search_result',
    data: found.slice(start, end),
    has_more: hasMore,
    next_page: hasMore ? Buffer.from(String(end)).toString('base64url') : null,
    url,
  };
}
