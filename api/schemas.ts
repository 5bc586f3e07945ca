/** The words of the contract as schemas: they check requests, type answers, and make the OpenAPI document. */
import { extendZodWithOpenApi } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { BillingError } from '../billing/errors.ts';
import { CALLER_ID } from '../billing/ids.ts';
import { formatDollars, type Micros, parseDollars } from '../billing/money.ts';
import { formatSecond, secondOf } from '../billing/time.ts';
import type { Page, PageRequest } from '../prisma/pages.ts';

extendZodWithOpenApi(z);

export { z };

/** Money that comes in: a decimal string of dollars. Parses to micros. */
export const Dollars = z
  .string('expected a decimal string of dollars such as "2.49"')
  .transform((text, context): Micros => {
    try {
      return parseDollars(text);
    } catch (error) {
      const message = error instanceof BillingError ? error.message : 'expected an amount that can be counted';
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  })
  .openapi({ pattern: '^(0|[1-9]\\d{0,9})(\\.\\d{1,6})?$', example: '2.49' });

/** Money that goes out: six places. */
export const Amount = z.string().openapi({ example: '2.490000', description: 'dollars, six places' });
export const Time = z.string().openapi({ format: 'date-time', example: '2026-03-01T00:00:00Z' });

export const amount = (micros: Micros | bigint): string => formatDollars(micros);
export const amountOrNull = (micros: Micros | null): string | null => (micros === null ? null : formatDollars(micros));
export const timeOrNull = (second: number | null): string | null => (second === null ? null : formatSecond(second));

/** A second that comes in: RFC 3339 without a fraction. Parses to a unix second. */
export const Second = z.iso
  .datetime({ offset: true, error: 'expected an RFC 3339 time such as "2026-03-01T00:00:00Z"' })
  .transform((text, context): number => {
    const ms = Date.parse(text);
    if (Number.isSafeInteger(ms) && ms % 1000 === 0) return secondOf(ms);
    context.addIssue({ code: 'custom', message: 'expected whole seconds' });
    return z.NEVER;
  })
  .openapi({ format: 'date-time', example: '2026-03-01T00:00:00Z' });

const PRINTABLE = /^[^\p{Cc}\p{Cs}]+$/u;

/** Text for people: no control characters, no halves of characters, which no database and no mail can carry. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(PRINTABLE, 'must not hold control characters')
    // Made from the expression, the document would have its flag in the pattern, which nothing matches then.
    .openapi({ pattern: PRINTABLE.source });

export const Id = z.string().regex(CALLER_ID, 'expected 1 to 64 of A-Z a-z 0-9 _ -').openapi({ example: 'acme' });
/** An id in a path. One that could be nobody's is not an invalid request but simply not there: see route.ts. */
export const PathId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/)
  .openapi({ example: 'acme' });

const MOST_TOKENS = 1_000_000_000_000;
/** Tokens of one request: none to 10¹². */
export const TokenCount = z.int().min(0).max(MOST_TOKENS).openapi({ example: 4_000 });

export const TeamPath = z.object({ team: PathId });

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 50;

/** @param id how the ids of the listed rows look */
const cursorOf = (id: RegExp) =>
  z.string().refine((cursor) => {
    const [, rowId] = /^\d{1,15}\.(.+)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
    return rowId !== undefined && id.test(rowId);
  }, 'is not one that a list answered');

const ANY_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** Ids that the database makes. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const pageQuery = (id = ANY_ID) =>
  z.object({
    limit: z
      .string()
      .regex(/^\d{1,4}$/, 'expected a whole number')
      .transform(Number)
      .pipe(z.number().min(1).max(MAX_LIMIT))
      .optional()
      .openapi({ type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT }),
    cursor: cursorOf(id).optional().openapi({ type: 'string' }),
  });

export const pageRequest = ({
  limit,
  cursor,
}: {
  limit?: number | undefined;
  cursor?: string | undefined;
}): PageRequest => ({
  limit: limit ?? DEFAULT_LIMIT,
  ...(cursor !== undefined && { cursor }),
});

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ data: z.array(item), nextCursor: z.string().nullable() });

export const viewPage = <T, V>(page: Page<T>, view: (item: T) => V): Page<V> => ({
  data: page.data.map(view),
  nextCursor: page.nextCursor,
});

/** Types and codes are those of errors.ts, which this file does not import: it stands below it. */
export const ErrorBody = z
  .object({
    error: z.object({
      type: z.string(),
      code: z.string(),
      message: z.string(),
      param: z.string().optional(),
      errors: z.array(z.object({ param: z.string(), message: z.string() })).optional(),
      deposit: z.string().optional(),
      refund: z.string().optional(),
      instance: z.string().optional(),
      reason: z.string().optional(),
      requestId: z.string(),
    }),
  })
  .openapi('Error');

/**
 * Reads what a caller sent.
 * @throws BillingError `invalid_request`, naming the first argument at fault
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, whole: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (!issue) throw new BillingError('invalid_request', 'the request is not valid', whole);
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') path.push(issue.keys[0] ?? '');
  const param = path.join('.') || whole;
  const message = issue.code === 'unrecognized_keys' ? `there is no field "${param}"` : `${param}: ${issue.message}`;
  // Names of fields are the caller's text: cut, so that an error never carries more than a line of it.
  throw new BillingError('invalid_request', message.slice(0, 300), param.slice(0, 100));
}
