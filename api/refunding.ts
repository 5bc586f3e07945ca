/** Refunding a deposit: told to the engine, and answered only with what is so. */
import { createHash } from 'node:crypto';
import type { RefundRefusal } from '../activities/ledger/refunds.ts';
import { BillingError } from '../billing/errors.ts';
import { refundFailure } from '../billing/failure-reasons.ts';
import { inSentences, refundFailureWords } from '../billing/failure-words.ts';
import type { Micros } from '../billing/money.ts';
import { callIdOf } from '../prisma/abandoned-calls.ts';
import type { Deposit } from '../prisma/deposits.ts';
import { findRefund, type Refund } from '../prisma/refunds.ts';
import type { RefundAnswer } from '../workflows/messages.ts';
import { actorOf, type Call, newId, random128 } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { DetailedError } from './errors.ts';
import { foundOrAbandoned, notAfterMs, readRecorded } from './unanswered.ts';
import type { ApiWorld } from './world.ts';

/** An outcome that is not known by then is `pending`. */
const OUTCOME_WITHIN_MS = 8_000;
/** What the engine answers by then is heard too. */
const HEARD_WITHIN_MS = OUTCOME_WITHIN_MS + 300;

/**
 * Refunds a deposit and waits for the provider's answer; without an amount, all that can be refunded.
 * @param askedId the caller's id: the same id with the same request again is the same refund
 * @throws BillingError `id_taken`, `team_archived`, `refund_not_supported`, `not_refundable`, `deposit_disputed`, `amount_out_of_range`: nothing was
 *   recorded; `refund_refused`: the provider refused it, and it is credit again; `engine_unavailable`, after which this
 *   call refunds nothing
 */
export async function refundDeposit(
  world: ApiWorld,
  call: Call,
  deposit: Deposit,
  amountMicros: Micros | null,
  askedId?: string,
): Promise<Refund> {
  if (deposit.method !== 'card')
    throw new BillingError('refund_not_supported', 'only card payments can be refunded here: send crypto back by hand');
  const { teamId, id: depositId } = deposit;
  const refundId = askedId ?? newId(call, 'ref');
  const requestHash = createHash('sha256')
    .update(JSON.stringify([depositId, amountMicros]))
    .digest('hex');
  const callId = callIdOf(`refund/${refundId}`, call.receivedSecond, random128());
  const find = () => findRefund(world.db, refundId);
  const existing = await find();
  if (existing) return unlessRefused(sameOrTaken(existing, { depositId, amountMicros, requestHash }));

  const order = {
    ...{ refundId, depositId, teamId, amountMicros, callId, requestHash },
    actor: actorOf(call),
    receivedSecond: call.receivedSecond,
    notAfterMs: notAfterMs(world, call),
  };
  const answer = await told(world, call, { refundId, teamId, depositId, order });
  if (answer?.status === 'refused') throw refusalOf(answer.refusal);
  // An answer that nothing is known yet may come before the credit is taken: then it is not to be taken later.
  const heard = answer !== null && answer.status !== 'too_late';
  const refund =
    (heard ? await readRecorded(world, call, find) : null) ??
    (await foundOrAbandoned(world, call, { teamId, callId }, (tx) => findRefund(tx, refundId)));
  if (!refund) throw engineUnavailable();
  return unlessRefused(sameOrTaken(refund, { depositId, amountMicros, requestHash }));
}

/** A row under this id is this refund, or another. One from before requests were kept is known by what it is. */
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

/** The engine's answer, or null when it gave none. */
async function told(world: ApiWorld, call: Call, asked: Asked): Promise<RefundAnswer | null> {
  const hearUntilMs = call.receivedMs + HEARD_WITHIN_MS;
  try {
    return await world.engine.refund(asked, call.requestId, OUTCOME_WITHIN_MS, hearUntilMs);
  } catch (error) {
    call.log.warn({ refundId: asked.refundId, err: error }, 'the engine did not answer a refund');
    return null;
  }
}

const refusalOf = ({ code, message, param }: RefundRefusal): BillingError => new BillingError(code, message, param);

function unlessRefused(refund: Refund): Refund {
  if (refund.status !== 'failed') return refund;
  throw new DetailedError(
    'refund_refused',
    `${inSentences(refundFailureWords(refund.failureCode))} The amount is credit again.`,
    { refund: refund.id, reason: refundFailure(refund.failureCode) },
  );
}
