/** Refunds a deposit: takes the credit in the team's transaction, then gives the refund to its workflow. */

import { BillingError } from '../../billing/errors.ts';
import { refundFailure } from '../../billing/failure-reasons.ts';
import { inSentences, refundFailureWords } from '../../billing/failure-words.ts';
import type { Micros } from '../../billing/money.ts';
import type { AskedRefund } from '../../ledger/refunds.ts';
import type { Deposit } from '../../prisma/deposits.ts';
import { requestHashOf } from '../../prisma/digest.ts';
import { findRefund, type Refund } from '../../prisma/refunds.ts';
import { isCommitUnknown } from '../../prisma/sqlstate.ts';
import type { RefundAnswer } from '../../workflows/messages.ts';
import { actorOf, type Call, newId } from '../http/calls.ts';
import { DetailedError } from '../http/errors.ts';
import { isOutcomeUnknown } from '../http/outcome.ts';
import type { ApiWorld } from '../world.ts';
import { engineUnavailable } from './engine.ts';
import { readRecorded, recordedAfterAll } from './recorded.ts';
import { mustBePaidSoon } from './recorded-first.ts';
import type { Wakes } from './wakes.ts';

/** An outcome that is unknown after this time is answered as `pending`. */
const OUTCOME_WITHIN_MS = 8_000;
/** Slack, so an answer of the engine at the deadline still arrives. */
const HEARD_WITHIN_MS = OUTCOME_WITHIN_MS + 300;

/**
 * Refunds a deposit and waits for the provider's answer. Without an amount, the whole refundable amount is sent back.
 * @param askedId the caller's id: a repeat of the id with the same request returns the same refund
 * @throws BillingError `id_taken`, `team_archived`, `refund_not_supported`, `not_refundable`, `deposit_disputed`,
 *   `amount_out_of_range`, `engine_unavailable`: nothing was recorded; `refund_refused`: the provider refused, and the
 *   amount is credit again; `outcome_unknown`
 */
export async function refundDeposit(
  world: ApiWorld,
  wake: Wakes,
  call: Call,
  deposit: Deposit,
  amountMicros: Micros | null,
  askedId?: string,
): Promise<Refund> {
  if (deposit.method !== 'card')
    throw new BillingError('refund_not_supported', 'only card payments can be refunded here: send crypto back by hand');
  const { teamId, id: depositId } = deposit;
  const refundId = askedId ?? newId(call, 'ref');
  const requestHash = requestHashOf([depositId, amountMicros]);
  const asked = { refundId, depositId, teamId, amountMicros, requestHash };
  const existing = await findRefund(world.db, refundId);
  if (existing) return unlessRefused(sameOrTaken(existing, asked));

  await mustBePaidSoon(world, call, teamId);
  const order = { ...asked, actor: actorOf(call), receivedSecond: call.receivedSecond };
  const refund = sameOrTaken(await recordedRefund(world, call, order), asked);
  // Instances may have ended with the credit. The watch announces the ends whatever the provider answers.
  const [answer] = await Promise.all([
    answerOfEngine(world, call, { refundId, teamId, depositId }),
    wake({ what: 'watch', id: teamId }),
  ]);
  return unlessRefused(await afterAnswer(world, call, refund, answer));
}

/** Takes the credit. A commit whose outcome is unknown is looked up under the team's lock. */
async function recordedRefund(world: ApiWorld, call: Call, order: AskedRefund): Promise<Refund> {
  try {
    return await world.ledger.takeRefund(order, call.requestId);
  } catch (error) {
    if (!isCommitUnknown(error)) throw error;
    const refund = await recordedAfterAll(world, call, order.teamId, (tx) => findRefund(tx, order.refundId));
    if (refund === null) throw engineUnavailable();
    return refund;
  }
}

/**
 * The refund as recorded now. If the row cannot be read, the refund is answered from the engine's answer, or as pending
 * without one: the credit is taken, and the workflow is started.
 * @throws BillingError `outcome_unknown` where the provider has refused the refund and its reason cannot be read
 */
async function afterAnswer(world: ApiWorld, call: Call, refund: Refund, answer: RefundAnswer | null): Promise<Refund> {
  try {
    return (await readRecorded(world, call, () => findRefund(world.db, refund.id))) ?? refund;
  } catch (error) {
    if (!isOutcomeUnknown(error) || answer?.status === 'failed') throw error;
    return { ...refund, status: answer?.status === 'succeeded' ? 'succeeded' : 'pending' };
  }
}

/**
 * Returns the row under this id if the row is the same refund. A row without a stored request is compared by its
 * fields.
 */
function sameOrTaken(
  refund: Refund,
  asked: { depositId: string; amountMicros: Micros | null; requestHash: string },
): Refund {
  const isSame =
    refund.requestHash === null
      ? refund.depositId === asked.depositId && refund.amountMicros === (asked.amountMicros ?? refund.amountMicros)
      : refund.requestHash === asked.requestHash;
  if (!isSame) throw new BillingError('id_taken', 'another refund has this id', 'id');
  return refund;
}

type Asked = Parameters<ApiWorld['engine']['refund']>[0];

/**
 * The engine's answer, or null for no answer. The refund is then pending, and the sweeper starts its workflow if
 * necessary.
 */
async function answerOfEngine(world: ApiWorld, call: Call, asked: Asked): Promise<RefundAnswer | null> {
  const hearUntilMs = call.receivedMs + HEARD_WITHIN_MS;
  try {
    return await world.engine.refund(asked, call.requestId, OUTCOME_WITHIN_MS, hearUntilMs);
  } catch (error) {
    call.log.warn({ refundId: asked.refundId, err: error }, 'the engine did not answer a refund');
    return null;
  }
}

function unlessRefused(refund: Refund): Refund {
  if (refund.status !== 'failed') return refund;
  throw new DetailedError(
    'refund_refused',
    `${inSentences(refundFailureWords(refund.failureCode))} The amount is credit again.`,
    { refund: refund.id, reason: refundFailure(refund.failureCode) },
  );
}
