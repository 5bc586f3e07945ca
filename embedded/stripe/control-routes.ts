import type { Router } from 'express';
import { z } from 'zod';
import { count, idOf, providerControlRoutes } from '../control-routes.ts';
import type { Control } from './control.ts';
import { OPEN_STATUSES } from './disputes.ts';
import { StripeRefusal } from './errors.ts';
import { REFUND_STATUSES } from './refunds.ts';

const selector = {
  customer: z.string().exactOptional(),
  paymentMethod: z.string().exactOptional(),
  fingerprint: z.string().exactOptional(),
};
const declineBody = z.strictObject({
  ...selector,
  after: z.number().int().nonnegative().exactOptional(),
  declineCode: z.string().exactOptional(),
});
const selectorBody = z.strictObject(selector);
const disputeBody = z.strictObject({
  charge: z.string(),
  reason: z.string().exactOptional(),
  amount: count.exactOptional(),
  inquiry: z.boolean().exactOptional(),
});
const text = z.string().exactOptional();
const pageBody = z.strictObject({
  cardNumber: text,
  cardExpiry: text,
  cardCvc: text,
  billingName: text,
  email: text,
  billingCountry: text,
  billingPostalCode: text,
  saveCard: text,
});

/** Refusals of Stripe itself are in Stripe's words. */
const inItsWords = (error: unknown) =>
  error instanceof StripeRefusal ? { status: error.status, body: error.body } : undefined;

/** The control object over HTTP, for scripts in other processes: JSON in, JSON out. */
export const controlRoutes = (control: Control): Router =>
  providerControlRoutes(control, inItsWords, (on) => {
    const { cards } = control;
    on('POST /cards/decline', ({ body }) => cards.decline(declineBody.parse(body)));
    on('POST /cards/accept', ({ body }) => cards.accept(selectorBody.parse(body)));
    on('POST /cards/processing', ({ body }) => cards.leaveProcessing(selectorBody.parse(body)));

    on('POST /disputes', ({ body }) => {
      const { charge, ...opening } = disputeBody.parse(body);
      return control.openDispute(charge, opening);
    });
    on('POST /disputes/:id/close', (request) => {
      const { outcome } = z.strictObject({ outcome: z.enum(['won', 'lost']) }).parse(request.body);
      return control.closeDispute(idOf(request), outcome);
    });
    on('POST /disputes/:id/decide', (request) => {
      const { outcome } = z.strictObject({ outcome: z.enum(['won', 'lost', 'warning_closed']) }).parse(request.body);
      return control.decideDispute(idOf(request), outcome);
    });
    on('POST /disputes/:id/reopen', (request) => {
      const { status } = z
        .strictObject({ status: z.enum(OPEN_STATUSES).default('needs_response') })
        .parse(request.body ?? {});
      return control.reopenDispute(idOf(request), status);
    });
    on('POST /disputes/:id/amount', (request) =>
      control.changeDisputeAmount(idOf(request), z.strictObject({ amount: count }).parse(request.body).amount),
    );
    on('POST /intents/:id/authenticate', (request) => {
      const { outcome } = z.strictObject({ outcome: z.enum(['complete', 'fail']) }).parse(request.body);
      return control.authenticate(idOf(request), outcome);
    });
    on('POST /payment_intents/:id/settle', (request) => {
      const { declineCode } = z.strictObject({ declineCode: z.string().optional() }).parse(request.body ?? {});
      return control.settlePayment(idOf(request), declineCode === undefined ? 'succeeded' : { declineCode });
    });
    on('POST /payment_intents/:id/succeed_later', (request) => control.succeedLater(idOf(request)));
    on('POST /refunds/:id/settle', (request) => {
      const { outcome } = z.strictObject({ outcome: z.enum(REFUND_STATUSES) }).parse(request.body);
      return control.settleRefund(idOf(request), outcome);
    });
    on('POST /checkout/sessions/:id/submit', (request) =>
      control.submitCheckout(idOf(request), pageBody.parse(request.body ?? {})),
    );
    on('DELETE /customers/:id', (request) => control.deleteCustomer(idOf(request)));
    on('DELETE /objects/:id', (request) => {
      const { live } = z.strictObject({ live: z.enum(['true', 'false']).optional() }).parse(request.query);
      control.forget(idOf(request), { live: live === 'true' });
    });
    on('DELETE /objects', () => control.exchangeAccount());
    on('POST /checkout/sessions/:id/complete_expired', (request) =>
      control.completeExpired(idOf(request), pageBody.parse(request.body ?? {})),
    );
    on('PUT /search', ({ body }) =>
      control.setSearchLag(z.strictObject({ lagSeconds: z.number() }).parse(body).lagSeconds),
    );

    on('GET /requests', ({ query }) =>
      control.requests().filter((request) => query.id === undefined || request.id === query.id),
    );
    on('GET /customers', () => control.customers());
    on('GET /payment_methods', () => control.paymentMethods());
    on('GET /setup_intents', () => control.setupIntents());
    on('GET /payment_intents', () => control.paymentIntents());
    on('GET /charges', () => control.charges());
    on('GET /refunds', () => control.refunds());
    on('GET /disputes', () => control.disputes());
    on('GET /balance_transactions', () => control.balanceTransactions());
    on('GET /checkout/sessions', () => control.checkoutSessions());
    on('GET /events', () => control.events());
  });
