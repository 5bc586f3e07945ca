/**
 * Follows a crypto payment from its page until long afterwards: coins can be sent in parts, in excess, and after the
 * page has expired. Each confirmed output is credited once. An output that the provider corrects later, or whose
 * transaction leaves the chain, is corrected at the next look.
 */
import type { CryptoSeen } from '../activities/providers.ts';
import { isOpen } from '../billing/deposits.ts';
import { SECONDS_PER_DAY } from '../billing/time.ts';
import type { DepositOrder } from '../ledger/deposits.ts';
import { ledger, payments, wakes } from './neighbours.ts';
import { FIRST_POLL_MS, type Payment } from './payment.ts';
import { nowSecond, pollUntil } from './waiting.ts';

/** The poll finds partial and late payments, for which no webhooks exist. */
const SLOWEST_POLL_MS = 2 * 60_000;
const LATE_POLL_MS = SECONDS_PER_DAY * 1000;
const LATE_SECONDS = 30 * SECONDS_PER_DAY;

const LOOK_FOR_COINS = 'look whether coins have come';
const LOOK_FOR_LATE_COINS = 'look for late coins';

/** Follows a payment until no further change is expected. A later webhook starts the workflow again, for one look. */
export async function payInCrypto(payment: Payment, opened: DepositOrder): Promise<DepositOrder> {
  const { depositId } = opened;
  // An unknown page can only be from an earlier try or run.
  if (!isOpen(opened.status)) return follow(payment, opened, { everyPage: true });
  const page = await payments.createCryptoPage({ depositId });
  if ('failureCode' in page) {
    const { failureCode } = page;
    return ledger.failDeposit({ depositId, nowSecond: nowSecond(), status: 'failed', failureCode });
  }
  const { sessionId: copperxSessionId, checkoutUrl } = page;
  await ledger.noteDeposit({ depositId, change: { copperxSessionId, checkoutUrl } });
  payment.answer.checkoutUrl = checkoutUrl;
  showSeen(payment, opened, opened.status, 'on_crypto_page');
  await payment.wakeSignal.orMs(FIRST_POLL_MS, LOOK_FOR_COINS);
  return follow(payment, opened, { everyPage: page.maybeSeveral });
}

function follow(payment: Payment, opened: DepositOrder, { everyPage }: { everyPage: boolean }): Promise<DepositOrder> {
  const { reads, wakeSignal } = payment;
  const { depositId } = opened;
  let order = opened;
  let adjustMs = (waitMs: number) => waitMs;
  const pace = {
    firstMs: FIRST_POLL_MS,
    slowestMs: SLOWEST_POLL_MS,
    summary: () => (isOpen(order.status) ? LOOK_FOR_COINS : LOOK_FOR_LATE_COINS),
    adjustMs: (waitMs: number) => adjustMs(waitMs),
  };
  return pollUntil(wakeSignal, pace, async () => {
    reads.begin();
    const answer = await payments.fetchCrypto.executeWithOptions({ summary: 'what has come?' }, [
      { depositId, everyPage: everyPage || !isOpen(order.status) },
    ]);
    order = await recordSeen(order, answer);
    const awaited = answer.awaiting > 0 ? 'confirming' : 'on_crypto_page';
    showSeen(payment, opened, order.status, isOpen(order.status) ? awaited : order.status);
    reads.end();
    adjustMs = (waitMs) => waitAfter(order, answer, waitMs);
    return isOver(order, answer) ? order : undefined;
  });
}

async function recordSeen(before: DepositOrder, seen: CryptoSeen): Promise<DepositOrder> {
  const { depositId, teamId } = before;
  let order = before;
  if (seen.confirmed.length > 0)
    order = await ledger.creditCrypto({ depositId, outputs: seen.confirmed, nowSecond: nowSecond() });
  if (seen.changed) order = await ledger.correctCrypto({ depositId, changed: seen.changed, nowSecond: nowSecond() });
  if (isOpen(order.status) && seen.expired && seen.awaiting === 0)
    order = await ledger.expireCrypto({
      depositId,
      nowSecond: nowSecond(),
      ...(seen.missing && { failureCode: 'payment_missing' as const }),
    });
  if (seen.confirmed.length > 0 || seen.changed || order.status !== before.status) await wakes.tellWatch({ teamId });
  return order;
}

function showSeen(
  payment: Payment,
  opened: DepositOrder,
  status: DepositOrder['status'],
  state: Parameters<Payment['show']>[0],
): void {
  payment.answer.status = status;
  payment.reads.count();
  payment.show(state, opened);
}

const isOver = (order: DepositOrder, { awaiting, expiresSecond }: CryptoSeen): boolean =>
  !isOpen(order.status) && awaiting === 0 && nowSecond() > expiresSecond + LATE_SECONDS;

/** Short while a person may be paying or a block is awaited, and at the expiry; one day for late coins. */
function waitAfter(order: DepositOrder, { awaiting, expiresSecond }: CryptoSeen, waitMs: number): number {
  if (awaiting > 0) return Math.min(waitMs, SLOWEST_POLL_MS / 2);
  if (!isOpen(order.status)) return LATE_POLL_MS;
  const untilExpiryMs = (expiresSecond + 1) * 1000 - Date.now();
  return untilExpiryMs > 0 ? Math.min(waitMs, untilExpiryMs) : waitMs;
}
