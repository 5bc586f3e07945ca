/** Teams: whom an account belongs to. Addresses live here and in no payload. */
import { emptyAccount } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import { copyCause } from '../billing/ids.ts';
import { insertAccount } from './account-row.ts';
import { type Db, inTransaction, isUniqueViolation, type Tx } from './client.ts';
import { toSecond, toSecondOrNull } from './columns.ts';
import { Prisma as PrismaSql, type Team as TeamRow } from './generated/client.ts';
import { isSameMetadata, type Metadata, toMetadata } from './metadata.ts';
import { insertNotices } from './notices.ts';
import { type Page, type PageRequest, pageBySql } from './pages.ts';

export interface Team {
  id: string;
  name: string;
  email: string;
  stripeCustomerId: string | null;
  /** The name and the address that the provider's customer was last given. Null: not known. */
  stripeCustomerName: string | null;
  stripeCustomerEmail: string | null;
  createdSecond: number;
  metadata: Metadata;
}

const toTeam = ({ searchText: _, ...row }: TeamRow): Team => ({
  ...row,
  createdSecond: toSecond(row.createdSecond),
  metadata: toMetadata(row.metadata),
});

/**
 * Makes a team and its account. A repeat of the id with the same name, address and metadata is the same team.
 * @throws BillingError `id_taken`
 */
export async function createTeam(
  db: Db,
  team: { id: string; name: string; email: string; metadata?: Metadata },
  second: number,
): Promise<{ team: Team; created: boolean }> {
  try {
    const created = await inTransaction(db, async (tx) => {
      const { metadata = {}, ...named } = team;
      const derivedColumns = { metadata: { ...metadata }, searchText: searchTextOf(team), createdSecond: second };
      const row = await tx.team.create({ data: { ...named, ...derivedColumns } });
      await insertAccount(tx, emptyAccount(team.id, second));
      return toTeam(row);
    });
    return { team: created, created: true };
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const existing = await getTeam(db, team.id);
    const isOther = team.metadata !== undefined && !isSameMetadata(existing.metadata, team.metadata);
    if (existing.name !== team.name || existing.email !== team.email || isOther)
      throw new BillingError('id_taken', 'another team has this id', 'id');
    return { team: existing, created: false };
  }
}

/** @throws BillingError `not_found` */
export async function getTeam(tx: Tx, id: string): Promise<Team> {
  const row = await tx.team.findUnique({ where: { id } });
  if (!row) throw new BillingError('not_found', 'no such team', 'team');
  return toTeam(row);
}

/**
 * Changes a team's name, address or metadata. A new name or address writes a notice, so the card provider's customer is
 * updated too.
 * @param of the second of the request, and a unique id for the notice
 * @throws BillingError `not_found`
 */
export async function updateTeam(
  tx: Tx,
  id: string,
  change: { name?: string; email?: string; metadata?: Metadata },
  of: { second: number; copyId: string },
): Promise<void> {
  const { metadata, ...named } = change;
  const before = await getTeam(tx, id);
  const data = { ...named, ...(metadata !== undefined && { metadata: { ...metadata } }) };
  await tx.team.updateMany({ where: { id }, data });
  const after = await getTeam(tx, id);
  await tx.team.updateMany({ where: { id }, data: { searchText: searchTextOf(after) } });
  if (after.name === before.name && after.email === before.email) return;
  const copy = { teamId: id, second: of.second, cause: copyCause(id, of.copyId), data: {} };
  await insertNotices(tx, [{ ...copy, channel: 'customer', kind: 'customer.copy' }]);
}

/** A team with its state. */
export interface TeamWithState extends Team {
  suspendedSecond: number | null;
  suspendedNote: string | null;
  archivedSecond: number | null;
}

async function withState(tx: Tx, teams: Team[]): Promise<TeamWithState[]> {
  const rows = await tx.account.findMany({
    where: { teamId: { in: teams.map(({ id }) => id) } },
    select: { teamId: true, suspendedSecond: true, suspendedNote: true, archivedSecond: true },
  });
  const states = new Map(rows.map((row) => [row.teamId, row]));
  return teams.map((team) => {
    const state = states.get(team.id);
    return {
      ...team,
      suspendedSecond: toSecondOrNull(state?.suspendedSecond ?? null),
      suspendedNote: state?.suspendedNote ?? null,
      archivedSecond: toSecondOrNull(state?.archivedSecond ?? null),
    };
  });
}

