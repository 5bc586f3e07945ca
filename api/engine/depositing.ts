/**
 * Opens a deposit: records the deposit in the team's transaction, gives the deposit to its workflow, and waits for the
 * first news.
 */

import { BillingError } from '../../billing/errors.ts';
import { isDecline, paymentFailure } from '../../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../../billing/failure-words.ts';
import type { AskedDeposit as RecordedDeposit } from '../../ledger/deposits.ts';
import { type Deposit, findDeposit } from '../../prisma/deposits.ts';
import { isCommitUnknown } from '../../prisma/sqlstate.ts';
import type { DepositAnswer } from '../../workflows/messages.ts';
import type { Call } from '../http/calls.ts';
import { DetailedError } from '../http/errors.ts';
import { isOutcomeUnknown } from '../http/outcome.ts';
import type { ApiWorld } from '../world.ts';
import { engineUnavailable } from './engine.ts';
import { readRecorded, recordedAfterAll } from './recorded.ts';
import { mustBePaidSoon } from './recorded-first.ts';

/** An outcome that is unknown after this time is answered as `pending`. */
const OUTCOME_WITHIN_MS = 8_000;
/** Slack, so an answer of the engine at the deadline still arrives. */
const HEARD_WITHIN_MS = OUTCOME_WITHIN_MS + 300;

export type AskedDeposit = Omit<RecordedDeposit, 'receivedSecond'> & { requestHash: string };

/**
 * Returns the row under this id if the row is the same deposit. A row without a stored request is compared by its
 * fields.
 */
function sameOrTaken(row: Deposit, { teamId, kind, amountMicros, requestHash }: AskedDeposit): Deposit {
  const isSame =
    row.requestHash === null
      ? row.teamId === teamId && row.kind === kind && row.amountMicros === amountMicros
      : row.requestHash === requestHash;
  if (!isSame) throw new BillingError('id_taken', 'another deposit has this id', 'id');
  return row;
}

/**
 * Opens a deposit and waits for its first news: an outcome, or the page on which a person pays. Without news in time
 * the deposit is answered as pending, and its workflow goes on. A repeat of the id with the same request returns the
 * same deposit in its present state.
 * @throws BillingError `card_declined` and `provider_rejected`, each with a failed deposit; `id_taken`;
 *   `team_archived`; `engine_unavailable`: nothing was recorded, and nobody is charged; `outcome_unknown`
 */
export async function openDeposit(world: ApiWorld, call: Call, asked: AskedDeposit): Promise<Deposit> {
  const existing = await findDeposit(world.db, asked.depositId);
  if (existing) return unlessFailed(sameOrTaken(existing, asked));
  await mustBePaidSoon(world, call, asked.teamId);
  const deposit = sameOrTaken(await recordedDeposit(world, call, asked), asked);
  return unlessFailed(await afterAnswer(world, call, deposit, await answerOfEngine(world, call, deposit)));
}

/** Records the deposit. A commit whose outcome is unknown is looked up under the team's lock. */
async function recordedDeposit(world: ApiWorld, call: Call, asked: AskedDeposit): Promise<Deposit> {
  try {
    return await world.ledger.recordDeposit({ ...asked, receivedSecond: call.receivedSecond }, call.requestId);
  } catch (error) {
    if (!isCommitUnknown(error)) throw error;
    const deposit = await recordedAfterAll(world, call, asked.teamId, (tx) => findDeposit(tx, asked.depositId));
    if (deposit === null) throw engineUnavailable();
    return deposit;
  }
}

/**
 * The engine's answer, or null for no answer. The deposit is then pending, and the sweeper starts its workflow if
 * necessary.
 */
async function answerOfEngine(
  world: ApiWorld,
  call: Call,
  { id: depositId, teamId, kind }: Deposit,
): Promise<DepositAnswer | null> {
  const hearUntilMs = call.receivedMs + HEARD_WITHIN_MS;
  try {
    return await world.engine.deposit({ depositId, teamId, kind }, call.requestId, OUTCOME_WITHIN_MS, hearUntilMs);
  } catch (error) {
    call.log.warn({ depositId, err: error }, 'the engine did not answer a deposit');
    return null;
  }
}

/**
 * The deposit as recorded now. If the row cannot be read, the deposit is answered from the engine's answer, or as
 * pending without one: the deposit is recorded, and its workflow goes on.
 * @throws BillingError `outcome_unknown` where the payment has failed and its reason cannot be read
 */
async function afterAnswer(
  world: ApiWorld,
  call: Call,
  deposit: Deposit,
  answer: DepositAnswer | null,
): Promise<Deposit> {
  try {
    return (await readRecorded(world, call, () => findDeposit(world.db, deposit.id))) ?? deposit;
  } catch (error) {
    if (!isOutcomeUnknown(error) || answer?.status === 'failed' || answer?.status === 'expired') throw error;
    // The second and the receipt of a credit are in the row, and a caller can read them later.
    const status = answer?.status === 'requires_action' ? answer.status : 'pending';
    return { ...deposit, status, checkoutUrl: answer?.checkoutUrl ?? deposit.checkoutUrl };
  }
}

function unlessFailed(deposit: Deposit): Deposit {
  if (deposit.status === 'failed') throw failureOf(deposit);
  return deposit;
}

/** Only an error of the card or its bank is `card_declined`. Other causes are ours or the provider's. */
function failureOf({ id, method, failureCode }: Deposit): BillingError {
  const reason = paymentFailure(failureCode);
  const code = method === 'card' && isDecline(reason) ? 'card_declined' : 'provider_rejected';
  const message = inSentences(paymentFailureWords(failureCode, method));
  return new DetailedError(code, message, { deposit: id, reason });
}
