import { authenticate } from './authentication.ts';
import type { CardScripts } from './card-scripts.ts';
import { declineFor } from './cards.ts';
import { completeSession, expireDueSessions, reopenSession, sessionOfIntent } from './checkout-sessions.ts';
import { deleteCustomer } from './customers.ts';
import {
  changeDisputeAmount,
  closeDispute,
  type DisputeOpening,
  decideDispute,
  openDispute,
  reopenDispute,
} from './disputes.ts';
import { invalidRequest } from './errors.ts';
import type { Faults } from './faults.ts';
import { forget } from './forget.ts';
import type { StripeGates } from './gates.ts';
import { type PaymentForm, submitForm } from './hosted-pages.ts';
import { named } from './named.ts';
import type {
  BalanceTransaction,
  Charge,
  CheckoutSession,
  Customer,
  Dispute,
  Event,
  PaymentIntent,
  PaymentMethod,
  Refund,
  SetupIntent,
} from './objects.ts';
import { settleProcessing, succeedLater } from './payment-intents.ts';
import { changeRefund } from './refunds.ts';
import type { LoggedRequest, RequestLog } from './request-log.ts';
import { emptyState } from './state.ts';
import type { Webhooks } from './webhooks.ts';
import type { World } from './world.ts';

/**
 * The powers that no caller of Stripe has and tests need: cause faults, decide for banks and cardholders, and look
 * inside.
 */
export class Control {
  readonly faults: Faults;
  /** Gates at which a test pauses requests to the API and to the hosted pages. */
  readonly gates: StripeGates;
  readonly cards: CardScripts;
  readonly webhooks: Webhooks<Event>;
  readonly #world: World;
  readonly #log: RequestLog;

  constructor(world: World, faults: Faults, gates: StripeGates, webhooks: Webhooks<Event>, log: RequestLog) {
    this.#world = world;
    this.faults = faults;
    this.gates = gates;
    this.cards = world.cards;
    this.webhooks = webhooks;
    this.#log = log;
  }

  setWebhook(url: string, secret: string, events?: string[]): void {
    this.webhooks.setEndpoint({ url, secret, ...(events ? { events } : {}) });
  }

  /** Opens a dispute on a charge, named by the id of the charge or of the payment intent. */
  openDispute(chargeOrIntent: string, opening: DisputeOpening = {}): Dispute {
    return this.#act(() => openDispute(this.#world, this.#charge(chargeOrIntent), opening));
  }

  closeDispute(dispute: string, outcome: 'won' | 'lost'): Dispute {
    return this.#act(() => closeDispute(this.#world, named(this.#world, 'disputes', dispute), outcome));
  }

  /** Decides a dispute for the issuer, also a decided dispute. */
  decideDispute(dispute: string, outcome: Parameters<typeof decideDispute>[2]): Dispute {
    return this.#act(() => decideDispute(this.#world, named(this.#world, 'disputes', dispute), outcome));
  }

  /** The issuer looks at a decided dispute again, or makes a dispute of an inquiry. */
  reopenDispute(dispute: string, status: Parameters<typeof reopenDispute>[2] = 'needs_response'): Dispute {
    return this.#act(() => reopenDispute(this.#world, named(this.#world, 'disputes', dispute), status));
  }

  /** The cardholder contests another amount, in the currency's smallest unit. */
  changeDisputeAmount(dispute: string, amount: number): Dispute {
    return this.#act(() => changeDisputeAmount(this.#world, named(this.#world, 'disputes', dispute), amount));
  }

  /** Completes or fails the 3-D Secure of a waiting payment intent or setup intent. */
  authenticate(intent: string, outcome: 'complete' | 'fail'): PaymentIntent | SetupIntent {
    return this.#act(() => authenticate(this.#world, intent, outcome === 'complete'));
  }

