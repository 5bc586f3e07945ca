/**
 * Raw statements go to the driver directly: the client's interpreter takes twice the time of the driver. Arguments and
 * answers are those of the client's own raw queries. A statement of a transaction is sent on the transaction's
 * connection as long as the transaction is open, and never afterwards.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { Prisma, type PrismaClient } from './generated/client.ts';

type RawQueries = Pick<PrismaClient, '$queryRaw' | '$executeRaw' | '$queryRawUnsafe' | '$executeRawUnsafe'>;
type NameOf = (query: { sql: string; args: readonly unknown[] }) => string;

/** The sender of a statement: a pool, or a connection. */
interface Sender {
  query(statement: pg.QueryConfig): Promise<pg.QueryResult>;
}

/**
 * Parsers by the OID of a type, where the answer of the driver differs from the answer of the client.
 * Source: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
 */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  // int8, oid, numeric.
  20: BigInt,
  26: BigInt,
  1700: (text) => new Prisma.Decimal(text),
  // int8[], numeric[].
  1016: (text) => arrayOf(text, BigInt),
  1231: (text) => arrayOf(text, (each) => new Prisma.Decimal(each)),
  // date, timestamp, timestamptz: an instant, in UTC where the text has no zone.
  1082: (text) => new Date(`${text}T00:00:00Z`),
  1114: (text) => new Date(`${text.replace(' ', 'T')}Z`),
  1184: (text) => new Date(text.replace(' ', 'T').replace(/([+-]\d{2})$/, '$1:00')),
};

// The driver's types name no arrays.
const TEXT_ARRAY = 1009 as Parameters<typeof pg.types.getTypeParser>[0];
const arrayOf = (text: string, parse: (text: string) => unknown): unknown[] =>
  (pg.types.getTypeParser(TEXT_ARRAY, 'text')(text) as Array<string | null>).map((each) =>
    each === null ? null : parse(each),
  );

/** Has the driver parse values as the client's raw queries answer them. */
export const RAW_TYPES: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => PARSERS[oid] ?? pg.types.getTypeParser(oid, format),
};

/** The driver would write an instant in the zone of the process. */
const toValue = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value);

function rawQueries(senderNow: () => Sender, nameOf: NameOf): RawQueries {
  const send = async (text: string, args: readonly unknown[]): Promise<pg.QueryResult> => {
    const name = nameOf({ sql: text, args });
    return senderNow().query({ ...(name !== '' && { name }), text, values: args.map(toValue), types: RAW_TYPES });
  };
  const sendRaw = (query: TemplateStringsArray | Prisma.Sql, values: readonly unknown[]): Promise<pg.QueryResult> => {
    const { text, values: args } = 'text' in query ? query : Prisma.sql(query, ...values);
    return send(text, args);
  };
  const rows = async (result: Promise<pg.QueryResult>): Promise<unknown> => (await result).rows;
  const count = async (result: Promise<pg.QueryResult>): Promise<number> => (await result).rowCount ?? 0;
  // Unlike the client's own answers, the promises returned here cannot be part of a list of statements.
  return {
    $queryRaw: (query, ...values) => rows(sendRaw(query, values)),
    $executeRaw: (query, ...values) => count(sendRaw(query, values)),
    $queryRawUnsafe: (text, ...values) => rows(send(text, values)),
    $executeRawUnsafe: (text, ...values) => count(send(text, values)),
  } as RawQueries;
}

/** How many transactions have ended on a connection. */
const endedOn = new WeakMap<pg.PoolClient, number>();

/**
 * Notes a COMMIT or ROLLBACK that is being sent on a connection. Later statements there are not part of the
 * transaction.
 */
export const noteEndOfTransaction = (connection: pg.PoolClient): void => {
  endedOn.set(connection, (endedOn.get(connection) ?? 0) + 1);
};

interface OpenTransaction {
  /** The connection of the transaction, and the number of transactions that had ended on the connection before. */
  on?: { connection: pg.PoolClient; endedBefore: number };
}
const beginning = new AsyncLocalStorage<OpenTransaction>();

/**
 * Notes the connection that the pool gives to a transaction: the first one given within the work of the transaction.
 */
export function noteConnection(connection: pg.PoolClient): void {
  const transaction = beginning.getStore();
  if (transaction && !transaction.on) transaction.on = { connection, endedBefore: endedOn.get(connection) ?? 0 };
}

/**
 * Thrown instead of a statement whose transaction is over: its time was up before the statement was sent. Reads as
 * `query_canceled`, like the error P2028 of the client for statements of its own.
 */
export class TransactionOver extends Error {
  readonly code = '57014';

  constructor() {
    super('the transaction of this statement is over');
  }
}

/** @throws TransactionOver */
function connectionOf({ on }: OpenTransaction): pg.PoolClient {
  if (!on || (endedOn.get(on.connection) ?? 0) !== on.endedBefore) throw new TransactionOver();
  return on.connection;
}

/** A client with some methods replaced. */
const withMethods = <C extends object>(client: C, methods: Partial<C>): C =>
  new Proxy(client, {
    get: (target, name) => (Object.hasOwn(methods, name) ? methods[name as keyof C] : Reflect.get(target, name)),
  });

/** A client that sends its raw queries, and those of its transactions, directly. */
export function withDirectRawQueries(client: PrismaClient, pool: pg.Pool, nameOf: NameOf): PrismaClient {
  type Work = (tx: Prisma.TransactionClient) => Promise<unknown>;
  const $transaction = (work: Work | Prisma.PrismaPromise<unknown>[], options?: object) => {
    if (Array.isArray(work)) return client.$transaction(work, options);
    const transaction: OpenTransaction = {};
    const raw = rawQueries(() => connectionOf(transaction), nameOf);
    return beginning.run(transaction, () => client.$transaction((tx) => work(withMethods(tx, raw)), options));
  };
  return withMethods(client, {
    ...rawQueries(() => pool, nameOf),
    $transaction: $transaction as PrismaClient['$transaction'],
  });
}
