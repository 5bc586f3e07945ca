/** Records corrections of credited payments, and refunds and disputes that turn out not to exist. */

import type { Account } from '../billing/account.ts';
import { type Corrected, correctDeposit } from '../billing/corrections.ts';
import type { CreditedDeposit } from '../billing/credited-deposit.ts';
import { type CryptoChange, cryptoStatus, outputKey } from '../billing/crypto.ts';
import { isOpen } from '../billing/deposits.ts';
import { BillingError } from '../billing/errors.ts';
import { advance } from '../billing/facts.ts';
import { outputCorrectionCause, prefixedId } from '../billing/ids.ts';
import { COPPERX, referenceOf, STRIPE } from '../billing/ledger.ts';
import { add, formatForPeople, larger, type Micros, subtract, ZERO } from '../billing/money.ts';
import { checkNotArchived } from '../billing/team-state.ts';
import { isUniqueViolation, type Tx } from '../prisma/client.ts';
import {
  type Credit,
  type CreditedOutput,
  creditedByOutput,
  creditsOf,
  type DepositCorrection,
  findCorrection,
  insertCorrection,
  insertWithdrawal,
  isOfCredit,
  netCreditMicros,
  type Withdrawal,
} from '../prisma/corrections.ts';
import {
  type Deposit,
  type DepositUpdate,
  findDeposit,
  getDeposit,
  updateDeposit,
  wasCredited,
} from '../prisma/deposits.ts';
import { digest128 } from '../prisma/digest.ts';
import type { NewNotice } from '../prisma/notices.ts';
import { recordFact } from '../prisma/record.ts';
import { refundsOfDeposit } from '../prisma/refunds.ts';
import { type DepositOrder, orderOf } from './deposits.ts';
import { creditedDeposit, updateMoneyBack } from './money-back.ts';
import type { LedgerWorld } from './world.ts';

/** The actor of a correction that follows the provider's own. */
export const BY_PROVIDER = 'provider';

export interface NewCorrection {
  correctionId: string;
  depositId: string;
  /** Null: the team of the deposit. */
  teamId: string | null;
  amountMicros: Micros;
  /** The reference of the corrected row. Null: the credit of the deposit. */
  correctsReference: string | null;
  note: string;
  actor: string;
  nowSecond: number;
}

/** A correction that was checked against the deposit, its outputs and its refunds. */
interface Planned extends Omit<NewCorrection, 'teamId' | 'correctsReference'> {
  teamId: string;
  correctsReference: string;
  output: CreditedOutput | null;
}

const idTaken = () => new BillingError('id_taken', 'another correction has this id', 'id');

function sameOrTaken(earlier: DepositCorrection, planned: Planned): DepositCorrection {
  const { depositId, teamId, amountMicros, correctsReference, note } = planned;
  const isSame =
    earlier.depositId === depositId &&
    earlier.teamId === teamId &&
    earlier.amountMicros === amountMicros &&
    earlier.correctsReference === correctsReference &&
    earlier.note === note;
  if (!isSame) throw idTaken();
  return earlier;
}

/** The row of a correction without a reference. Without the deposit there may be several rows. */
function creditOf(depositId: string, deposit: Deposit | null, credits: Credit[]): string {
  const reference = referenceOf.deposit(depositId);
  if (deposit !== null || credits.some((credit) => credit.reference === reference)) return reference;
  const [first, ...others] = credits;
  if (others.length === 0) return first?.reference ?? reference;
  const all = credits.map((credit) => credit.reference).join(', ');
  throw new BillingError('invalid_request', `corrects is required: the credits of this deposit are ${all}`, 'corrects');
}

