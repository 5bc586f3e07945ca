/**
 * The ledger's rows for the comparison of a day: rows of the day, and rows of any day that the providers' rows name.
 */

import { referenceOf } from '../billing/ledger.ts';
import { add, type Micros, subtract, ZERO } from '../billing/money.ts';
import type {
  LedgerDeposit,
  LedgerDispute,
  LedgerOutput,
  LedgerRefund,
  LedgerRows,
  StrayPosting,
} from '../billing/reconciliation/rows.ts';
import type { Day } from '../billing/time.ts';
import type { Db, Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import { isOfCredit } from './corrections.ts';
import { sentMicros } from './refunds.ts';
import { inSnapshot } from './snapshot.ts';

/** The ids in the providers' rows. */
export interface NamedByProviders {
  depositIds: string[];
  /** Payments and pages. */
  providerIds: string[];
  /** Refunds, by the provider's id or ours. */
  refundIds: string[];
  disputeIds: string[];
  /** `hash/output`. */
  outputIds: string[];
}

/** Reads all rows as of one moment: a deposit beside transfers of another moment would look like a difference. */
export const readLedgerRows = (db: Db, day: Day, named: NamedByProviders): Promise<LedgerRows> =>
  inSnapshot(db, async (tx) => {
    const refunds = await readRefunds(tx, day, named);
    const disputes = await readDisputes(tx, day, named);
    const outputs = await readOutputs(tx, day, named);
    const alsoOf = [...refunds, ...disputes, ...outputs].map(({ depositId }) => depositId);
    const deposits = await readDeposits(tx, day, { ...named, depositIds: [...named.depositIds, ...alsoOf] });
    const byId = new Map(deposits.map((deposit) => [deposit.depositId, deposit]));
    const strayPostings: StrayPosting[] = [];
    for (const { depositId, ...posting } of await readPostings(tx, day, [...byId.keys()])) {
      const deposit = byId.get(depositId ?? '');
      if (deposit) deposit.postings.push(posting);
      else
        strayPostings.push({ ...posting, depositId: depositId ?? namedIn(posting.reference), correctedMicros: ZERO });
    }
    await addCorrections(tx, byId, strayPostings);
    return { deposits, strayPostings, refunds, disputes, outputs };
  });

const CREDITED: ReadonlySet<string> = new Set(['succeeded', 'refunded', 'disputed']);
const FAILED: ReadonlySet<string> = new Set(['failed', 'expired']);

interface DepositRow {
  id: string;
  teamId: string;
  method: string;
  status: string;
  amountMicros: bigint;
  openedSecond: bigint;
  closedSecond: bigint | null;
  providerIds: string[];
  customerId: string | null;
}

/** Closed on the day, or opened on the day and still open, or with money posted on the day, or named. */
async function readDeposits(tx: Tx, day: Day, named: NamedByProviders): Promise<LedgerDeposit[]> {
  const rows = await tx.$queryRaw<DepositRow[]>`
    SELECT d.id, d.team_id AS "teamId", d.method, d.status,
      COALESCE(d.received_micros, d.amount_micros) AS "amountMicros",
      d.opened_second AS "openedSecond", d.closed_second AS "closedSecond",
      array_remove(ARRAY[d.stripe_intent_id, d.stripe_session_id, d.copperx_session_id], NULL) AS "providerIds",
      t.stripe_customer_id AS "customerId"
    FROM deposits d JOIN teams t ON t.id = d.team_id
    WHERE (d.closed_second >= ${day.fromSecond} AND d.closed_second < ${day.toSecond})
      OR (d.closed_second IS NULL AND d.opened_second >= ${day.fromSecond} AND d.opened_second < ${day.toSecond})
      OR d.id = ANY(${named.depositIds}::text[])
      OR d.stripe_intent_id = ANY(${named.providerIds}::text[])
      OR d.stripe_session_id = ANY(${named.providerIds}::text[])
      OR d.copperx_session_id = ANY(${named.providerIds}::text[])
      OR d.id IN (
        SELECT deposit_id FROM transfers
        WHERE code IN ('deposit', 'auto_top_up') AND second >= ${day.fromSecond} AND second < ${day.toSecond}
      )`;
  return rows.map(({ id, method, status, ...row }) => ({
    depositId: id,
    teamId: row.teamId,
    provider: method === 'crypto' ? 'copperx' : 'stripe',
    status: CREDITED.has(status) ? 'credited' : FAILED.has(status) ? 'failed' : 'open',
    amountMicros: toMicros(row.amountMicros),
    openedSecond: toSecond(row.openedSecond),
    closedSecond: toSecondOrNull(row.closedSecond),
    providerIds: row.providerIds,
    customerId: row.customerId,
    postings: [],
    corrections: [],
  }));
}

/** The deposit in a transfer's reference. */
const namedIn = (reference: string): string | null => /^deposit\/([^/]+)/.exec(reference)?.[1] ?? null;

/** Corrections of refunds are counted with the refunds. */
async function addCorrections(tx: Tx, byId: Map<string, LedgerDeposit>, strayPostings: StrayPosting[]): Promise<void> {
  const strayIds = strayPostings.flatMap(({ depositId }) => (depositId === null ? [] : [depositId]));
  const rows = await tx.depositCorrection.findMany({ where: { depositId: { in: [...byId.keys(), ...strayIds] } } });
  for (const { depositId, teamId, ...row } of rows) {
    if (!isOfCredit(row)) continue;
    const amountMicros = toMicros(row.amountMicros);
    const strays = strayPostings.filter((posting) => posting.depositId === depositId && posting.teamId === teamId);
    // Several credits can name one deposit. A correction counts with the row that the correction names.
    const stray = strays.find(({ reference }) => reference === row.correctsReference) ?? strays[0];
    byId.get(depositId)?.corrections.push({ teamId, amountMicros });
    if (stray) stray.correctedMicros = add(stray.correctedMicros, amountMicros);
  }
}

interface PostingRow {
  reference: string;
  teamId: string;
  amountMicros: bigint;
  second: bigint;
  depositId: string | null;
}

/** Postings of outside money: of the day, and of any day for the compared deposits. */
async function readPostings(tx: Tx, day: Day, depositIds: string[]) {
  const rows = await tx.$queryRaw<PostingRow[]>`
    SELECT reference, team_id AS "teamId", amount_micros AS "amountMicros", second, deposit_id AS "depositId"
    FROM transfers
    WHERE code IN ('deposit', 'auto_top_up')
      AND ((second >= ${day.fromSecond} AND second < ${day.toSecond}) OR deposit_id = ANY(${depositIds}::text[]))
    ORDER BY second, id`;
  return rows.map((row) => ({ ...row, amountMicros: toMicros(row.amountMicros), second: toSecond(row.second) }));
}

async function readRefunds(tx: Tx, day: Day, { refundIds }: NamedByProviders): Promise<LedgerRefund[]> {
  const rows = await tx.refund.findMany({
    where: {
      OR: [opened(day), { id: { in: refundIds } }, { stripeRefundId: { in: refundIds } }],
    },
  });
  const corrected = await correctedByReference(
    tx,
    rows.map(({ id }) => referenceOf.refund(id)),
  );
  return rows.map(({ id, depositId, teamId, stripeRefundId, status, ...row }) => ({
    refundId: id,
    depositId,
    teamId,
    providerId: stripeRefundId,
    // A negative correction takes more of the credit for the refund.
    amountMicros: subtract(
      sentMicros({ amountMicros: toMicros(row.amountMicros), takenMicros: toMicros(row.takenMicros) }),
      corrected.get(referenceOf.refund(id)) ?? ZERO,
    ),
    status: status === 'succeeded' || status === 'failed' ? status : 'open',
    openedSecond: toSecond(row.openedSecond),
  }));
}

/** Open disputes too: the provider may know the decision, and does not state its day. */
async function readDisputes(tx: Tx, day: Day, { disputeIds }: NamedByProviders): Promise<LedgerDispute[]> {
  const closed = { closedSecond: { gte: day.fromSecond, lt: day.toSecond } };
  const open = { status: { notIn: ['won', 'lost'] }, openedSecond: { lt: day.toSecond } };
  const rows = await tx.dispute.findMany({
    where: { OR: [opened(day), closed, open, { stripeDisputeId: { in: disputeIds } }] },
  });
  return rows.map(({ id, depositId, teamId, stripeDisputeId, status, ...row }) => ({
    disputeId: id,
    depositId,
    teamId,
    providerId: stripeDisputeId,
    amountMicros: toMicros(row.amountMicros),
    status: status === 'won' || status === 'lost' ? status : 'open',
    openedSecond: toSecond(row.openedSecond),
  }));
}

const opened = (day: Day) => ({ openedSecond: { gte: day.fromSecond, lt: day.toSecond } });

interface OutputRow {
  outputId: string;
  depositId: string;
  teamId: string;
  amountMicros: bigint;
  second: bigint;
}

async function readOutputs(tx: Tx, day: Day, { outputIds }: NamedByProviders): Promise<LedgerOutput[]> {
  const rows = await tx.$queryRaw<OutputRow[]>`
    SELECT transaction_hash || '/' || output AS "outputId", deposit_id AS "depositId", team_id AS "teamId",
      amount_micros AS "amountMicros", credited_second AS second
    FROM crypto_receipts
    WHERE (credited_second >= ${day.fromSecond} AND credited_second < ${day.toSecond})
      OR transaction_hash || '/' || output = ANY(${outputIds}::text[])`;
  const referenceOfRow = (row: OutputRow) => referenceOf.cryptoReceipt(row.depositId, row.outputId);
  const corrected = await correctedByReference(tx, rows.map(referenceOfRow));
  return rows.map((row) => ({
    ...row,
    amountMicros: add(toMicros(row.amountMicros), corrected.get(referenceOfRow(row)) ?? ZERO),
    second: toSecond(row.second),
  }));
}

/** The sum of corrections of each of these rows. */
async function correctedByReference(tx: Tx, references: string[]): Promise<Map<string, Micros>> {
  const sums = await tx.depositCorrection.groupBy({
    by: ['correctsReference'],
    where: { correctsReference: { in: references } },
    _sum: { amountMicros: true },
  });
  return new Map(sums.map((row) => [row.correctsReference, toMicros(row._sum.amountMicros ?? 0n)]));
}