  /** Ends a payment that `cards.leaveProcessing` left in `processing`. */
  settlePayment(intent: string, outcome: 'succeeded' | { declineCode: string }): PaymentIntent {
    return this.#act(() => {
      const processing = named(this.#world, 'paymentIntents', intent);
      settleProcessing(this.#world, processing, outcome === 'succeeded' ? undefined : declineFor(outcome.declineCode));
      const session = sessionOfIntent(this.#world, intent);
      if (session && processing.status === 'succeeded') completeSession(this.#world, session);
      return processing;
    });
  }

  /** Pays a failed or cancelled payment later, with its Checkout page if any. */
  succeedLater(intent: string): PaymentIntent {
    return this.#act(() => {
      const paid = succeedLater(this.#world, named(this.#world, 'paymentIntents', intent));
      for (const session of this.#world.state.checkoutSessions.values())
        if (session.payment_intent === intent) completeSession(this.#world, reopenSession(session));
      return paid;
    });
  }

  /** Changes the status of a refund as its bank does, from any status. */
  settleRefund(refund: string, outcome: Parameters<typeof changeRefund>[2]): Refund {
    return this.#act(() => changeRefund(this.#world, named(this.#world, 'refunds', refund), outcome));
  }

  /** Pays on an expired page. Returns the next address of the browser; a decline is thrown. */
  completeExpired(session: string, form: PaymentForm = {}): { redirect: string } {
    return this.#act(() => {
      const expired = reopenSession(named(this.#world, 'checkoutSessions', session));
      return { redirect: submitForm(this.#world, expired, { ...SOMEBODY, ...form }) };
    });
  }

  /** Pays on a session's page, as a person would. Answers where the browser goes next; a decline is thrown. */
  submitCheckout(session: string, form: PaymentForm = {}): { redirect: string } {
    return this.#act(() => {
      const open = named(this.#world, 'checkoutSessions', session);
      expireDueSessions(this.#world);
      if (open.status !== 'open') throw invalidRequest(`This Checkout Session has a status of ${open.status}.`);
      return { redirect: submitForm(this.#world, open, { ...SOMEBODY, ...form }) };
    });
  }

  /**
   * Deletes a customer like the dashboard does: the cards are detached, and the customer reads `{id, deleted: true}`.
   */
  deleteCustomer(customer: string): void {
    this.#act(() => deleteCustomer(this.#world, customer));
  }

  /**
   * Makes an object unknown, as to the key of another account: from now on its id is a `resource_missing`. With `live`,
   * Stripe adds that the object exists in live mode. No event is sent. Throws for an unknown id.
   */
  forget(id: string, { live = false }: { live?: boolean } = {}): void {
    this.#act(() => forget(this.#world, id, live));
  }

  /** Makes every object unknown: the account was exchanged. Stored idempotency keys go with it. */
  exchangeAccount(): void {
    this.#act(() => {
      this.#world.state = emptyState();
    });
  }

  /** Does due work without waiting for a request: sessions whose time is over expire. */
  tick(): void {
    this.#act(() => expireDueSessions(this.#world));
  }

  /** Sends an event to the webhook endpoint once more. Resolves after the answer or the failure. */
  resendEvent(event: string): Promise<void> {
    return this.webhooks.resend(named(this.#world, 'events', event));
  }

  /** New payment intents are found by search only after so many seconds, as at Stripe. */
  setSearchLag(seconds: number): void {
    this.#world.searchLagSeconds = seconds;
  }

  /** Removes every script and fault. Past effects stay. */
  reset(): void {
    this.faults.reset();
    this.cards.reset();
    this.webhooks.reset();
    this.#world.searchLagSeconds = 0;
  }

  requests(): LoggedRequest[] {
    return this.#log.entries();
  }

  clearRequests(): void {
    this.#log.clear();
  }

  customers(): Customer[] {
    return copies(this.#world.state.customers);
  }

  paymentMethods(): PaymentMethod[] {
    return copies(this.#world.state.paymentMethods);
  }

  setupIntents(): SetupIntent[] {
    return copies(this.#world.state.setupIntents);
  }

  paymentIntents(): PaymentIntent[] {
    return copies(this.#world.state.paymentIntents);
  }

  /** All charges, oldest first, declined ones included. */
  charges(): Charge[] {
    return copies(this.#world.state.charges);
  }

  refunds(): Refund[] {
    return copies(this.#world.state.refunds);
  }

  disputes(): Dispute[] {
    return copies(this.#world.state.disputes);
  }

  balanceTransactions(): BalanceTransaction[] {
    return copies(this.#world.state.balanceTransactions);
  }

  checkoutSessions(): CheckoutSession[] {
    return copies(this.#world.state.checkoutSessions);
  }

  events(): Event[] {
    return copies(this.#world.state.events);
  }

  #charge(id: string): Charge {
    if (!id.startsWith('pi_')) return named(this.#world, 'charges', id);
    return named(this.#world, 'charges', named(this.#world, 'paymentIntents', id).latest_charge ?? '');
  }

  #act<T>(act: () => T): T {
    this.#world.request = { id: null, idempotency_key: null };
    try {
      return structuredClone(act());
    } finally {
      this.#world.onChange();
    }
  }
}

const SOMEBODY: PaymentForm = {
  cardNumber: '4242424242424242',
  cardExpiry: '12 / 34',
  cardCvc: '123',
  billingName: 'Jenny Rosen',
  email: 'jenny@example.com',
  billingCountry: 'US',
  billingPostalCode: '94107',
};

function copies<T>(kept: Map<string, T>): T[] {
  return structuredClone([...kept.values()]);
}