/** @throws BillingError `not_found` */
export async function getTeamWithState(tx: Tx, id: string): Promise<TeamWithState> {
  const [team] = await withState(tx, [await getTeam(tx, id)]);
  return team as TeamWithState;
}

export const isArchived = async (tx: Tx, id: string): Promise<boolean> =>
  (await tx.account.count({ where: { teamId: id, archivedSecond: { not: null } } })) > 0;

export type TeamStatus = 'active' | 'suspended' | 'archived';

export interface TeamFilter {
  /** A part of the name, the id or the address, in any case. */
  search?: string;
  /** Without a status, all teams that are not archived. */
  status?: TeamStatus | 'all';
}

const STATUS_IN_SQL = {
  active: PrismaSql.sql`AND suspended_second IS NULL AND archived_second IS NULL`,
  suspended: PrismaSql.sql`AND suspended_second IS NOT NULL AND archived_second IS NULL`,
  archived: PrismaSql.sql`AND archived_second IS NOT NULL`,
  all: PrismaSql.empty,
  not_archived: PrismaSql.sql`AND archived_second IS NULL`,
};

/** The text for searches. No name and no address holds a line break. */
const searchTextOf = ({ id, name, email }: Pick<Team, 'id' | 'name' | 'email'>): string =>
  [id, name, email].join('\n').normalize('NFKC').toLowerCase();

/** A pattern that finds a text literally. */
const containing = (text: string): string =>
  `%${text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\\%_]/g, '\\$&')}%`;

/** Teams, newest first. */
export async function listTeams(tx: Tx, filter: TeamFilter, page: PageRequest): Promise<Page<TeamWithState>> {
  const { search, status = 'not_archived' } = filter;
  const pattern = search === undefined ? null : containing(search);
  const idPage = await pageBySql(page, async (after, take) => {
    const rows = await tx.$queryRaw<Array<{ id: string; created_second: bigint }>>`
      SELECT id, created_second FROM teams JOIN accounts ON team_id = id
      WHERE true ${STATUS_IN_SQL[status]}
      ${pattern === null ? PrismaSql.empty : PrismaSql.sql`AND search_text LIKE ${pattern}`}
      ${after === null ? PrismaSql.empty : PrismaSql.sql`AND (created_second, id) < (${after.second}, ${after.id})`}
      ORDER BY created_second DESC, id DESC LIMIT ${take}`;
    return rows.map(({ id, created_second: second }) => ({ id, second }));
  });
  const ids = idPage.data.map(({ id }) => id);
  const rows = await tx.team.findMany({ where: { id: { in: ids } } });
  const teams = new Map((await withState(tx, rows.map(toTeam))).map((team) => [team.id, team]));
  return { data: ids.flatMap((id) => teams.get(id) ?? []), nextCursor: idPage.nextCursor };
}

/** The provider's customer of a team, with the name and the address at the provider. */
export interface CustomerCopy {
  stripeCustomerId: string;
  name: string;
  email: string;
}

const columnsOf = ({ stripeCustomerId, name, email }: CustomerCopy) => ({
  stripeCustomerId,
  stripeCustomerName: name,
  stripeCustomerEmail: email,
});

/** Stores the first customer of a team. The customer's name and address at the provider are not known. */
export const setStripeCustomer = async (tx: Tx, id: string, stripeCustomerId: string): Promise<void> => {
  await tx.team.updateMany({ where: { id, stripeCustomerId: null }, data: { stripeCustomerId } });
};

/**
 * Stores a team's customer at the provider in the place of `replaced`, null for the first. Does nothing when another
 * process has stored a customer meanwhile.
 */
export const keepCustomer = async (tx: Tx, id: string, replaced: string | null, copy: CustomerCopy): Promise<void> => {
  await tx.team.updateMany({ where: { id, stripeCustomerId: replaced }, data: columnsOf(copy) });
};

/** Stores the last copy of name and address at the provider. Does nothing when the team has another customer by now. */
export const noteCustomerCopy = async (tx: Tx, id: string, copy: CustomerCopy): Promise<void> => {
  await tx.team.updateMany({ where: { id, stripeCustomerId: copy.stripeCustomerId }, data: columnsOf(copy) });
};

export async function findTeamByStripeCustomer(tx: Tx, stripeCustomerId: string): Promise<Team | null> {
  const row = await tx.team.findUnique({ where: { stripeCustomerId } });
  return row && toTeam(row);
}