/** Finds the team and the row of a correction. A credit may exist without its deposit. */
async function plan(tx: Tx, input: NewCorrection): Promise<Planned> {
  const { depositId } = input;
  const deposit = await findDeposit(tx, depositId);
  const credits = await creditsOf(tx, depositId);
  const [first] = credits;
  const correctsReference = input.correctsReference ?? creditOf(depositId, deposit, credits);
  const namedCredit = credits.find(({ reference }) => reference === correctsReference);
  const ownTeamId = deposit?.teamId ?? namedCredit?.teamId ?? first?.teamId;
  const teamId = input.teamId ?? (input.correctsReference === null ? ownTeamId : (namedCredit?.teamId ?? ownTeamId));
  const isKnown = deposit !== null || credits.length > 0;
  if (teamId === undefined || !isKnown) throw new BillingError('not_found', 'no such deposit', 'id');
  const planned = { ...input, teamId, correctsReference, output: null };
  if (correctsReference === referenceOf.deposit(depositId)) return planned;
  const output = (await creditedByOutput(tx, depositId)).find(({ reference }) => reference === correctsReference);
  const refunds = await refundsOfDeposit(tx, depositId);
  const isRefund = refunds.some(({ id }) => referenceOf.refund(id) === correctsReference);
  if (!output && !isRefund && !namedCredit)
    throw new BillingError(
      'invalid_request',
      'corrects must be the reference of a credit or a refund of this deposit, as its transactions show it',
      'corrects',
    );
  if (teamId !== (namedCredit?.teamId ?? deposit?.teamId))
    throw new BillingError('invalid_request', 'team must be the team of the row that corrects names', 'team');
  return { ...planned, output: output ?? null };
}

const tooMuch = (leftMicros: Micros) =>
  new BillingError(
    'amount_out_of_range',
    `amount must not take back more than is left of the credit, ${formatForPeople(larger(leftMicros, ZERO))}`,
    'amount',
  );

/** The deposit after a correction of its credit; null where its own credit does not change. */
async function correctedDeposit(tx: Tx, planned: Planned, deposit: Deposit | null): Promise<CreditedDeposit | null> {
  const { depositId, teamId, amountMicros } = planned;
  if (!isOfCredit(planned)) return null;
  const isOwn = deposit !== null && deposit.teamId === teamId;
  const before = await netCreditMicros(tx, depositId, teamId);
  const leftMicros = isOwn && planned.actor !== BY_PROVIDER ? subtract(before, deposit.refundedMicros) : before;
  if (amountMicros < 0 && leftMicros + amountMicros < 0) throw tooMuch(leftMicros);
  if (planned.output && planned.output.amountMicros + amountMicros < 0) throw tooMuch(planned.output.amountMicros);
  if (!isOwn || !wasCredited(deposit)) return null;
  const now = await creditedDeposit(tx, deposit);
  return { ...now, creditedMicros: larger(add(before, amountMicros), now.refundedMicros) };
}

/** The received amount of a crypto deposit after a correction, which may complete the deposit. */
function receivedAfter(deposit: Deposit, amountMicros: Micros, second: number): DepositUpdate {
  const receivedMicros = add(deposit.receivedMicros ?? ZERO, amountMicros);
  const status = cryptoStatus({
    expectedMicros: deposit.amountMicros,
    receivedMicros,
    expired: !isOpen(deposit.status),
  });
  const succeedsNow = status === 'succeeded' && !wasCredited(deposit);
  return { receivedMicros, ...(succeedsNow && { status, closedSecond: second, failureCode: null }) };
}

/** Posts a correction and stores its row. */
async function correct(
  { settings }: LedgerWorld,
  account: Account,
  tx: Tx,
  planned: Planned,
): Promise<{ outcome: Corrected; correction: DepositCorrection }> {
  const { correctionId, depositId, teamId, amountMicros, correctsReference, note, actor } = planned;
  const deposit = await findDeposit(tx, depositId);
  const corrected = await correctedDeposit(tx, planned, deposit);
  const providerAccount = deposit?.method === 'crypto' ? COPPERX : STRIPE;
  const fact = { correctionId, depositId, providerAccount, amountMicros, correctsReference, deposit: corrected };
  const outcome = correctDeposit(account, settings, fact, planned.nowSecond);
  const { creditMicros } = outcome;
  const second = outcome.account.asOfSecond;
  const of = { id: correctionId, depositId, teamId, correctsReference, note, actor, second };
  const correction = { ...of, amountMicros, creditMicros };
  await insertCorrection(tx, correction);
  if (planned.output && deposit) await updateDeposit(tx, depositId, receivedAfter(deposit, amountMicros, second));
  if (corrected) await updateMoneyBack(tx, depositId);
  return { outcome, correction };
}

