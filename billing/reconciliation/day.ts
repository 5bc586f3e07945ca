/** The day that is compared: its bounds, both sides' rows, and the matching of a provider's row with a deposit. */
import type { DifferenceClass } from '../differences.ts';
import { BillingError } from '../errors.ts';
import { type Day, dayOf, parseDay } from '../time.ts';
import type { ComparedRow, ForeignRow, LedgerDeposit, LedgerRows, ProviderRow, ProviderRows } from './rows.ts';

/**
 * A UTC day that has begun, from its name.
 * @throws BillingError `invalid_request` naming `day`: no such day, or a day that has not begun
 */
export function dayToCompare(name: string, nowSecond: number): Day {
  const day = parseDay(name);
  if (!day) throw new BillingError('invalid_request', 'day must be a day in UTC such as "2026-03-01"', 'day');
  if (day.fromSecond > nowSecond)
    throw new BillingError('invalid_request', 'the day has not begun yet: it begins at 00:00 UTC', 'day');
  return day;
}

/** True for a comparison made before its day was over. Rows of the day may still come. */
export const isProvisional = ({ day, madeSecond }: { day: string; madeSecond: number }): boolean =>
  dayOf(madeSecond) <= day;

/** Younger rows may still lack a counterpart on the other side. */
export const SETTLING_SECONDS = 600;

/** The rows of both sides for a day, with the indexes that the comparisons of each kind of row share. */
export interface ComparedDay {
  day: Day;
  ledger: LedgerRows;
  provider: ProviderRows;
  nowSecond: number;
  depositsById: ReadonlyMap<string, LedgerDeposit>;
  depositIdsByProviderId: ReadonlyMap<string, string>;
}

export const comparedDay = (day: Day, ledger: LedgerRows, provider: ProviderRows, nowSecond: number): ComparedDay => ({
  day,
  ledger,
  provider,
  nowSecond,
  depositsById: new Map(ledger.deposits.map((deposit) => [deposit.depositId, deposit])),
  depositIdsByProviderId: new Map(
    ledger.deposits.flatMap(({ depositId, providerIds }) => providerIds.map((id) => [id, depositId] as const)),
  ),
});

/** True if a second is within the day. */
export const isInDay = ({ day }: ComparedDay, second: number): boolean =>
  second >= day.fromSecond && second < day.toSecond;

/** True for a row that may still lack a counterpart on the other side. */
export const isYoung = ({ nowSecond }: ComparedDay, second: number): boolean => second > nowSecond - SETTLING_SECONDS;

/**
 * The deposit that a provider's row is about; null for a row of another program on the same account. The provider's id
 * has precedence: metadata can be edited in a dashboard, ids cannot.
 */
export function depositIdOf(
  { depositIdsByProviderId }: ComparedDay,
  row: { depositId: string | null; paymentId?: string | null; pageId?: string | null },
): string | null {
  const byId = (id: string | null | undefined) => (id ? depositIdsByProviderId.get(id) : undefined);
  return byId(row.paymentId) ?? byId(row.pageId) ?? row.depositId;
}

// ── findings ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A line of the report before its differences are known. */
export type Line = Omit<ComparedRow, 'differences'>;

/** The result for one row. `under_way`: the row is too young to have a counterpart on the other side. */
export type Finding =
  | { kind: 'compared'; row: ComparedRow }
  | { kind: 'foreign'; row: ForeignRow }
  | { kind: 'under_way' };

export const UNDER_WAY: Finding = { kind: 'under_way' };

/** A compared row with its differences, each once. */
export const compared = (line: Line, ...differences: DifferenceClass[]): Finding => ({
  kind: 'compared',
  row: { ...line, differences: [...new Set(differences)] },
});

/** Reports a provider's row whose payment is not in the ledger, if the row is of the day. */
export function foreignRow(
  day: ComparedDay,
  kind: ForeignRow['kind'],
  providerId: string,
  { provider, second, amountMicros, currency }: ProviderRow,
): Finding[] {
  if (!isInDay(day, second)) return [];
  return [{ kind: 'foreign', row: { kind, provider, providerId, second, amountMicros, currency } }];
}

/** Reports a provider's row that the ledger lacks, unless the row is young. */
export const missingInLedger = (
  day: ComparedDay,
  kind: ComparedRow['kind'],
  row: {
    provider: ComparedRow['provider'];
    providerId: string;
    second: number;
    amountMicros: ComparedRow['providerMicros'];
  },
  { depositId, teamId }: { depositId: string; teamId: string | null },
  difference: DifferenceClass,
): Finding => {
  const { provider, second, providerId, amountMicros: providerMicros } = row;
  if (isYoung(day, second)) return UNDER_WAY;
  return compared(
    { kind, provider, second, depositId, teamId, providerId, ledgerMicros: null, providerMicros },
    difference,
  );
};
