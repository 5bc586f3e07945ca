/** Digests of requests and causes. */
import { createHash } from 'node:crypto';

/** The SHA-256 of a text, in hex. */
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The first 128 bits of the digest: the length of an id. */
export const digest128 = (text: string): string => digestOf(text).slice(0, 32);

/** A digest of a request without its id, to distinguish a repeat from another request under the same id. */
export const requestHashOf = (parts: ReadonlyArray<string | number | boolean | null>): string =>
  digestOf(JSON.stringify(parts));
