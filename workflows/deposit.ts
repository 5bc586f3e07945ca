/** A payment, from opened to credited or failed: the only way in which outside money becomes credit. */
import { allHandlersFinished, condition, patched, setHandler } from '@temporalio/workflow';
import type { DepositOrder } from '../activities/ledger/deposits.ts';
import type { PaymentOutcome } from '../activities/payments.ts';
import type { DepositChange } from '../prisma/deposits.ts';
import { followCrypto } from './crypto-payment.ts';
import { dollars, Stated, showDetails } from './details.ts';
import { type DepositAnswer, type DepositInput, firstAnswer, lookAgain, told } from './messages.ts';
import { ledger, payments, tell } from './neighbours.ts';
import { Looks, News, nowSecond } from './waiting.ts';

type Known = Extract<PaymentOutcome, { status: 'succeeded' | 'failed' | 'expired' }>;

/** Webhooks wake the payment at once. A poll with growing intervals replaces a lost webhook. */
const FIRST_POLL_MS = 15_000;
const SLOWEST_POLL_MS = 15 * 60_000;

const isOpen = (status: DepositAnswer['status']) => status === 'pending' || status === 'requires_action';

export async function deposit(input: DepositInput): Promise<DepositOrder | null> {
  const { depositId, teamId } = input;
  const news = new News();
  const state = new Stated('opening');
  const answer: DepositAnswer = { status: 'pending', checkoutUrl: null };
  const hasNews = () => answer.status !== 'pending' || answer.checkoutUrl !== null;
  const looks = new Looks(news);
  setHandler(told, news.arrived);
  setHandler(firstAnswer, async ({ withinMs }) => {
    await condition(hasNews, withinMs);
    return answer;
  });
  setHandler(lookAgain, async () => {
    await looks.next(FIRST_POLL_MS, () => !isOpen(answer.status));
    return answer;
  });

  const order = input.order ? await ledger.openDeposit(input.order) : await ledger.getDepositOrder({ depositId });
  if (order === null) {
    answer.status = 'refused';
    looks.close();
    await condition(allHandlersFinished);
    return null;
  }

  const closed = order.kind === 'crypto' ? await payInCrypto(order) : await payByCard(order);
  answer.status = closed.status;
  looks.close();
  show(closed.status, closed);

  await tell.tellWatch({ teamId });
  if (order.kind === 'auto_top_up') await tell.tellAutoTopUp({ teamId });
  await condition(allHandlersFinished);
  return closed;

  function payInCrypto(opened: DepositOrder): Promise<DepositOrder> {
    return followCrypto(opened, {
      news,
      looks,
      pageIs: (checkoutUrl) => {
        answer.checkoutUrl = checkoutUrl;
      },
      stateIs: ({ status }, seen) => {
        answer.status = status;
        looks.count();
        show({ waiting: 'on_crypto_page', confirming: 'confirming', closed: status }[seen], opened);
      },
    });
  }

  /** A closed deposit is never charged again. */
  async function payByCard(opened: DepositOrder): Promise<DepositOrder> {
    if (isOpen(opened.status)) return record(await pay(opened));
    return isOver(opened) || !patched('looks-at-failed-payments') ? opened : lookAtFailed(opened);
  }

  /** A repeated request needs no look, and neither does a credited payment. */
  function isOver({ status }: DepositOrder): boolean {
    return input.order !== undefined || !(status === 'failed' || status === 'expired');
  }

  /** A failed payment can succeed later, for example by an operator in the provider's dashboard. */
  async function lookAtFailed(failed: DepositOrder): Promise<DepositOrder> {
    const known = await untilKnown(await fetchOutcome(), async () => {});
    return known.status === 'succeeded' ? record(known) : failed;
  }

  function pay(open: DepositOrder): Promise<Known> {
    show('charging', open);
    return open.kind === 'checkout' ? payOnCheckoutPage() : payBySavedCard(open);
  }

  /**
   * The intent is created unconfirmed, and its id is stored before the confirmation. From then on the intent decides.
   */
  async function payBySavedCard({ amountMicros }: DepositOrder): Promise<Known> {
    const summary = `create the charge of ${dollars(amountMicros)}`;
    const intent = await payments.createIntent.executeWithOptions({ summary }, [{ depositId }]);
    if ('failureCode' in intent) return { status: 'failed', intentId: null, failureCode: intent.failureCode };
    await note({ stripeIntentId: intent.intentId });
    const confirmed = await payments.confirmIntent.executeWithOptions({ summary: 'confirm the charge' }, [
      { depositId, intentId: intent.intentId },
    ]);
    return untilKnown(confirmed);
  }

  async function payOnCheckoutPage(): Promise<Known> {
    const page = await payments.createCheckout({ depositId });
    if ('failureCode' in page) return { status: 'failed', intentId: null, failureCode: page.failureCode };
    const { sessionId, checkoutUrl } = page;
    await note({ stripeSessionId: sessionId, checkoutUrl });
    answer.checkoutUrl = checkoutUrl;
    show('on_checkout_page', order);
    return untilKnown({ status: 'processing', intentId: '' });
  }

  async function untilKnown(first: PaymentOutcome, onAction = askForAction): Promise<Known> {
    let seen = first;
    for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, SLOWEST_POLL_MS)) {
      if (seen.status !== 'processing' && seen.status !== 'requires_action') return seen;
      if (seen.status === 'requires_action' && answer.status !== 'requires_action') await onAction(seen.actionUrl);
      looks.count();
      looks.end();
      await news.orMs(pollMs, 'ask the provider again');
      news.take();
      seen = await fetchOutcome();
    }
  }

  function fetchOutcome(): Promise<PaymentOutcome> {
    looks.begin();
    return payments.fetchOutcome.executeWithOptions({ summary: 'ask what became of the charge' }, [{ depositId }]);
  }

  async function askForAction(checkoutUrl: string | null): Promise<void> {
    await note({ status: 'requires_action', checkoutUrl });
    answer.status = 'requires_action';
    answer.checkoutUrl = checkoutUrl;
    show('requires_action', order);
  }

  async function record(known: Known): Promise<DepositOrder> {
    if (known.status === 'succeeded') {
      return ledger.creditDeposit({ depositId, nowSecond: nowSecond(), receiptUrl: known.receiptUrl });
    }
    const failureCode = known.status === 'failed' ? known.failureCode : 'expired';
    return ledger.failDeposit({ depositId, nowSecond: nowSecond(), status: known.status, failureCode });
  }

  function note(change: DepositChange): Promise<void> {
    return ledger.noteDeposit({ depositId, change });
  }

  function show(next: string, of: DepositOrder | null): void {
    state.say(next);
    if (of)
      showDetails({
        deposit: depositId,
        amount: dollars(of.amountMicros),
        kind: of.kind,
        state: next,
        ...(of.failureCode !== undefined && { reason: of.failureCode }),
      });
  }
}
