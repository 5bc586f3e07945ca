/** A value that a fact reads by the statement that locks the account, without a round trip for the value alone. */
import type { Prisma } from './generated/client.ts';

export interface Also<A> {
  /** Selects one JSON value, in which BIGINT is a number. `locked` is the row of the account. */
  sql: Prisma.Sql;
  of: (value: unknown) => A;
}
