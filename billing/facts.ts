/**
 * The facts that change a team's account. Every movement of a team's money goes through one of these functions, under
 * the team's row lock. The functions compute; the caller writes the effects.
 *
 * Each function first brings the account up to date as of the fact's second, so earlier crossings (a due top-up, the
 * end of credit) lie before the fact, whether or not a process ran then. Source: docs/rules.md#facts-and-their-seconds.
 */
import { type Account, type BillingSettings, moneySecond, spendableMicros } from './account.ts';
import type { TokenSpend } from './budgets.ts';
import { type AccountChange, creditArrived, type FactOutcome, noteCapped } from './change.ts';
import { applyFact, bringUpToDate, exhaust } from './clock.ts';
import { type CryptoOutput, outputKey } from './crypto.ts';
import type { AssignedDiscount } from './discounts.ts';
import { BillingError } from './errors.ts';
import { type Hold, releaseHolds } from './holds.ts';
import {
  COPPERX,
  creditAccount,
  GRANTS,
  owedAccount,
  REVENUE,
  referenceOf,
  STRIPE,
  type TransferCode,
} from './ledger.ts';
import { add, larger, type Micros, smaller, subtract, ZERO } from './money.ts';
import { rerate } from './rerating.ts';
import { monthStart } from './time.ts';
import { chargeWithRemainder, type MicroMillionths } from './tokens.ts';
import type { TopUpPolicy } from './top-up.ts';

/** Brings the account up to date, with no further fact. */
export const advance = (account: Account, settings: BillingSettings, nowSecond: number): FactOutcome =>
  applyFact(account, settings, nowSecond, () => {});

/** Credits an amount: posts the row, then uses the credit. */
export function creditFrom(
  change: AccountChange,
  credit: {
    debitAccount: string;
    amountMicros: Micros;
    code: TransferCode;
    reference: string;
    depositId?: string;
    correctsReference?: string;
  },
): void {
  const { account } = change;
  change.transfer({ ...credit, creditAccount: creditAccount(account.teamId), second: account.asOfSecond });
  // An averted exhaustion may be due again by now. Only the credit that is left after the exhaustion pays debts.
  bringUpToDate(change, account.asOfSecond);
  creditArrived(change, credit.reference);
}

/** Counts a charge that failed first and was captured later towards the month's cap. */
function countTopUp(account: Account, amountMicros: Micros): void {
  const { toppedUp } = account;
  const monthStartSecond = monthStart(account.asOfSecond);
  const sameMonth = toppedUp.monthStartSecond === monthStartSecond;
  account.toppedUp = { monthStartSecond, micros: add(sameMonth ? toppedUp.micros : ZERO, amountMicros) };
}

/**
 * Credits a confirmed deposit. A success of the attempt in flight ends the attempt. Within the grace the success also
 * averts the exhaustion that the attempt kept open: the credit then counts from the second at which the attempt was
 * opened.
 * @param deposit `isLateTopUp`: an auto top-up recorded as failed and succeeded later
 */
export function creditDeposit(
  account: Account,
  settings: BillingSettings,
  deposit: { depositId: string; amountMicros: Micros; isLateTopUp?: boolean },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { account } = change;
    const isAttempt = account.attempt?.depositId === deposit.depositId;
    if (isAttempt) {
      account.attempt = null;
      account.standsAtSecond = null;
      noteCapped(change);
    } else if (deposit.isLateTopUp) {
      countTopUp(account, deposit.amountMicros);
      noteCapped(change);
    }
    creditFrom(change, {
      debitAccount: STRIPE,
      amountMicros: deposit.amountMicros,
      code: isAttempt || deposit.isLateTopUp ? 'auto_top_up' : 'deposit',
      reference: referenceOf.deposit(deposit.depositId),
      depositId: deposit.depositId,
    });
  });
}

/**
 * Credits the received outputs of a crypto deposit, one transfer an output. The caller selects the new outputs, by
 * `newOutputs`.
 */
export const creditCrypto = (
  account: Account,
  settings: BillingSettings,
  deposit: { depositId: string; outputs: readonly CryptoOutput[] },
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, (change) => {
    for (const output of deposit.outputs)
      creditFrom(change, {
        debitAccount: COPPERX,
        amountMicros: output.amountMicros,
        code: 'deposit',
        reference: referenceOf.cryptoReceipt(deposit.depositId, outputKey(output)),
        depositId: deposit.depositId,
      });
  });

