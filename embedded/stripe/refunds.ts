import { recordBalanceTransaction } from './balance-transactions.ts';
import { testCard } from './cards.ts';
import { endpoint } from './endpoint.ts';
import { invalidRequest } from './errors.ts';
import { newId } from './ids.ts';
import { listPage, pagination, within } from './lists.ts';
import { formatAmount } from './money.ts';
import { named } from './named.ts';
import type { Charge, Refund } from './objects.ts';
import { clearable, integer, metadata, oneOf, patched, range, text } from './params.ts';
import type { World } from './world.ts';

const create = endpoint(
  'POST /v1/refunds',
  {
    amount: integer(1),
    charge: text,
    payment_intent: text,
    metadata: clearable(metadata),
    reason: oneOf('duplicate', 'fraudulent', 'requested_by_customer'),
  },
  (world, { amount, charge: chargeId, payment_intent, metadata: patch, reason }) => {
    const charge = chargeToRefund(world, chargeId, payment_intent);
    refuseUnrefundable(charge, amount);
    return refund(world, charge, amount ?? charge.amount - charge.amount_refunded, {
      reason: reason ?? null,
      metadata: patched(null, patch),
    });
  },
);

function chargeToRefund(world: World, charge: string | undefined, intentId: string | undefined): Charge {
  if (charge !== undefined) return named(world, 'charges', charge, { param: 'charge' });
  if (intentId === undefined)
    throw invalidRequest('One of the following params should be provided for this request: payment_intent or charge.');
  const intent = named(world, 'paymentIntents', intentId, { param: 'payment_intent' });
  const latest = world.state.charges.get(intent.latest_charge ?? '');
  if (latest?.status === 'succeeded') return latest;
  throw invalidRequest(`This PaymentIntent (${intentId}) does not have a successful charge to refund.`, {
    param: 'payment_intent',
  });
}

function refuseUnrefundable(charge: Charge, amount: number | undefined): void {
  if (charge.status !== 'succeeded')
    throw invalidRequest(`Charge ${charge.id} cannot be refunded because it failed.`, {
      code: 'charge_not_refundable',
    });
  if (charge.disputed)
    throw invalidRequest(`Charge ${charge.id} has been charged back; cannot issue a refund.`, {
      code: 'charge_disputed',
    });
  if (charge.refunded)
    throw invalidRequest(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' });
  const left = charge.amount - charge.amount_refunded;
  if (amount !== undefined && amount > left) {
    const bare = (value: number) => formatAmount(value, charge.currency).replace(/ \w+$/, '');
    throw invalidRequest(
      `Refund amount (${bare(amount)}) is greater than unrefunded amount on charge (${bare(left)})`,
      // Stripe has no code for this refusal.
      { param: 'amount' },
    );
  }
}

function refund(
  world: World,
  charge: Charge,
  amount: number,
  { reason, metadata: kept }: { reason: Refund['reason']; metadata: Record<string, string> },
): Refund {
  const behaviour = refundBehaviour(world, charge);
  const refunded: Refund = {
    id: newId('re'),
    object: 'refund',
    amount,
    balance_transaction: null,
    charge: charge.id,
    created: world.seconds(),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: {
      card: { reference_status: 'pending', reference_type: 'acquirer_reference_number', type: 'refund' },
      type: 'card',
    },
    metadata: kept,
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: behaviour === 'pending' ? 'pending' : 'succeeded',
    transfer_reversal: null,
  };
  world.state.refunds.set(refunded.id, refunded);
  const { id: source, currency } = refunded;
  const description = `REFUND FOR CHARGE${charge.description === null ? '' : ` (${charge.description})`}`;
  refunded.balance_transaction = recordBalanceTransaction(world, {
    type: 'refund',
    amount: -amount,
    currency,
    source,
    description,
  }).id;
  charge.amount_refunded += amount;
  charge.refunded = charge.amount_refunded === charge.amount;
  world.emit('refund.created', refunded);
  world.emit('charge.refunded', charge);
  if (behaviour === 'pending') world.soon(() => settleRefund(world, refunded, 'succeeded'));
  if (behaviour === 'fails_later') world.soon(() => settleRefund(world, refunded, 'failed'));
  return refunded;
}

export const REFUND_STATUSES = ['pending', 'requires_action', 'succeeded', 'failed', 'canceled'] as const;
type RefundStatus = (typeof REFUND_STATUSES)[number];

/** The bank's final answer. A failed refund returns the money to the balance. */
export function settleRefund(world: World, refunded: Refund, outcome: 'succeeded' | 'failed'): Refund {
  if (refunded.status === 'failed' || refunded.status === 'canceled')
    throw invalidRequest(`Refund ${refunded.id} has already ${refunded.status}.`);
  return changeRefund(world, refunded, outcome);
}

const isGone = (status: string | null) => status === 'failed' || status === 'canceled';

/** The bank changes its answer, from any state: the money moves if the refund comes back or leaves again. */
export function changeRefund(world: World, refunded: Refund, status: RefundStatus): Refund {
  const previous = { status: refunded.status };
  refunded.status = status;
  if (isGone(status)) refunded.failure_reason = 'expired_or_canceled_card';
  else delete refunded.failure_reason;
  if (isGone(previous.status) !== isGone(status)) moveRefund(world, refunded, isGone(status));
  if (status === 'failed') world.emit('refund.failed', refunded, previous);
  world.emit('refund.updated', refunded, previous);
  return refunded;
}

function moveRefund(world: World, refunded: Refund, isBack: boolean): void {
  const { amount, currency, id: source } = refunded;
  const movement = recordBalanceTransaction(world, {
    type: isBack ? 'refund_failure' : 'refund',
    amount: isBack ? amount : -amount,
    currency,
    source,
    description: isBack ? `REFUND FAILURE FOR ${source}` : `REFUND ${source}`,
  });
  if (isBack) refunded.failure_balance_transaction = movement.id;
  const charge = world.state.charges.get(refunded.charge ?? '');
  if (!charge) return;
  charge.amount_refunded += isBack ? -amount : amount;
  charge.refunded = charge.amount_refunded >= charge.amount;
}

function refundBehaviour(world: World, charge: Charge) {
  const file = world.state.cardsOnFile.get(charge.payment_method ?? '');
  return file && testCard(file.number).refunds;
}

const retrieve = endpoint('GET /v1/refunds/:id', {}, (world, _params, { id }) => named(world, 'refunds', id));

const update = endpoint('POST /v1/refunds/:id', { metadata }, (world, { metadata: patch }, { id }) => {
  const refunded = named(world, 'refunds', id);
  refunded.metadata = patched(refunded.metadata, patch);
  world.emit('refund.updated', refunded);
  return refunded;
});

const index = endpoint(
  'GET /v1/refunds',
  { ...pagination, created: range, charge: text, payment_intent: text },
  (world, { created, charge, payment_intent, ...page }) =>
    listPage('/v1/refunds', world.state.refunds.values(), page, 'refund', (refunded) => {
      return (
        within(created, refunded.created) &&
        (charge ?? refunded.charge) === refunded.charge &&
        (payment_intent ?? refunded.payment_intent) === refunded.payment_intent
      );
    }),
);

export const refundEndpoints = [create, index, retrieve, update];
