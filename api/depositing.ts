/** Opening a deposit: recorded in the team's transaction, and then given to its workflow, whose first answer is waited for. */
import type { AskedDeposit as RecordedDeposit } from '../activities/ledger/deposits.ts';
import { BillingError } from '../billing/errors.ts';
import { isDecline, paymentFailure } from '../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../billing/failure-words.ts';
import { type Deposit, findDeposit } from '../prisma/deposits.ts';
import { isCommitUnknown } from '../prisma/sqlstate.ts';
import type { DepositAnswer } from '../workflows/messages.ts';
import type { Call } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { DetailedError } from './errors.ts';
import { isOutcomeUnknown } from './outcome.ts';
import { readRecorded, recordedAfterAll } from './recorded.ts';
import { mustBePaidSoon } from './recorded-first.ts';
import type { ApiWorld } from './world.ts';

/** An outcome that is not known by then is `pending`. */
const OUTCOME_WITHIN_MS = 8_000;
/** What the engine answers by then is heard too. */
const HEARD_WITHIN_MS = OUTCOME_WITHIN_MS + 300;

export type AskedDeposit = Omit<RecordedDeposit, 'receivedSecond'> & { requestHash: string };

/** A row under this id is this deposit, or another. One from before requests were kept is known by what it is. */
function sameOrTaken(row: Deposit, { teamId, kind, amountMicros, requestHash }: AskedDeposit): Deposit {
  const isSame =
    row.requestHash === null
      ? row.teamId === teamId && row.kind === kind && row.amountMicros === amountMicros
      : row.requestHash === requestHash;
  if (!isSame) throw new BillingError('id_taken', 'another deposit has this id', 'id');
  return row;
}

/**
 * Opens a deposit and waits for its first news: an outcome, or the page on which a person pays. Without news in time the
 * deposit is answered as pending, and its workflow goes on.
 * The same id with the same request again is the same deposit, whatever has become of it.
 * @throws BillingError `card_declined` and `provider_rejected`, each with a failed deposit; `id_taken`; `team_archived`;
 *   `engine_unavailable`: nothing was recorded, and nobody is charged; `outcome_unknown`
 */
export async function openDeposit(world: ApiWorld, call: Call, asked: AskedDeposit): Promise<Deposit> {
  const existing = await findDeposit(world.db, asked.depositId);
  if (existing) return unlessFailed(sameOrTaken(existing, asked));
  await mustBePaidSoon(world, call, asked.teamId);
  const opened = sameOrTaken(await recorded(world, call, asked), asked);
  return unlessFailed(await afterAnswer(world, call, opened, await told(world, call, opened)));
}

/** Records the deposit. A commit whose outcome is unknown is looked up under the team's lock. */
async function recorded(world: ApiWorld, call: Call, asked: AskedDeposit): Promise<Deposit> {
  try {
    return await world.ledger.recordDeposit({ ...asked, receivedSecond: call.receivedSecond }, call.requestId);
  } catch (error) {
    if (!isCommitUnknown(error)) throw error;
    const found = await recordedAfterAll(world, call, asked.teamId, (tx) => findDeposit(tx, asked.depositId));
    if (found === null) throw engineUnavailable();
    return found;
  }
}

/** The engine's answer, or null when it gave none: then the deposit is pending, and the sweeper starts what was not started. */
async function told(
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
 * The deposit as it is recorded now. A deposit whose row cannot be read is answered as far as the engine's answer tells it,
 * and as pending where the engine has not answered: the deposit is recorded, and its workflow goes on.
 * @throws BillingError `outcome_unknown` where the payment has failed and its reason cannot be read
 */
async function afterAnswer(
  world: ApiWorld,
  call: Call,
  opened: Deposit,
  answer: DepositAnswer | null,
): Promise<Deposit> {
  try {
    return (await readRecorded(world, call, () => findDeposit(world.db, opened.id))) ?? opened;
  } catch (error) {
    if (!isOutcomeUnknown(error) || answer?.status === 'failed' || answer?.status === 'expired') throw error;
    // The second and the receipt of a credit are in the row: a caller reads them later.
    const status = answer?.status === 'requires_action' ? answer.status : 'pending';
    return { ...opened, status, checkoutUrl: answer?.checkoutUrl ?? opened.checkoutUrl };
  }
}

function unlessFailed(deposit: Deposit): Deposit {
  if (deposit.status === 'failed') throw failureOf(deposit);
  return deposit;
}

/** Only an error of the card or its bank is `card_declined`; any other cause is ours or the provider's. */
function failureOf({ id, method, failureCode }: Deposit): BillingError {
  const reason = paymentFailure(failureCode);
  const code = method === 'card' && isDecline(reason) ? 'card_declined' : 'provider_rejected';
  const message = inSentences(paymentFailureWords(failureCode, method));
  return new DetailedError(code, message, { deposit: id, reason });
}
