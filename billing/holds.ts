/**
 * Holds: credit set aside for a request under way, in the amount of the highest possible cost, so the request's usage
 * is never owed. Each hold ends once: settled by the usage that names the hold, voided, or expired at its second.
 * Source: docs/rules.md#holds.
 */
import { type Account, type BillingSettings, maySpend, moneySecond, spendableMicros } from './account.ts';
import { budgetRefusal } from './budgets.ts';
import { type AccountChange, creditArrived, type FactOutcome } from './change.ts';
import { applyFact } from './clock.ts';
import { BillingError } from './errors.ts';
import { referenceOf } from './ledger.ts';
import { add, formatDollars, larger, type Micros, micros, subtract, ZERO } from './money.ts';
import { spendingRefused } from './team-state.ts';
import { SECONDS_PER_DAY } from './time.ts';
import { MILLIONTHS_PER_MICRO, type MicroMillionths } from './tokens.ts';

/** The longest time from the placing of a hold to its expiry. */
export const LONGEST_HOLD_SECONDS = SECONDS_PER_DAY;

/**
 * The highest possible posting of usage with this exact cost, whatever fraction the team carries: the cost rounded up
 * to a micro.
 */
export const holdMicrosFor = (most: MicroMillionths): Micros =>
  micros((most + MILLIONTHS_PER_MICRO - 1n) / MILLIONTHS_PER_MICRO);

/** A hold as the database row keeps the hold. */
export interface Hold {
  holdId: string;
  amountMicros: Micros;
  /** The first second without the hold. */
  expiresSecond: number;
}

/**
 * Sets credit aside.
 * @throws BillingError `team_suspended`, `team_archived`; `insufficient_credit` when less is available, or an exhaustion is
 *   open; `budget_met` for a budget of the hold's project or of the team
 */
export function placeHold(
  account: Account,
  settings: BillingSettings,
  placed: { amountMicros: Micros; ttlSeconds: number; project?: string | null },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, ({ account }) => {
    const { amountMicros, ttlSeconds } = placed;
    if (!maySpend(account)) throw spendingRefused(account);
    const second = account.asOfSecond;
    const available = larger(spendableMicros(account, second), ZERO);
    if (account.standsAtSecond !== null)
      throw new BillingError(
        'insufficient_credit',
        'credit is used up and a charge is under way: nothing can be held until its outcome is known',
      );
    if (available < amountMicros)
      throw new BillingError(
        'insufficient_credit',
        `the request can cost $${formatDollars(amountMicros)}, and $${formatDollars(available)} is available`,
      );
    const refusal = budgetRefusal(account, placed.project ?? null);
    if (refusal) throw refusal;
    account.heldMicros = add(account.heldMicros, amountMicros);
    const expiry = { second: second + ttlSeconds, micros: amountMicros };
    account.holdExpiries = merged([...account.holdExpiries, expiry]);
  });
}

/** True if the hold has expired for the team's money. While money stands at X, no hold expires. */
export const hasExpired = ({ expiresSecond }: Pick<Hold, 'expiresSecond'>, account: Account): boolean =>
  expiresSecond <= moneySecond(account, account.asOfSecond);

/**
 * Releases the holds that have not expired, so their amounts can be spent again. Returns true if any hold was released.
 * All holds are released in a single pass: a batch of usage may name a thousand holds of a team with many more.
 */
export function releaseHolds(change: AccountChange, holds: readonly Hold[]): boolean {
  const { account } = change;
  // An expired hold was released at its expiry.
  const heldHolds = holds.filter((hold) => !hasExpired(hold, account));
  if (heldHolds.length === 0) return false;
  account.heldMicros = heldHolds.reduce((left, { amountMicros }) => subtract(left, amountMicros), account.heldMicros);
  const freed = heldHolds.map(({ amountMicros, expiresSecond }) => ({
    second: expiresSecond,
    micros: micros(-amountMicros),
  }));
  account.holdExpiries = merged([...account.holdExpiries, ...freed]);
  return true;
}

/** Releases a hold before the expiry. An expired hold stays expired. */
export const voidHold = (account: Account, settings: BillingSettings, hold: Hold, nowSecond: number): FactOutcome =>
  applyFact(account, settings, nowSecond, (change) => {
    if (releaseHolds(change, [hold])) creditArrived(change, referenceOf.holdVoided(hold.holdId));
  });

/** Merges expiries to one entry a second, soonest first, without zero amounts. */
function merged(
  expiries: ReadonlyArray<{ second: number; micros: Micros }>,
): Array<{ second: number; micros: Micros }> {
  const bySecond = new Map<number, Micros>();
  for (const { second, micros: amount } of expiries) bySecond.set(second, micros((bySecond.get(second) ?? 0) + amount));
  return [...bySecond]
    .filter(([, amount]) => amount !== 0)
    .sort(([a], [b]) => a - b)
    .map(([second, amount]) => ({ second, micros: amount }));
}
