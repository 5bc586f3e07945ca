import type { Faults } from '../stripe/faults.ts';
import type { Webhooks } from '../stripe/webhooks.ts';
import type { LoggedRequest } from './api.ts';
import type { CopperxGates } from './gates.ts';
import type { CheckoutSession, Event, Transaction } from './objects.ts';
import type { Paying, World } from './world.ts';

/**
 * The powers that no caller of CopperX has and tests need: send coins, find blocks, let time pass, cause faults, look
 * inside.
 */
export class Control {
  /** As of the Stripe stand-in: `faults.add({on: 'POST /api/v1/checkout/sessions', kind: 'drop_after_effect'})`. */
  readonly faults: Faults;
  /** Gates at which a test pauses requests to the API and to the pages. */
  readonly gates: CopperxGates;
  readonly webhooks: Webhooks<Event>;
  readonly #world: World;
  readonly #requests: LoggedRequest[];

  constructor(world: World, faults: Faults, gates: CopperxGates, webhooks: Webhooks<Event>, requests: LoggedRequest[]) {
    this.#world = world;
    this.faults = faults;
    this.gates = gates;
    this.webhooks = webhooks;
    this.#requests = requests;
  }

  setWebhook(url: string, secret: string, events?: string[]): void {
    this.webhooks.setEndpoint({ url, secret, ...(events ? { events } : {}) });
  }

  /** Sends coins to a session, named by id or by `clientReferenceId`, also to an expired session. */
  pay(session: string, paying: Paying = {}): Transaction {
    return structuredClone(this.#world.pay(this.#named(session), paying));
  }

  /** So many blocks are found: each payment is confirmed by so many more. */
  mine(blocks = 1): void {
    this.#world.mine(blocks);
  }

  /** Lists a transaction of a session once more, like a provider that repeats reports. */
  repeat(session: string, transactionHash: string): void {
    const { transactions } = this.#named(session).paymentIntent;
    const again = transactions.find((transaction) => transaction.transactionHash === transactionHash);
    if (!again) throw new Error(`no transaction ${transactionHash}`);
    transactions.push(structuredClone(again));
    this.#world.onChange();
  }

  /** Changes the amount of a transaction, like a provider that corrects a report. No event is sent. */
  correct(session: string, transactionHash: string, amount: string): Transaction {
    return structuredClone(this.#world.correct(this.#named(session), transactionHash, amount));
  }

  /** Removes a transaction from the chain, like a reorganisation. No event is sent. */
  reorganise(session: string, transactionHash: string): void {
    this.#world.reorganise(this.#named(session), transactionHash);
  }

  /** Ends the time of a session. */
  expire(session: string): void {
    this.#world.expire(this.#named(session));
  }

  cancel(session: string): void {
    this.#world.cancel(this.#named(session));
  }

  /** Makes a session unknown: from now on its id is a 404, and no list has the session. No event is sent. */
  forget(session: string): void {
    const { id } = this.#named(session);
    const { sessions } = this.#world.state;
    sessions.splice(
      sessions.findIndex((kept) => kept.id === id),
      1,
    );
    this.#world.onChange();
  }

  /** Makes every session unknown: the account was exchanged. */
  exchangeAccount(): void {
    this.#world.state.sessions.length = 0;
    this.#world.onChange();
  }

  /** Does due work without waiting for a request. */
  tick(): void {
    this.#world.expireDue();
  }

  /** Sends an event to the webhook endpoint once more. Resolves after the answer or the failure. */
  resendEvent(id: string): Promise<void> {
    const event = this.#world.state.events.find((kept) => kept.id === id);
    if (!event) throw new Error(`no event ${id}`);
    return this.webhooks.resend(event);
  }

  /** Removes every script and fault. Past effects stay. */
  reset(): void {
    this.faults.reset();
    this.webhooks.reset();
  }

  /** Oldest first. */
  sessions(): CheckoutSession[] {
    return structuredClone(this.#world.state.sessions);
  }

  /** All transactions, oldest first. */
  transactions(): Transaction[] {
    return this.sessions().flatMap(({ paymentIntent }) => paymentIntent.transactions);
  }

  events(): Event[] {
    return structuredClone(this.#world.state.events);
  }

  requests(): LoggedRequest[] {
    return [...this.#requests];
  }

  clearRequests(): void {
    this.#requests.length = 0;
  }

  #named(name: string): CheckoutSession {
    const session =
      this.#world.find(name) ?? this.#world.state.sessions.findLast((kept) => kept.clientReferenceId === name);
    if (!session) throw new Error(`no checkout session ${name}`);
    return session;
  }
}
