/**
 * Interprets database errors, in a single place. Prisma stores the SQLSTATE in a different place for each way of
 * sending a statement: `meta.driverAdapterError.cause` of a known request error (P2010, P2037, P2039), the cause of a
 * DriverAdapterError, or `code` of the driver's own error. Some states reach us only as the kind of an adapter error or
 * as one of Prisma's own codes.
 */

/** States by the adapter's names for errors without a state. */
const STATE_OF_KIND: Readonly<Record<string, string>> = {
  DatabaseNotReachable: '08001',
  ConnectionClosed: '08006',
  SocketTimeout: '08006',
  TlsConnectionError: '08001',
  TransactionWriteConflict: '40001',
  TooManyConnections: '53300',
  UniqueConstraintViolation: '23505',
  DatabaseDoesNotExist: '3D000',
  DatabaseAccessDenied: '28000',
  AuthenticationFailed: '28P01',
};

/** A state for each code of Prisma's own and of the operating system. */
const STATE_OF_CODE: Readonly<Record<string, string>> = {
  P1000: '28P01',
  P1001: '08001',
  P1002: '08001',
  P1003: '3D000',
  P1008: '08006',
  P1010: '28000',
  P1011: '08001',
  P1017: '08006',
  P1018: '08006',
  P2002: '23505',
  // A wait for a connection of the pool, and a transaction that could not begin or took too long.
  P2024: '53300',
  P2028: '57014',
  P2034: '40001',
  P2037: '53300',
  ECONNREFUSED: '08001',
  ENOTFOUND: '08001',
  EAI_AGAIN: '08001',
  EHOSTUNREACH: '08001',
  ENETUNREACH: '08001',
  ECONNRESET: '08006',
  EPIPE: '08006',
  ETIMEDOUT: '08006',
};

/** The messages of errors without a code from the driver. */
const STATE_OF_MESSAGE: ReadonlyArray<readonly [RegExp, string]> = [
  [/timeout exceeded when trying to connect|Connection terminated due to connection timeout/i, '53300'],
  [/Unable to start a transaction/i, '53300'],
  [/Query read timeout/i, '57014'],
  [
    /Connection terminated|is not queryable|Client was closed|Can't reach database|Server has closed the connection|not able to accept the message|Cannot use a pool after calling end/i,
    '08006',
  ],
];

const SQLSTATE = /^[0-9A-Z]{5}$/;
/** A Prisma code has the length of a state and is none. */
const PRISMA_CODE = /^P[12]\d{3}$/;

interface Shape {
  name?: unknown;
  code?: unknown;
  originalCode?: unknown;
  kind?: unknown;
  message?: unknown;
  cause?: unknown;
  meta?: { code?: unknown; driverAdapterError?: unknown };
  errors?: unknown;
}

const asState = (code: unknown): string | null =>
  typeof code === 'string' && SQLSTATE.test(code) && !PRISMA_CODE.test(code) && !/^E[A-Z]{4}$/.test(code) ? code : null;

/** The SQLSTATE of an error, from any of the places; null for an error that is not the database's. */
export function sqlStateOf(error: unknown, depth = 0): string | null {
  if (typeof error !== 'object' || error === null || depth > 8) return null;
  const shape = error as Shape;
  const own = asState(shape.originalCode) ?? asState(shape.code) ?? asState(shape.meta?.code);
  if (own !== null) return own;
  const within = [shape.meta?.driverAdapterError, shape.cause, ...(Array.isArray(shape.errors) ? shape.errors : [])];
  for (const inner of within) {
    const state = sqlStateOf(inner, depth + 1);
    if (state !== null) return state;
  }
  if (typeof shape.kind === 'string' && STATE_OF_KIND[shape.kind] !== undefined)
    return STATE_OF_KIND[shape.kind] ?? null;
  if (typeof shape.code === 'string' && STATE_OF_CODE[shape.code] !== undefined)
    return STATE_OF_CODE[shape.code] ?? null;
  const { message } = shape;
  if (typeof message !== 'string') return null;
  return STATE_OF_MESSAGE.find(([sentence]) => sentence.test(message))?.[1] ?? null;
}

/**
 * Connection, resources, operator and system; also a missing database or login, which an operator corrects. Source:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const PASSING_CLASSES: ReadonlySet<string> = new Set(['08', '53', '57', '58', '28', '3D']);
/** A server that takes no writes, timed-out transactions, serialization failure, deadlock, a lock not available. */
const PASSING_STATES: ReadonlySet<string> = new Set(['25006', '25P02', '25P03', '25P04', '40001', '40P01', '55P03']);

export const isPassingState = (state: string): boolean =>
  PASSING_CLASSES.has(state.slice(0, 2)) || PASSING_STATES.has(state);

/** True if the same call can succeed later without a change. */
export function isDatabaseAway(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== null && isPassingState(state);
}

const RESOLUTION_UNKNOWN = '08007';

/**
 * Thrown when the connection broke while a commit was under way: the database may have kept the transaction. The code is
 * the SQLSTATE `transaction_resolution_unknown`.
 */
export class CommitUnknown extends Error {
  readonly code = RESOLUTION_UNKNOWN;

  constructor(cause: unknown) {
    super('the connection broke during a commit, and whether the transaction was kept is not known', { cause });
    this.name = 'CommitUnknown';
  }
}

/** True if the database may have committed the transaction in spite of the error. */
export const isCommitUnknown = (error: unknown): boolean => sqlStateOf(error) === RESOLUTION_UNKNOWN;

/** No connection was made, or the server refused the connection: no statement was sent. */
const NOT_SENT: ReadonlySet<string> = new Set(['08001', '08004', '57P03']);

/** Whether the connection broke after a statement may have been sent. The server answers any other failure by itself. */
const isBroken = (state: string): boolean => /^(?:08|57P)/.test(state) && !NOT_SENT.has(state);

/** The error of a COMMIT. Only an answer of the server proves that nothing was stored. */
export function commitFailure(error: unknown): unknown {
  const state = sqlStateOf(error);
  return state === null || isBroken(state) ? new CommitUnknown(error) : error;
}

/** The error of a statement that commits by itself. */
export function statementFailure(error: unknown): unknown {
  const state = sqlStateOf(error);
  return state !== null && isBroken(state) ? new CommitUnknown(error) : error;
}

/** In a race a unique violation means "already there". */
export const isUniqueViolation = (error: unknown): boolean => sqlStateOf(error) === '23505';

/** Whether the database refused a value, a key or a check, and so has kept nothing of the transaction. */
export const isRefusedByDatabase = (error: unknown): boolean => /^2[23]/.test(sqlStateOf(error) ?? '');
