/** The schemas of the contract: they check requests, type answers, and make the OpenAPI document. */
import { extendZodWithOpenApi } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { CALLER_ID } from '../../billing/ids.ts';
import { formatDollars, type Micros, parseDollars, subtract, ZERO } from '../../billing/money.ts';
import { formatSecond, secondOf } from '../../billing/time.ts';
import type { Page, PageRequest } from '../../prisma/pages.ts';
import { WHOLE } from './messages.ts';

extendZodWithOpenApi(z);

export { z };

const A_DECIMAL = 'must be a decimal string of dollars such as "2.49"';

/** Money in a request: a decimal string of dollars. Parses to micros. */
export const Dollars = z
  .string(A_DECIMAL)
  .transform((text, context): Micros => {
    try {
      return parseDollars(text);
    } catch {
      const tooFine = /^\d+\.\d{7,}$/.test(text);
      const message = tooFine ? 'must have at most six decimal places' : `${A_DECIMAL}, and at most $9,007,199,254`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  })
  .openapi({ pattern: '^(0|[1-9]\\d{0,9})(\\.\\d{1,6})?$', example: '2.49' });

/** Money of either sign: a decimal string of dollars with an optional minus sign. Parses to micros. */
export const SignedDollars = z
  .string('must be a decimal string of dollars such as "2.49" or "-2.49"')
  .transform((text, context): Micros => {
    const parsed = Dollars.safeParse(text.replace(/^-/, ''));
    if (parsed.success) return text.startsWith('-') ? subtract(ZERO, parsed.data) : parsed.data;
    for (const { message } of parsed.error.issues) context.addIssue({ code: 'custom', message });
    return z.NEVER;
  })
  .openapi({ pattern: '^-?(0|[1-9]\\d{0,9})(\\.\\d{1,6})?$', example: '-20.00' });

/** Money in an answer: six places. */
export const Amount = z.string().openapi({ example: '2.490000', description: 'dollars, six places' });
export const Time = z.string().openapi({ format: 'date-time', example: '2026-03-01T00:00:00Z' });

export const amount = (micros: Micros | bigint): string => formatDollars(micros);
export const amountOrNull = (micros: Micros | null): string | null => (micros === null ? null : formatDollars(micros));
export const timeOrNull = (second: number | null): string | null => (second === null ? null : formatSecond(second));

const A_TIME = 'must be an RFC 3339 time such as "2026-03-01T00:00:00Z"';

/** A second in a request: RFC 3339 without a fraction. Parses to a unix second. */
export const Second = z
  .string(A_TIME)
  .transform((text, context): number => {
    const ms = z.iso.datetime({ offset: true }).safeParse(text).success ? Date.parse(text) : Number.NaN;
    if (Number.isSafeInteger(ms) && ms % 1000 === 0) return secondOf(ms);
    context.addIssue({ code: 'custom', ...whyNoSecond(text) });
    return z.NEVER;
  })
  .openapi({ format: 'date-time', example: '2026-03-01T00:00:00Z' });

/** Usual mistakes in a time have their own messages. */
function whyNoSecond(text: string): { message: string; params?: object } {
  if (z.iso.datetime({ offset: true }).safeParse(text).success) return { message: 'must be a whole second' };
  if (z.iso.date().safeParse(text).success)
    return {
      message: `must have a time of day and a zone: send "${text}T00:00:00Z" for its first second in UTC`,
      params: WHOLE,
    };
  if (z.iso.datetime({ local: true }).safeParse(text).success)
    return { message: `must have a time zone: send "${text}Z" for UTC`, params: WHOLE };
  return { message: A_TIME };
}

/**
 * Invisible characters: controls, direction marks and overrides, zero-width spaces, halves and signs of a broken
 * encoding, fillers. A text with such characters looks like another text. The two joiners stay: emoji, Persian and
 * Indic scripts need them. Written without the `u` flag, so generators in every language can use the pattern.
 */
const UNSEEN =
  '\\u0000-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B\\u200E\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uFE00-\\uFE0D\\uFEFF\\uFFA0\\uFFF0-\\uFFFF';
const VISIBLE = new RegExp(`^[^${UNSEEN}]+$`);
/** Halves of characters, characters for private use, and tags: no letters of any script. */
const NO_CHARACTER = /[\p{Cs}\p{Co}\u{E0000}-\u{E0FFF}]/u;
const LETTER = /[\p{L}\p{N}]/u;

/** Text without invisible characters. The text may consist of signs alone. */
export const visible = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => VISIBLE.test(value) && !NO_CHARACTER.test(value), 'must not hold invisible characters')
    .openapi({ pattern: VISIBLE.source });

/** Text for people: a name, a note. */
export const text = (max: number) =>
  visible(max)
    .refine((value) => LETTER.test(value), 'must hold a letter or a digit')
    .openapi({ pattern: VISIBLE.source });

export const Id = z
  .string()
  .regex(CALLER_ID, 'must be 1 to 64 of the letters A-Z and a-z, digits, _ and -')
  .openapi({ example: 'acme' });
/** An id in a path. An impossible id is answered as not found, and not as an invalid request: see route.ts. */
export const PathId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/)
  .openapi({ example: 'acme' });

const MOST_TOKENS = 1_000_000_000_000;
/** Tokens of one request: 0 to 10¹². */
export const TokenCount = z.int().min(0).max(MOST_TOKENS).openapi({ example: 4_000 });

/** The version that a form was read at. Absent: the last writer wins. */
export const Version = z
  .number('must be the version that was read, a whole number')
  .int('must be a whole number')
  .min(0)
  .optional()
  .openapi({ description: 'the version that was read; without it, the last writer wins', example: 3 });

export const TeamPath = z.object({ team: PathId });

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 50;

/** @param id how the ids of the listed rows look */
const cursorOf = (id: RegExp) =>
  z.string().refine((cursor) => {
    const [, rowId] = /^\d{1,15}\.(.+)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
    return rowId !== undefined && id.test(rowId);
  }, 'must be the nextCursor of an earlier answer of this list');

const ANY_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** Ids that the database makes. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const pageQuery = (id = ANY_ID) =>
  z.object({
    limit: z
      .string()
      .regex(/^([1-9]\d?|100)$/, `must be a whole number from 1 to ${MAX_LIMIT}`)
      .transform(Number)
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

/** Types and codes are those of errors.ts. This file stands below errors.ts and so does not import errors.ts. */
export const ErrorBody = z
  .object({
    error: z.object({
      type: z.string(),
      code: z.string(),
      message: z.string(),
      param: z.string().optional(),
      errors: z.array(z.object({ param: z.string(), message: z.string() })).optional(),
      instance: z.string().optional(),
      deposit: z.string().optional(),
      refund: z.string().optional(),
      reason: z.string().optional(),
      requestId: z.string(),
    }),
  })
  .openapi('Error');
