/** What a platform keeps with our rows: string to string. Its limits are checked where it comes in (api/metadata.ts). */
import type { Prisma } from './generated/client.ts';

export type Metadata = Readonly<Record<string, string>>;

/** A JSON column that holds metadata. */
export const toMetadata = (value: Prisma.JsonValue): Metadata => value as Record<string, string>;

/** Whether two hold the same, in whatever order. */
export const isSameMetadata = (a: Metadata, b: Metadata): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => b[key] === value);
