/**
 * Follows a crypto payment from its page until long afterwards: coins can be sent in parts, in excess, and after the
 * page has expired. Each confirmed output is credited once. An output that the provider corrects later, or whose
 * transaction leaves the chain, is corrected at the next look.
 */
import type { CryptoSeen } from '../activities/crypto.ts';
import type { DepositOrder } from '../activities/ledger/deposits.ts';
import { ledger, payments, tell } from './neighbours.ts';
import { type Looks, type News, nowSecond } from './waiting.ts';

/** Webhooks wake the payment at once. The poll finds partial and late payments, for which no webhooks exist. */
const FIRST_POLL_MS = 15_000;
const SLOWEST_POLL_MS = 2 * 60_000;
const LATE_POLL_MS = 24 * 3600_000;
const LATE_SECONDS = 30 * 24 * 3600;

/** The parts of the deposit's workflow for this story: the news and the state. */
export interface Following {
  news: News;
  looks: Looks;
  pageIs(checkoutUrl: string): void;
  /** Told after each look. */
  stateIs(order: DepositOrder, seen: 'waiting' | 'confirming' | 'closed'): void;
}

const isOpen = ({ status }: DepositOrder) => status === 'pending' || status === 'requires_action';

/** Follows a payment until no further change is expected. A later webhook starts the workflow again, for one look. */
export async function followCrypto(opened: DepositOrder, following: Following): Promise<DepositOrder> {
  const { news, looks, pageIs, stateIs } = following;
  const { depositId, teamId } = opened;
  let order = opened;
  // An unknown page can only be from an earlier try or run.
  let everyPage = true;
  if (isOpen(order)) {
    const page = await payments.createCryptoPage({ depositId });
    if ('failureCode' in page) {
      const { failureCode } = page;
      return ledger.failDeposit({ depositId, nowSecond: nowSecond(), status: 'failed', failureCode });
    }
    const { sessionId: copperxSessionId, checkoutUrl } = page;
    await ledger.noteDeposit({ depositId, change: { copperxSessionId, checkoutUrl } });
    everyPage = page.maybeSeveral;
    pageIs(checkoutUrl);
    stateIs(order, 'waiting');
    await news.orMs(FIRST_POLL_MS, 'look whether coins have come');
  }

  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, SLOWEST_POLL_MS)) {
    news.take();
    looks.begin();
    const seen = await payments.fetchCrypto.executeWithOptions({ summary: 'what has come?' }, [
      { depositId, everyPage: everyPage || !isOpen(order) },
    ]);
    const before = order.status;
    if (seen.confirmed.length > 0)
      order = await ledger.creditCrypto({ depositId, outputs: seen.confirmed, nowSecond: nowSecond() });
    if (seen.changed) order = await ledger.correctCrypto({ depositId, changed: seen.changed, nowSecond: nowSecond() });
    if (isOpen(order) && seen.expired && seen.awaiting === 0)
      order = await ledger.expireCrypto({
        depositId,
        nowSecond: nowSecond(),
        ...(seen.missing && { failureCode: 'payment_missing' as const }),
      });
    if (seen.confirmed.length > 0 || seen.changed || order.status !== before) await tell.tellWatch({ teamId });
    stateIs(order, isOpen(order) ? (seen.awaiting > 0 ? 'confirming' : 'waiting') : 'closed');
    looks.end();
    if (isOver(order, seen)) return order;
    await news.orMs(
      waitMs(order, seen, pollMs),
      isOpen(order) ? 'look whether coins have come' : 'look for late coins',
    );
  }
}

const isOver = (order: DepositOrder, { awaiting, expiresSecond }: CryptoSeen): boolean =>
  !isOpen(order) && awaiting === 0 && nowSecond() > expiresSecond + LATE_SECONDS;

/** Short while a person may be paying or a block is awaited, and at the expiry; one day for late coins. */
function waitMs(order: DepositOrder, { awaiting, expiresSecond }: CryptoSeen, pollMs: number): number {
  if (awaiting > 0) return Math.min(pollMs, SLOWEST_POLL_MS / 2);
  if (!isOpen(order)) return LATE_POLL_MS;
  const untilExpiryMs = (expiresSecond + 1) * 1000 - Date.now();
  return untilExpiryMs > 0 ? Math.min(pollMs, untilExpiryMs) : pollMs;
}
