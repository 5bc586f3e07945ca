/** Opening a deposit: the engine is asked, and the answer is what was recorded. */
import type { NewDepositOrder } from '../activities/ledger/deposits.ts';
import { BillingError } from '../billing/errors.ts';
import { isDecline, paymentFailure } from '../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../billing/failure-words.ts';
import { ZERO } from '../billing/money.ts';
import { teamArchived } from '../billing/team-state.ts';
import { callIdOf } from '../prisma/abandoned-calls.ts';
import { type Deposit, findDeposit } from '../prisma/deposits.ts';
import { isArchived } from '../prisma/teams.ts';
import type { DepositAnswer } from '../workflows/messages.ts';
import { type Call, random128 } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { DetailedError } from './errors.ts';
import { isOutcomeUnknown } from './outcome.ts';
import { foundOrAbandoned, notAfterMs, readRecorded } from './unanswered.ts';
import type { ApiWorld } from './world.ts';

/** An outcome that is not known by then is `pending`. */
const OUTCOME_WITHIN_MS = 8_000;
/** What the engine answers by then is heard too. */
const HEARD_WITHIN_MS = OUTCOME_WITHIN_MS + 300;

export type AskedDeposit = Omit<NewDepositOrder, 'receivedSecond' | 'notAfterMs' | 'callId'> & { requestHash: string };

/** A row under this id is this deposit, or another. One from before requests were kept is known by what it is. */
const isSame = (row: Deposit, { teamId, kind, amountMicros, requestHash }: AskedDeposit): boolean =>
  row.requestHash === null
    ? row.teamId === teamId && row.kind === kind && row.amountMicros === amountMicros
    : row.requestHash === requestHash;

/**
 * Opens a deposit and waits for its first news: an outcome, or the page on which a person pays.
 * The same id with the same request again is the same deposit, whatever has become of it.
 * @param idIsGiven the caller chose the id, so another deposit may have it
 * @throws BillingError `card_declined` and `provider_rejected`, each with a failed deposit; `id_taken`; `team_archived`;
 *   `engine_unavailable`, after which this call charges nobody; `outcome_unknown`
 */
export async function openDeposit(
  world: ApiWorld,
  call: Call,
  asked: AskedDeposit,
  idIsGiven: boolean,
): Promise<Deposit> {
  const { depositId, teamId } = asked;
  const existing = await findDeposit(world.db, depositId);
  const callId = callIdOf(`deposit/${depositId}`, call.receivedSecond, random128());
  const answer = existing === null ? await askEngine(world, call, { ...asked, callId }) : null;
  const read = (answered: DepositAnswer) =>
    readRecorded(world, call, () => findDeposit(world.db, depositId)).catch((error: unknown) => {
      const known = isOutcomeUnknown(error) && !idIsGiven ? asAnswered(asked, call, answered) : null;
      if (known === null) throw error;
      return known;
    });
  // The engine may answer `pending` before the deposit is opened: then the deposit must not be opened later.
  const deposit =
    existing ??
    (answer === null ? null : await read(answer)) ??
    (await foundOrAbandoned(world, call, { teamId, callId }, (tx) => findDeposit(tx, depositId)));
  if (!deposit) throw (await isArchived(world.db, teamId)) ? teamArchived() : engineUnavailable();
  if (!isSame(deposit, asked)) throw new BillingError('id_taken', 'another deposit has this id', 'id');
  if (deposit.status === 'failed') throw failureOf(deposit);
  return deposit;
}

/**
 * The deposit as far as the engine's answer tells it, for a row that cannot be read. Null when the answer does not show that
 * the deposit was opened, or when it shows that the deposit failed.
 */
function asAnswered(asked: AskedDeposit, call: Call, { status, checkoutUrl }: DepositAnswer): Deposit | null {
  const isOpened =
    status === 'succeeded' || (checkoutUrl !== null && (status === 'pending' || status === 'requires_action'));
  if (!isOpened) return null;
  const {
    depositId,
    teamId,
    kind,
    amountMicros,
    paymentMethodId,
    requestHash,
    saveCard = false,
    detailsHash = null,
  } = asked;
  return {
    ...{ id: depositId, teamId, kind, amountMicros, paymentMethodId, requestHash, saveCard, detailsHash, checkoutUrl },
    ...{ method: kind === 'crypto' ? 'crypto' : 'card', label: 'Deposit', attempt: null },
    // The second and the receipt of a credit are in the row: a caller reads them later.
    ...{ status: status === 'succeeded' ? 'pending' : status, openedSecond: call.receivedSecond, closedSecond: null },
    ...{ stripeIntentId: null, stripeSessionId: null, copperxSessionId: null, failureCode: null, receiptUrl: null },
    ...{ cardBrand: null, cardLast4: null, receivedMicros: null, refundedMicros: ZERO, receiptNumber: null },
  };
}

/** The engine's answer; null when it gave none, or when the call came too late. */
async function askEngine(
  world: ApiWorld,
  call: Call,
  asked: Omit<NewDepositOrder, 'receivedSecond' | 'notAfterMs'>,
): Promise<DepositAnswer | null> {
  const { depositId, teamId, kind, callId } = asked;
  const order = { ...asked, receivedSecond: call.receivedSecond, notAfterMs: notAfterMs(world, call) };
  const hearUntilMs = call.receivedMs + HEARD_WITHIN_MS;
  const input = { depositId, teamId, kind, order };
  try {
    const answer = await world.engine.deposit(input, call.requestId, OUTCOME_WITHIN_MS, hearUntilMs);
    return answer.status === 'refused' ? null : answer;
  } catch (error) {
    call.log.warn({ callId, err: error }, 'the engine did not answer a deposit');
    return null;
  }
}

/** Only an error of the card or its bank is `card_declined`; any other cause is ours or the provider's. */
function failureOf({ id, method, failureCode }: Deposit): BillingError {
  const reason = paymentFailure(failureCode);
  const code = method === 'card' && isDecline(reason) ? 'card_declined' : 'provider_rejected';
  const message = inSentences(paymentFailureWords(failureCode, method));
  return new DetailedError(code, message, { deposit: id, reason });
}
