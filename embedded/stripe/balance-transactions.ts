import { endpoint } from './endpoint.ts';
import { newId } from './ids.ts';
import { listPage, pagination, within } from './lists.ts';
import { named } from './named.ts';
import type { BalanceTransaction } from './objects.ts';
import { range, text } from './params.ts';
import type { World } from './world.ts';

const TWO_DAYS = 2 * 24 * 3600;

interface Movement {
  type: 'charge' | 'refund' | 'refund_failure' | 'adjustment';
  amount: number;
  currency: string;
  source: string;
  description: string | null;
  fee?: number;
}

/** Stripe's standard price in the US: 2.9 % and 30 cents. */
export function processingFee(amount: number): number {
  return Math.round(amount * 0.029) + 30;
}

export function recordBalanceTransaction(world: World, movement: Movement): BalanceTransaction {
  const { fee = 0, type } = movement;
  const transaction: BalanceTransaction = {
    id: newId('txn'),
    object: 'balance_transaction',
    amount: movement.amount,
    available_on: world.seconds() + (type === 'charge' ? TWO_DAYS : 0),
    balance_type: 'payments',
    created: world.seconds(),
    currency: movement.currency,
    description: movement.description,
    exchange_rate: null,
    fee,
    fee_details:
      fee === 0
        ? []
        : [
            {
              amount: fee,
              application: null,
              currency: movement.currency,
              description: type === 'charge' ? 'Stripe processing fees' : 'Dispute fee',
              type: 'stripe_fee',
            },
          ],
    net: movement.amount - fee,
    reporting_category: type === 'adjustment' ? (fee > 0 ? 'dispute' : 'dispute_reversal') : type,
    source: movement.source,
    status: type === 'charge' ? 'pending' : 'available',
    type,
  };
  world.state.balanceTransactions.set(transaction.id, transaction);
  return transaction;
}

/** A payment becomes available on its day. The change is made at the read, because nothing here runs by itself. */
function current(world: World, transaction: BalanceTransaction): BalanceTransaction {
  if (transaction.status === 'pending' && transaction.available_on <= world.seconds()) transaction.status = 'available';
  return transaction;
}

const retrieve = endpoint('GET /v1/balance_transactions/:id', {}, (world, _params, { id }) =>
  current(world, named(world, 'balanceTransactions', id)),
);

const index = endpoint(
  'GET /v1/balance_transactions',
  { ...pagination, created: range, currency: text, source: text, type: text },
  (world, { created, currency, source, type, ...page }) => {
    const all = world.state.balanceTransactions.values();
    const answer = listPage('/v1/balance_transactions', all, page, 'balance_transaction', (transaction) => {
      return (
        within(created, transaction.created) &&
        (currency ?? transaction.currency) === transaction.currency &&
        (source ?? transaction.source) === transaction.source &&
        (type ?? transaction.type) === transaction.type
      );
    });
    for (const transaction of answer.data) current(world, transaction);
    return answer;
  },
);

const balance = endpoint('GET /v1/balance', {}, (world) => {
  const sums = { available: new Map<string, number>(), pending: new Map<string, number>() };
  for (const transaction of world.state.balanceTransactions.values()) {
    const sum = current(world, transaction).status === 'pending' ? sums.pending : sums.available;
    sum.set(transaction.currency, (sum.get(transaction.currency) ?? 0) + transaction.net);
  }
  const funds = (sum: Map<string, number>) =>
    [...(sum.size > 0 ? sum : new Map([['usd', 0]]))].map(([currency, amount]) => ({
      amount,
      currency,
      source_types: { card: amount },
    }));
  return { object: 'balance', available: funds(sums.available), livemode: false, pending: funds(sums.pending) };
});

export const balanceTransactionEndpoints = [balance, index, retrieve];
