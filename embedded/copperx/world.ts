import { randomBytes, randomUUID } from 'node:crypto';
import type { CheckoutSession, Event, Transaction } from './objects.ts';

export interface State {
  sessions: CheckoutSession[];
  events: Event[];
}

const API_VERSION = '2023-01-11';
const SESSION_MS = 3_600_000;
const MOST_CONFIRMATIONS = 1_000;
const CHAIN = 8453;

/** A payment on a chain; the whole requested amount by default. */
export interface Paying {
  /** Coins, as a decimal string: "60.5". */
  amount?: string;
  /** A new hash by default. The same hash with another output is another payment. */
  transactionHash?: string;
  output?: number;
  confirmations?: number;
  currency?: string;
  chainId?: number;
}

/** The request for a checkout session. */
export interface NewSession {
  unitAmount: string;
  quantity: number;
  currency: string;
  productName: string;
  clientReferenceId: string | null;
  metadata: Record<string, string> | null;
  successUrl: string;
  cancelUrl: string | null;
  allowSwap: boolean;
  allowedChains: { chainId: number }[];
  expiresAt: string | null;
}

/** `"60.5"` as units of 10⁻⁸ coin. */
export function unitsOf(coins: string): bigint {
  const [, whole = '', fraction = ''] = /^(\d{1,12})(?:\.(\d{1,8}))?$/.exec(coins) ?? [];
  if (whole === '') throw new RangeError(`not an amount of coins: ${coins}`);
  return BigInt(whole) * 100_000_000n + BigInt(fraction.padEnd(8, '0'));
}

