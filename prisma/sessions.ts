/**
 * Sessions of people in the dashboard. A row begins as a one-time link and becomes a session when the link is exchanged.
 * Only digests of the secrets are stored.
 */
import { SECONDS_PER_DAY } from '../billing/time.ts';
import type { Tx } from './client.ts';
import { fieldsOf, toSecond } from './columns.ts';
import { Prisma, type Session as SessionRow } from './generated/client.ts';

export type SessionRole = 'viewer' | 'billing' | 'operator';

/** A person as the platform describes its signed-in user. */
export interface SessionUser {
  id: string;
  name: string;
  email: string;
}

export interface NewSession {
  id: string;
  /** Null for an operator. */
  teamId: string | null;
  role: SessionRole;
  user: SessionUser;
  createdSecond: number;
  /** The first second at which the link is no longer exchanged. */
  linkExpiresSecond: number;
}

/** A session that is not over. */
export interface Session {
  id: string;
  /** Null for an operator. */
  teamId: string | null;
  role: SessionRole;
  user: SessionUser;
  startedSecond: number;
  /** The first second at which the session is over. */
  expiresSecond: number;
}

/** Rows are deleted so long after their creation. No session is that long. */
const KEPT_SECONDS = 30 * SECONDS_PER_DAY;

const FIELDS = fieldsOf(Prisma.SessionScalarFieldEnum, 'sessions');

const toSession = (row: SessionRow): Session => ({
  id: row.id,
  teamId: row.teamId,
  role: row.role as SessionRole,
  user: { id: row.userId, name: row.userName, email: row.userEmail },
  startedSecond: toSecond(row.startedSecond ?? row.createdSecond),
  expiresSecond: toSecond(row.expiresSecond ?? row.createdSecond),
});

/** @param linkHash the digest of the link's secret */
export async function insertSession(tx: Tx, { user, ...session }: NewSession, linkHash: string): Promise<void> {
  const { id: userId, name: userName, email: userEmail } = user;
  await tx.session.create({ data: { ...session, userId, userName, userEmail, linkHash } });
}

/**
 * Exchanges a link for a session, once. Null for a link that is unknown, expired, revoked or exchanged before.
 * @param linkHash the digest of the link's secret
 * @param hash the digest of the session's secret
 */
export async function exchangeLink(
  tx: Tx,
  linkHash: string,
  session: { hash: string; nowSecond: number; expiresSecond: number },
): Promise<Session | null> {
  const { hash, nowSecond, expiresSecond } = session;
  // Of two exchanges at once, the second one waits for the row lock of the first and then matches no row.
  const [row] = await tx.$queryRaw<SessionRow[]>`
    UPDATE sessions SET hash = ${hash}, started_second = ${nowSecond}::bigint, expires_second = ${expiresSecond}::bigint
    WHERE link_hash = ${linkHash} AND started_second IS NULL AND ended_second IS NULL
      AND link_expires_second > ${nowSecond}::bigint
    RETURNING ${Prisma.raw(FIELDS)}`;
  return row ? toSession(row) : null;
}

/** The session whose secret has this digest, unless the session is over. */
export async function findSession(tx: Tx, hash: string, nowSecond: number): Promise<Session | null> {
  const row = await tx.session.findUnique({ where: { hash } });
  const isOver = !row || row.endedSecond !== null || toSecond(row.expiresSecond ?? 0n) <= nowSecond;
  return isOver ? null : toSession(row);
}

export const endSession = async (tx: Tx, id: string, second: number): Promise<void> => {
  await tx.session.updateMany({ where: { id, endedSecond: null }, data: { endedSecond: second } });
};

/** Ends all sessions of a person in a team, and revokes the person's links. Returns the ids of the ended rows. */
export async function endSessionsOf(tx: Tx, teamId: string, userId: string, second: number): Promise<string[]> {
  const ended = await tx.$queryRaw<Array<{ id: string }>>`
    UPDATE sessions SET ended_second = ${second}::bigint
    WHERE team_id = ${teamId} AND user_id = ${userId} AND ended_second IS NULL
      AND COALESCE(expires_second, link_expires_second) > ${second}::bigint
    RETURNING id`;
  return ended.map(({ id }) => id);
}

/** Deletes the rows of sessions that are over since long ago. */
export const forgetOldSessions = async (tx: Tx, nowSecond: number): Promise<void> => {
  await tx.session.deleteMany({ where: { createdSecond: { lte: nowSecond - KEPT_SECONDS } } });
};
