/**
 * Papers: files for a team. A paper is opened in the transaction of its payment, with the recipient as of the payment.
 * Its file is drawn once and stored, so the file never changes.
 */
import { type PaperKind, paperId } from '../billing/ids.ts';
import { currentBillingDetails } from './billing-details.ts';
import type { Db, Tx } from './client.ts';
import { toSecond } from './columns.ts';
import type { Prisma } from './generated/client.ts';
import { getTeam } from './teams.ts';

/** Whom a paper is made out to. */
export interface Recipient {
  teamName: string;
  company: string | null;
  address: string | null;
  taxId: string | null;
  reference: string | null;
}

export interface Paper {
  id: string;
  teamId: string;
  number: string;
  /** The second of the payment. */
  second: number;
  recipient: Recipient;
}

export interface NewPaper {
  kind: PaperKind;
  number: string;
  teamId: string;
  second: number;
}

/** Opens a paper, made out to the team as of now. An open paper stays unchanged. */
export async function openPaper(tx: Tx, { kind, number, teamId, second }: NewPaper): Promise<void> {
  const { name: teamName } = await getTeam(tx, teamId);
  const { company, address, taxId, reference } = await currentBillingDetails(tx, teamId);
  const recipient: Recipient = { teamName, company, address, taxId, reference };
  const row = { id: paperId(kind, number), teamId, kind, number, second, recipient: { ...recipient } };
  await tx.paper.createMany({ data: [row], skipDuplicates: true });
}

export async function findPaper(tx: Tx, kind: PaperKind, number: string): Promise<Paper | null> {
  const row = await tx.paper.findUnique({ where: { id: paperId(kind, number) } });
  return row && { ...row, second: toSecond(row.second), recipient: readRecipient(row.recipient) };
}

const readRecipient = (json: Prisma.JsonValue): Recipient => ({
  company: null,
  address: null,
  taxId: null,
  reference: null,
  ...(json as unknown as Pick<Recipient, 'teamName'> & Partial<Recipient>),
});

/** The stored file of a paper. Null until drawn. */
export async function findPaperFile(tx: Tx, id: string): Promise<Buffer | null> {
  const row = await tx.paperFile.findUnique({ where: { paperId: id } });
  return row && Buffer.from(row.content);
}

/**
 * Stores the file of a paper and returns the stored file: if two processes draw at once, the first file is the paper.
 */
export async function keepPaperFile(db: Db, id: string, content: Buffer, madeSecond: number): Promise<Buffer> {
  await db.paperFile.createMany({
    data: [{ paperId: id, content: new Uint8Array(content), madeSecond }],
    skipDuplicates: true,
  });
  const savedFile = await findPaperFile(db, id);
  if (savedFile === null) throw new Error(`the file of ${id} was not kept`);
  return savedFile;
}
