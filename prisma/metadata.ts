/** Strings that a platform keeps with our rows. api/http/metadata.ts checks the limits. */
import type { Prisma } from './generated/client.ts';

export type Metadata = Readonly<Record<string, string>>;

/** The value of a JSON column with metadata. */
export const toMetadata = (value: Prisma.JsonValue): Metadata => value as Record<string, string>;

/** True if both have equal entries, in any order. */
export const isSameMetadata = (a: Metadata, b: Metadata): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => b[key] === value);
