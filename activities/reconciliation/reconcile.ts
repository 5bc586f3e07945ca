/** The comparison of a day: the providers' books and the ledger's rows are read, compared, and the report is kept. */
import { ApplicationFailure, Context } from '@temporalio/activity';
import { BillingError } from '../../billing/errors.ts';
import { compare } from '../../billing/reconciliation/compare.ts';
import { dayToCompare, isProvisional } from '../../billing/reconciliation/day.ts';
import {
  type Difference,
  type LedgerRows,
  NO_PROVIDER_ROWS,
  type ProviderRows,
} from '../../billing/reconciliation/rows.ts';
import type { Day } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import { type NamedByProviders, readLedgerRows } from '../../prisma/reconciliation-rows.ts';
import { findReconciliation, type Reconciliation, saveReconciliation } from '../../prisma/reconciliations.ts';
import { inCodes, isStripeError, withStripe } from '../failures.ts';
import type { Log } from '../world.ts';
import type { ProviderBooks } from './provider-books.ts';

export interface ReconciliationWorld {
  db: Db;
  books: ProviderBooks[];
  log: Log;
}

/** The summary of a report for a workflow. The report itself stays in the database. */
export interface Reconciled {
  day: string;
  compared: number;
  differences: number;
  /** The number of workflows that were woken to correct a difference, if any. */
  woken?: number;
}

/** The comparison of the ledger with the providers, for the api and the command. */
export interface Reconciler {
  /**
   * Compares a day and keeps the report. The report of a day that is not over is provisional, and is not kept.
   * @throws BillingError `invalid_request` naming `day`; a Stripe error when Stripe cannot be asked
   */
  reconcile(input: { day: string; nowSecond: number }, onProgress?: () => void): Promise<Reconciliation>;
  /**
   * The kept report of a day. Compares the day now when no report is kept, when rows were under way when the report was
   * made, or when the day is not over.
   * @throws BillingError `invalid_request` naming `day`, `provider_unavailable`
   */
  reportOf(input: { day: string; nowSecond: number }): Promise<Reconciliation>;
}

export const createReconciler = (world: ReconciliationWorld): Reconciler => {
  const reconcile: Reconciler['reconcile'] = (input, onProgress = () => {}) => reconcileDay(world, input, onProgress);
  return {
    reconcile,
    reportOf: async (input) => {
      dayToCompare(input.day, input.nowSecond);
      const saved = await findReconciliation(world.db, input.day);
      if (saved && saved.underWay === 0) return saved;
      try {
        return await reconcile(input);
      } catch (error) {
        const ofCopperx = error instanceof ApplicationFailure;
        if (!isStripeError(error) && !ofCopperx) throw error;
        world.log.warn({ error: ofCopperx ? error.message : inCodes(error) }, 'a provider’s books could not be read');
        throw new BillingError('provider_unavailable', 'the payment provider does not answer; please try again');
      }
    },
  };
};

/**
 * The comparison as an activity: sends heartbeats, stores the report in the database, and refuses a day that is not
 * over.
 * @param wake has workflows look again at the differences, and returns their number
 */
export const createReconciliation = (
  reconciler: Reconciler,
  wake: (differences: readonly Difference[]) => Promise<number> = async () => 0,
) => ({
  reconcileDay: (input: { day: string; nowSecond: number }): Promise<Reconciled> =>
    withStripe(async () => {
      if (isProvisional({ day: input.day, madeSecond: input.nowSecond }))
        throw new BillingError('invalid_request', 'the day is not over yet: it ends at 00:00 UTC', 'day');
      const { day, rows, differences } = await reconciler.reconcile(input, () => Context.current().heartbeat());
      const woken = await wake(differences);
      return { day, compared: rows.length, differences: differences.length, ...(woken > 0 && { woken }) };
    }),
});

export type ReconciliationActs = ReturnType<typeof createReconciliation>;

async function reconcileDay(
  { db, books, log }: ReconciliationWorld,
  { day: name, nowSecond }: { day: string; nowSecond: number },
  onProgress: () => void,
): Promise<Reconciliation> {
  const day = dayToCompare(name, nowSecond);
  const provider = together(await Promise.all(books.map((book) => book.read(day, onProgress))));
  const ledger = await readLedger(db, day, provider, onProgress);
  const looked = await Promise.all(books.map((book) => book.lookUp(ledger, provider, onProgress)));
  const comparison = compare(day, ledger, together([provider, ...looked]), nowSecond);
  const report = { ...comparison, madeSecond: nowSecond };
  if (!isProvisional(report)) await saveReconciliation(db, report);
  const { rows, differences, foreign, underWay } = comparison;
  const about = { day: name, compared: rows.length, foreign: foreign.length, underWay };
  if (differences.length === 0) log.info(about, 'the ledger and the providers agree');
  else {
    const differenceRows = differences.map((each) => ({
      class: each.class,
      depositId: each.depositId,
      providerId: each.providerId,
    }));
    log.error(
      { ...about, differences: differenceRows.slice(0, MOST_LOGGED), of: differenceRows.length },
      'the ledger and a provider differ',
    );
  }
  return report;
}

const MOST_LOGGED = 50;

async function readLedger(db: Db, day: Day, provider: ProviderRows, onProgress: () => void): Promise<LedgerRows> {
  const rows = await readLedgerRows(db, day, namedBy(provider));
  onProgress();
  return rows;
}

function namedBy({ payments, refunds, disputes, outputs }: ProviderRows): NamedByProviders {
  const all = [...payments, ...refunds, ...disputes, ...outputs];
  return {
    depositIds: present(all.map(({ depositId }) => depositId)),
    providerIds: present([
      ...payments.flatMap(({ paymentId, pageId }) => [paymentId, pageId]),
      ...refunds.map(({ paymentId }) => paymentId),
      ...disputes.map(({ paymentId }) => paymentId),
    ]),
    refundIds: present(refunds.flatMap(({ providerId, refundId }) => [providerId, refundId])),
    disputeIds: disputes.map(({ providerId }) => providerId),
    outputIds: outputs.map(({ outputId }) => outputId),
  };
}

const present = (ids: Array<string | null>): string[] => [...new Set(ids.filter((id) => id !== null))];

const together = (all: ProviderRows[]): ProviderRows =>
  all.reduce(
    (sum, rows) => ({
      payments: [...sum.payments, ...rows.payments],
      refunds: [...sum.refunds, ...rows.refunds],
      disputes: [...sum.disputes, ...rows.disputes],
      outputs: [...sum.outputs, ...rows.outputs],
    }),
    NO_PROVIDER_ROWS,
  );
