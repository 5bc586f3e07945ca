/** Opening a deposit: told to the engine, and answered only with what is so. */
import type { NewDepositOrder } from '../activities/ledger/deposits.ts';
import { BillingError } from '../billing/errors.ts';
import { isDecline, paymentFailure } from '../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../billing/failure-words.ts';
import { teamArchived } from '../billing/team-state.ts';
import { callIdOf } from '../prisma/abandoned-calls.ts';
import { type Deposit, findDeposit } from '../prisma/deposits.ts';
import { isArchived } from '../prisma/teams.ts';
import { type Call, random128 } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { DetailedError } from './errors.ts';
import { foundOrAbandoned, notAfterMs, readRecorded } from './unanswered.ts';
import type { ApiWorld } from './world.ts';

/** An outcome that is not known by then is `pending`. */
const OUTCOME_WITHIN_MS = 8_000;
/** What the engine answers by then is heard too. */
const HEARD_WITHIN_MS = OUTCOME_WITHIN_MS + 300;

type AskedDeposit = Omit<NewDepositOrder, 'receivedSecond' | 'notAfterMs' | 'callId'> & { requestHash: string };

/** A row under this id is this deposit, or another. One from before requests were kept is known by what it is. */
const isSame = (row: Deposit, { teamId, kind, amountMicros, requestHash }: AskedDeposit): boolean =>
  row.requestHash === null
    ? row.teamId === teamId && row.kind === kind && row.amountMicros === amountMicros
    : row.requestHash === requestHash;

/**
 * Opens a deposit and waits for the first thing to tell: an outcome, or the page on which a person pays.
 * The same id with the same request again is the same deposit, whatever has become of it.
 * @throws BillingError `card_declined` and `provider_rejected`, each with a failed deposit; `id_taken`; `team_archived`;
 *   `engine_unavailable`, after which this call charges nobody
 */
export async function openDeposit(world: ApiWorld, call: Call, asked: AskedDeposit): Promise<Deposit> {
  const { depositId, teamId } = asked;
  const existing = await findDeposit(world.db, depositId);
  const callId = callIdOf(`deposit/${depositId}`, call.receivedSecond, random128());
  const answered = existing === null && (await told(world, call, { ...asked, callId }));
  // An answer that there is nothing to tell yet may come before the deposit is opened: then it is not to be opened later.
  const deposit =
    existing ??
    (answered ? await readRecorded(world, call, () => findDeposit(world.db, depositId)) : null) ??
    (await foundOrAbandoned(world, call, { teamId, callId }, (tx) => findDeposit(tx, depositId)));
  if (!deposit) throw (await isArchived(world.db, teamId)) ? teamArchived() : engineUnavailable();
  if (!isSame(deposit, asked)) throw new BillingError('id_taken', 'another deposit has this id', 'id');
  if (deposit.status === 'failed') throw failureOf(deposit);
  return deposit;
}

/** Whether the engine answered, with something other than that the call came too late. */
async function told(
  world: ApiWorld,
  call: Call,
  asked: Omit<NewDepositOrder, 'receivedSecond' | 'notAfterMs'>,
): Promise<boolean> {
  const { depositId, teamId, kind, callId } = asked;
  const order = { ...asked, receivedSecond: call.receivedSecond, notAfterMs: notAfterMs(world, call) };
  const hearUntilMs = call.receivedMs + HEARD_WITHIN_MS;
  const input = { depositId, teamId, kind, order };
  try {
    const answer = await world.engine.deposit(input, call.requestId, OUTCOME_WITHIN_MS, hearUntilMs);
    return answer.status !== 'refused';
  } catch (error) {
    call.log.warn({ callId, err: error }, 'the engine did not answer a deposit');
    return false;
  }
}

/** Only an error of the card or its bank is `card_declined`; any other cause is ours or the provider's. */
function failureOf({ id, method, failureCode }: Deposit): BillingError {
  const reason = paymentFailure(failureCode);
  const code = method === 'card' && isDecline(reason) ? 'card_declined' : 'provider_rejected';
  const message = inSentences(paymentFailureWords(failureCode, method));
  return new DetailedError(code, message, { deposit: id, reason });
}