async function correctOutput(
  world: LedgerWorld,
  { depositId, change, nowSecond }: { depositId: string; change: CryptoChange; nowSecond: number },
  causedBy: string,
): Promise<void> {
  const { db, settings } = world;
  const { teamId } = await getDeposit(db, depositId);
  await recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
    const nothing = { outcome: advance(account, settings, nowSecond), answer: async () => undefined };
    const output = (await creditedByOutput(tx, depositId)).find((each) => outputKey(each) === outputKey(change));
    if (!output) return nothing;
    // An operator may have taken part of the amount back already, without naming the output.
    const leftMicros = await netCreditMicros(tx, depositId, teamId);
    const amountMicros = larger(subtract(change.amountMicros, output.amountMicros), subtract(ZERO, leftMicros));
    if (amountMicros === 0) return nothing;
    const correctionId = changeId(output);
    const note =
      change.amountMicros === 0
        ? 'the transaction is no longer on the chain'
        : 'the payment provider reports another amount for the transaction';
    const of = { correctionId, depositId, teamId, amountMicros, correctsReference: output.reference };
    const planned = { ...of, output, note, actor: BY_PROVIDER, nowSecond };
    const { outcome } = await correct(world, account, tx, planned);
    // The requester of an operator's correction knows of the correction. The team learns of a provider's correction by
    // this mail.
    const about = { teamId, second: outcome.account.asOfSecond, cause: correctionId, data: { correctionId } };
    const notices: NewNotice[] = [{ ...about, channel: 'mail', kind: 'deposit_corrected' }];
    return { outcome, notices, statesBalance: true, answer: async () => undefined };
  });
}

const changeId = ({ reference, corrections }: CreditedOutput): string =>
  prefixedId('cor', digest128(outputCorrectionCause(reference, corrections + 1)));

export const correctionActs = (world: LedgerWorld) => ({
  /**
   * Corrects the credit of a payment, or the taken amount of its refund. A repeat of the id with the same request is
   * the same correction.
   * @throws BillingError `not_found`, `invalid_request` naming `corrects` or `team`, `amount_out_of_range`, `id_taken`,
   *   `team_archived`
   */
  correctDeposit: async (input: NewCorrection, causedBy: string): Promise<DepositCorrection> => {
    const { db, settings } = world;
    const { nowSecond, correctionId } = input;
    const { teamId } = await plan(db, input);
    try {
      return await recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
        const planned = await plan(tx, input);
        const earlier = await findCorrection(tx, correctionId);
        if (earlier) {
          const same = sameOrTaken(earlier, planned);
          return { outcome: advance(account, settings, nowSecond), answer: async () => same };
        }
        checkNotArchived(account);
        const { outcome, correction } = await correct(world, account, tx, planned);
        return { outcome, answer: async () => correction };
      });
    } catch (error) {
      // A correction for another team has taken the id since. The row lock of the other team is not held here.
      throw isUniqueViolation(error) ? idTaken() : error;
    }
  },

  /**
   * Follows a provider that has corrected outputs of a crypto deposit, or whose transaction has left the chain: the
   * difference to the credited amount is credited or taken back. Each change is posted once. Papers stay as they were
   * made.
   */
  correctCrypto: async (
    input: { depositId: string; changed: CryptoChange[]; nowSecond: number },
    causedBy: string,
  ): Promise<DepositOrder> => {
    for (const change of input.changed) await correctOutput(world, { ...input, change }, causedBy);
    return orderOf(await getDeposit(world.db, input.depositId));
  },

  /** Records that an operator declared a refund or a dispute to be absent at the provider, with the reason. */
  noteWithdrawal: (withdrawal: Withdrawal): Promise<void> => insertWithdrawal(world.db, withdrawal),
});