/**
 * Fails the attempt in flight. An exhaustion that the attempt kept open takes effect at X.
 * @param switchesOff true after an error of the card; false after an error of Burnrate or of the provider
 */
export function failAttempt(
  account: Account,
  settings: BillingSettings,
  depositId: string,
  nowSecond: number,
  switchesOff = true,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { account } = change;
    const { attempt, standsAtSecond } = account;
    if (attempt?.depositId !== depositId) return;
    account.attempt = null;
    account.toppedUp.micros = subtract(account.toppedUp.micros, attempt.amountMicros);
    if (switchesOff) {
      if (account.policy) account.policy.enabled = false;
      change.effects.push({ kind: 'policy_off', attempt });
    }
    if (standsAtSecond !== null) exhaust(change, standsAtSecond);
  });
}

/** Gives credit without a payment. */
export const grantCredit = (
  account: Account,
  settings: BillingSettings,
  grant: { grantId: string; amountMicros: Micros },
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, (change) =>
    creditFrom(change, {
      debitAccount: GRANTS,
      amountMicros: grant.amountMicros,
      code: 'grant',
      reference: referenceOf.grant(grant.grantId),
    }),
  );

/**
 * Records token usage that has happened: charged as far as credit goes, the rest owed. Usage is never refused. Holds of
 * the events are released first, so the held credit pays.
 * @param usage `eventId`: the first of the events recorded together, which names the row; `cost`, `model` and
 *   `project`: of all the events together; `spends`: the posted amounts by project, where the events have several
 */
export function recordUsage(
  account: Account,
  settings: BillingSettings,
  usage: {
    eventId: string;
    cost: MicroMillionths;
    holds?: readonly Hold[];
    model?: string;
    project?: string;
    spends?: readonly TokenSpend[];
  },
  nowSecond: number,
): FactOutcome {
  return applyFact(account, settings, nowSecond, (change) => {
    const { account } = change;
    const second = account.asOfSecond;
    const reference = referenceOf.usage(account.teamId, usage.eventId);
    const { model, project } = usage;
    const about = { ...(model !== undefined && { model }), ...(project !== undefined && { project }) };
    const isFreed = releaseHolds(change, usage.holds ?? []);
    const { chargeMicros, remainderMillionths } = chargeWithRemainder(usage.cost, account.remainderMillionths);
    account.remainderMillionths = remainderMillionths;
    const paidMicros = smaller(chargeMicros, larger(spendableMicros(account, second), ZERO));
    change.transfer({
      debitAccount: creditAccount(account.teamId),
      creditAccount: REVENUE,
      amountMicros: paidMicros,
      code: 'token_usage',
      reference,
      second,
      ...about,
    });
    change.transfer({
      debitAccount: owedAccount(account.teamId),
      creditAccount: REVENUE,
      amountMicros: subtract(chargeMicros, paidMicros),
      code: 'owed_usage',
      reference: referenceOf.owed(reference),
      second,
      ...about,
    });
    change.spentOnTokens(second, usage.spends ?? [{ project: project ?? null, micros: chargeMicros }]);
    if (isFreed) creditArrived(change, reference);
  });
}

/**
 * Assigns a team's discount, or removes the discount. Running discountable instances are charged the new rate from this
 * second on.
 * @throws BillingError `at_out_of_range` for a discount whose end has passed
 */
export const assignDiscount = (
  account: Account,
  settings: BillingSettings,
  discount: AssignedDiscount | null,
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, (change) => {
    const until = discount?.untilSecond ?? null;
    if (until !== null && until <= change.account.asOfSecond)
      throw new BillingError('at_out_of_range', 'until must lie in the future', 'until');
    change.account.discount = discount;
    rerate(change, moneySecond(change.account, change.account.asOfSecond));
  });

/**
 * Replaces the policy. If the new policy is enabled and the balance is below its threshold, an attempt opens at once.
 */
export const setPolicy = (
  account: Account,
  settings: BillingSettings,
  policy: TopUpPolicy,
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, (change) => {
    change.account.policy = { ...policy };
    noteCapped(change);
  });