export const coinsOf = (units: string): string => {
  const digits = units.padStart(9, '0');
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`.replace(/0{1,6}$/, '');
};

/** The sessions, the chain with the payments, and the events. */
export class World {
  readonly now: () => number;
  /** CopperX calls a payment complete after so many confirmations. */
  readonly completeAfter: number;
  state: State = { sessions: [], events: [] };
  /** The address of the pages. Set when the server listens. */
  url = '';
  onEvent: (event: Event) => void = () => {};
  onChange: () => void = () => {};

  constructor(now: () => number, completeAfter: number) {
    this.now = now;
    this.completeAfter = completeAfter;
  }

  find(id: string): CheckoutSession | undefined {
    return this.state.sessions.find((session) => session.id === id);
  }

  create(asked: NewSession): CheckoutSession {
    const id = randomUUID();
    const at = this.#time();
    const amountTotal = String(BigInt(asked.unitAmount) * BigInt(asked.quantity));
    const session: CheckoutSession = {
      id,
      createdAt: at,
      updatedAt: at,
      mode: 'payment',
      paymentMethodTypes: ['wallet'],
      paymentSetting: {
        allowSwap: asked.allowSwap,
        allowedChains: asked.allowedChains,
        preferredChainId: asked.allowedChains[0]?.chainId ?? null,
      },
      expiresAt: asked.expiresAt ?? new Date(Date.parse(at) + SESSION_MS).toISOString(),
      submitType: 'pay',
      amountTotal,
      amountNet: amountTotal,
      currency: asked.currency,
      clientReferenceId: asked.clientReferenceId,
      metadata: asked.metadata,
      successUrl: asked.successUrl.replaceAll('{CHECKOUT_SESSION_ID}', id),
      cancelUrl: asked.cancelUrl,
      status: 'open',
      paymentStatus: 'unpaid',
      url: `${this.url}/payment/checkout-session/${id}`,
      lineItems: {
        object: 'list',
        data: [
          {
            amountTotal,
            currency: asked.currency,
            description: null,
            quantity: asked.quantity,
            price: {
              unitAmount: asked.unitAmount,
              currency: asked.currency,
              type: 'one_time',
              product: { name: asked.productName },
            },
          },
        ],
      },
      paymentIntent: {
        id: randomUUID(),
        createdAt: at,
        updatedAt: at,
        amount: amountTotal,
        amountReceived: null,
        currency: asked.currency,
        status: 'requires_payment_method',
        paymentMethodTypes: ['wallet'],
        description: null,
        transactions: [],
      },
    };
    this.state.sessions.push(session);
    this.onChange();
    return session;
  }

  /**
   * Sends coins to a session's address, also after the session has expired. A repeated transaction is the transaction
   * already on the chain.
   */
  pay(session: CheckoutSession, paying: Paying = {}): Transaction {
    const { output = 0 } = paying;
    const sent = session.paymentIntent.transactions.find(
      ({ transactionHash, outputIndex }) => transactionHash === paying.transactionHash && outputIndex === output,
    );
    if (sent) return sent;
    const amount = paying.amount === undefined ? session.amountTotal : String(unitsOf(paying.amount));
    const transaction: Transaction = {
      id: randomUUID(),
      createdAt: this.#time(),
      transactionHash: paying.transactionHash ?? `0x${randomBytes(32).toString('hex')}`,
      outputIndex: output,
      chainId: paying.chainId ?? CHAIN,
      currency: paying.currency ?? session.currency,
      amount,
      confirmations: 0,
      status: 'pending',
    };
    session.paymentIntent.transactions.push(transaction);
    session.paymentIntent.status = 'processing';
    this.#confirm(session, transaction, paying.confirmations ?? 0);
    this.onChange();
    return transaction;
  }

  /** Changes the amount of a transaction's outputs. The confirmations stay. */
  correct(session: CheckoutSession, transactionHash: string, amount: string): Transaction {
    const units = String(unitsOf(amount));
    const [first] = this.#listed(session, transactionHash).map((transaction) =>
      Object.assign(transaction, { amount: units }),
    );
    this.#countReceived(session);
    this.onChange();
    return first as Transaction;
  }

  /** Removes a transaction. A complete page stays complete, because its event has been sent. */
  reorganise(session: CheckoutSession, transactionHash: string): void {
    const gone = this.#listed(session, transactionHash);
    const { paymentIntent } = session;
    paymentIntent.transactions = paymentIntent.transactions.filter((transaction) => !gone.includes(transaction));
    this.#countReceived(session);
    this.onChange();
  }

  #listed({ paymentIntent }: CheckoutSession, transactionHash: string): Transaction[] {
    const found = paymentIntent.transactions.filter((transaction) => transaction.transactionHash === transactionHash);
    if (found.length === 0) throw new Error(`no transaction ${transactionHash}`);
    return found;
  }

  /** Sums the confirmed transactions of a session. */
  #countReceived(session: CheckoutSession): bigint {
    const { paymentIntent } = session;
    const received = paymentIntent.transactions
      .filter(({ status }) => status === 'confirmed')
      .reduce((sum, { amount }) => sum + BigInt(amount), 0n);
    paymentIntent.amountReceived = received === 0n ? null : String(received);
    paymentIntent.updatedAt = session.updatedAt = this.#time();
    return received;
  }

  /** So many blocks are found on every chain. */
  mine(blocks: number): void {
    for (const session of this.state.sessions)
      for (const transaction of session.paymentIntent.transactions)
        if (transaction.confirmations < MOST_CONFIRMATIONS) this.#confirm(session, transaction, blocks);
    this.onChange();
  }

  /** True if a block would change the visible state of an incomplete payment. */
  waitsForBlocks(): boolean {
    return this.state.sessions.some(({ paymentIntent }) =>
      paymentIntent.transactions.some(({ confirmations }) => confirmations < 2 * this.completeAfter),
    );
  }

  expireDue(): void {
    for (const session of this.state.sessions)
      if (session.status === 'open' && Date.parse(session.expiresAt) <= this.now()) this.expire(session);
  }

  expire(session: CheckoutSession): void {
    if (session.status !== 'open') return;
    session.status = 'expired';
    if (Date.parse(session.expiresAt) > this.now()) session.expiresAt = this.#time();
    this.#emit('checkout_session.expired', session);
  }

  cancel(session: CheckoutSession): void {
    if (session.status !== 'open') return;
    session.status = 'canceled';
    this.#emit('checkout_session.canceled', session);
  }

  #confirm(session: CheckoutSession, transaction: Transaction, blocks: number): void {
    transaction.confirmations += blocks;
    if (transaction.confirmations >= this.completeAfter) transaction.status = 'confirmed';
    const { paymentIntent } = session;
    const received = this.#countReceived(session);
    if (session.status !== 'open' || received < BigInt(session.amountTotal)) return;
    session.status = 'complete';
    session.paymentStatus = 'paid';
    paymentIntent.status = 'succeeded';
    this.#emit('checkout_session.completed', session);
  }

  /**
   * The time in an event is the real time even where the clock is scripted, because a receiver compares the time with
   * the clock of its own machine.
   */
  #emit(type: Event['type'], session: CheckoutSession): void {
    const event: Event = {
      id: randomUUID(),
      apiVersion: API_VERSION,
      created: Date.now(),
      object: 'checkoutSession',
      type,
      data: { object: structuredClone(session) },
      pending_webhooks: 0,
    };
    this.state.events.push(event);
    this.onEvent(event);
    this.onChange();
  }

  #time(): string {
    return new Date(this.now()).toISOString();
  }
}
