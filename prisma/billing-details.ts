/** A team's details for papers: company, address, tax id. Each change is a row, and the latest version is in force. */
import { v7 as uuidv7 } from 'uuid';
import { BillingError } from '../billing/errors.ts';
import { type Db, inTransaction, type Tx } from './client.ts';
import { toSecond } from './columns.ts';
import type { BillingDetails as Row } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

export interface BillingDetails {
  company: string | null;
  /** Lines are separated by `\n`. */
  address: string | null;
  taxId: string | null;
  /** The team's own reference, such as the number of a purchase order. */
  reference: string | null;
  /** Gets the papers too. */
  email: string | null;
}

export interface VersionedBillingDetails extends BillingDetails {
  /** Counted from 1; 0 where nothing was ever set. */
  version: number;
}

export interface BillingDetailsChange extends VersionedBillingDetails {
  second: number;
  actor: string;
}

const NONE: VersionedBillingDetails = {
  company: null,
  address: null,
  taxId: null,
  reference: null,
  email: null,
  version: 0,
};

const detailsOf = ({ company, address, taxId, reference, email }: BillingDetails): BillingDetails => ({
  company,
  address,
  taxId,
  reference,
  email,
});

const toChange = (row: Row): BillingDetailsChange => ({
  ...detailsOf(row),
  version: Number(row.version),
  second: toSecond(row.second),
  actor: row.actor,
});

export async function currentBillingDetails(tx: Tx, teamId: string): Promise<VersionedBillingDetails> {
  const row = await tx.billingDetails.findFirst({ where: { teamId }, orderBy: { version: 'desc' } });
  return row ? { ...detailsOf(row), version: Number(row.version) } : NONE;
}

/** Newest first. */
export async function listBillingDetails(
  tx: Tx,
  teamId: string,
  page: PageRequest,
): Promise<Page<BillingDetailsChange>> {
  const { data, nextCursor } = await pageOf(
    page,
    'version',
    (where, take) =>
      tx.billingDetails.findMany({ where: { teamId, ...where }, orderBy: [{ version: 'desc' }, { id: 'desc' }], take }),
    'uuid',
  );
  return { data: data.map(toChange), nextCursor };
}

/**
 * Sets the details. Equal details make no new version.
 * @param change `version`: the version that the caller read; without a version, the last writer wins
 * @throws BillingError `version_conflict` where another change came between
 */
export const setBillingDetails = (
  db: Db,
  teamId: string,
  change: { details: BillingDetails; version: number | undefined; second: number; actor: string },
): Promise<VersionedBillingDetails> =>
  inTransaction(db, async (tx) => {
    // Locks out other writers of the team's details. The team's money is not locked.
    await tx.$queryRaw`SELECT 1 FROM teams WHERE id = ${teamId} FOR NO KEY UPDATE`;
    const current = await currentBillingDetails(tx, teamId);
    if (change.version !== undefined && change.version !== current.version)
      throw new BillingError(
        'version_conflict',
        `version: the billing details are at version ${current.version} by now: read them again, then send the change with that version`,
        'version',
      );
    const details = detailsOf(change.details);
    if (JSON.stringify(details) === JSON.stringify(detailsOf(current))) return current;
    const version = current.version + 1;
    const { second, actor } = change;
    await tx.billingDetails.create({ data: { ...details, id: uuidv7(), teamId, version, second, actor } });
    return { ...details, version };
  });
