/** Metadata: strings that a platform keeps with our objects. The limits are Stripe's. */
import { BillingError } from '../../billing/errors.ts';
import type { Metadata as Kept } from '../../prisma/metadata.ts';
import { visible, z } from './schemas.ts';

const MOST_KEYS = 50;
const LONGEST_KEY = 40;
const LONGEST_VALUE = 500;

const Key = visible(LONGEST_KEY).refine((key) => !/[[\]]/.test(key), 'must hold no square bracket');
const Value = visible(LONGEST_VALUE);
const EXAMPLE = { customer: 'cus_1042', plan: 'pro' };

const tooMany = `must have at most ${MOST_KEYS} keys`;
const fewEnough = (entries: object): boolean => Object.keys(entries).length <= MOST_KEYS;
/** Zod drops this key from a record, and the value would be lost. */
const withoutPrototype = (given: unknown): boolean =>
  typeof given !== 'object' || given === null || !Object.hasOwn(given, '__proto__');

const described = `up to ${MOST_KEYS} keys of up to ${LONGEST_KEY} characters, values of up to ${LONGEST_VALUE}`;

/** Metadata of a new object. */
export const NewMetadata = z
  .unknown()
  .refine(withoutPrototype, 'must have no key "__proto__"')
  .pipe(z.record(Key, Value).refine(fewEnough, tooMany))
  .openapi({ type: 'object', additionalProperties: { type: 'string' }, description: described, example: EXAMPLE });

/** A change of metadata: null removes a key, and other keys stay. */
export const MetadataChange = z
  .unknown()
  .refine(withoutPrototype, 'must have no key "__proto__"')
  .pipe(z.record(Key, Value.nullable()))
  .openapi({
    type: 'object',
    additionalProperties: { type: ['string', 'null'] },
    description: `merged with the stored metadata; null removes a key; ${described}`,
    example: { plan: 'enterprise', trial: null },
  });

/** Metadata in answers. */
export const Metadata = z.record(z.string(), z.string()).openapi({ example: EXAMPLE });

/**
 * The metadata after a change.
 * @throws BillingError `invalid_request`, naming `metadata`
 */
export function mergeMetadata(savedEntries: Kept, change: Readonly<Record<string, string | null>>): Kept {
  const merged = new Map(Object.entries({ ...savedEntries, ...change }).filter(([, value]) => value !== null));
  if (merged.size > MOST_KEYS) throw new BillingError('invalid_request', `metadata ${tooMany}`, 'metadata');
  return Object.fromEntries(merged) as Kept;
}
