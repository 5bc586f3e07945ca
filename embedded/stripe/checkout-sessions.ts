import { createCustomer } from './customers.ts';
import { named } from './named.ts';
import type { CheckoutSession, PaymentIntent, PaymentMethod, SetupIntent } from './objects.ts';
import { buildPaymentIntent, confirmPaymentIntent, keepPaymentIntent } from './payment-intents.ts';
import { confirmSetupIntent } from './setup-intents.ts';
import type { CheckoutLineItem, CheckoutPlan } from './state.ts';
import type { World } from './world.ts';

/** Ends the sessions whose time is over. Asked before each request, since nothing here runs by itself. */
export function expireDueSessions(world: World): void {
  for (const session of world.openSessions()) if (session.expires_at <= world.seconds()) expireSession(world, session);
}

export function expireSession(world: World, session: CheckoutSession): void {
  session.status = 'expired';
  session.url = null;
  if (session.setup_intent !== null) {
    const intent = named(world, 'setupIntents', session.setup_intent);
    intent.status = 'canceled';
    world.emit('setup_intent.canceled', intent);
  }
  world.emit('checkout.session.expired', session);
}

/** Opens an expired page again, for a payment at this moment. */
export function reopenSession(session: CheckoutSession): CheckoutSession {
  if (session.status === 'expired') session.status = 'open';
  return session;
}

export interface PagePayer {
  method: PaymentMethod;
  name: string | null;
  email: string | null;
  country: string | null;
  postalCode: string | null;
  saveCard: boolean;
}

/** Somebody submits the hosted page. A decline is thrown, and the session stays open for another card. */
export function submitSession(world: World, session: CheckoutSession, payer: PagePayer): PaymentIntent | SetupIntent {
  noteCustomerDetails(session, payer);
  const returnUrl = `${world.url}/c/pay/${session.id}/return`;
  if (session.mode === 'setup') {
    const intent = named(world, 'setupIntents', session.setup_intent ?? '');
    const confirmed = confirmSetupIntent(world, intent, { payment_method: payer.method.id, return_url: returnUrl });
    if (confirmed.status === 'succeeded') completeSession(world, session);
    return confirmed;
  }
  const plan = planOf(world, session);
  const save = payer.saveCard && session.saved_payment_method_options?.payment_method_save === 'enabled';
  const intent = intentOf(world, session, plan);
  if (save) {
    payer.method.allow_redisplay = 'always';
    intent.setup_future_usage = intent.setup_future_usage ?? 'on_session';
  } else if (plan.setupFutureUsage !== null) payer.method.allow_redisplay = 'limited';
  const confirmed = confirmPaymentIntent(world, intent, { payment_method: payer.method.id, return_url: returnUrl });
  if (confirmed.status === 'succeeded') completeSession(world, session);
  return confirmed;
}

/** The first attempt to pay makes the intent, like at Stripe, and further attempts use the same intent. */
function intentOf(world: World, session: CheckoutSession, plan: CheckoutPlan): PaymentIntent {
  if (session.payment_intent !== null) return named(world, 'paymentIntents', session.payment_intent);
  if (session.customer === null && (session.customer_creation === 'always' || plan.setupFutureUsage !== null)) {
    const { email: address = null, name = null } = session.customer_details ?? {};
    const customer = createCustomer(world, { email: address, name });
    world.emit('customer.created', customer);
    session.customer = customer.id;
  }
  const built = buildPaymentIntent(world, {
    amount: session.amount_total ?? 0,
    currency: session.currency ?? 'usd',
    customer: session.customer,
    automatic: { enabled: true },
    description: plan.description,
    metadata: plan.metadata,
    receiptEmail: plan.receiptEmail,
    setupFutureUsage: plan.setupFutureUsage,
    statementDescriptorSuffix: plan.statementDescriptorSuffix,
  });
  session.payment_intent = built.id;
  return keepPaymentIntent(world, built);
}

/** Called once the intent has succeeded, on the page or after authentication. */
export function completeSession(world: World, session: CheckoutSession): void {
  if (session.status !== 'open') return;
  session.status = 'complete';
  session.url = null;
  if (session.mode === 'payment') session.payment_status = 'paid';
  world.emit('checkout.session.completed', session);
}

export function sessionOfIntent(world: World, intent: string): CheckoutSession | undefined {
  for (const session of world.openSessions())
    if (session.payment_intent === intent || session.setup_intent === intent) return session;
  return undefined;
}

export function planOf(world: World, session: CheckoutSession): CheckoutPlan {
  const plan = world.state.checkoutPlans.get(session.id);
  if (!plan) throw new Error(`no plan of ${session.id}`);
  return plan;
}

function noteCustomerDetails(session: CheckoutSession, { name, email: address, country, postalCode }: PagePayer): void {
  session.customer_details = {
    address: { city: null, country, line1: null, line2: null, postal_code: postalCode, state: null },
    business_name: null,
    email: address ?? session.customer_email,
    individual_name: null,
    name,
    phone: null,
    tax_exempt: 'none',
    tax_ids: [],
  };
}

export function lineItemObject(session: CheckoutSession, { id, name, unitAmount, quantity }: CheckoutLineItem) {
  const amount = unitAmount * quantity;
  return {
    id,
    object: 'item',
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: amount,
    amount_tax: 0,
    amount_total: amount,
    currency: session.currency,
    description: name,
    metadata: {},
    price: {
      id: `price_${id.slice(3)}`,
      object: 'price',
      active: false,
      billing_scheme: 'per_unit',
      created: session.created,
      currency: session.currency,
      custom_unit_amount: null,
      livemode: false,
      lookup_key: null,
      metadata: {},
      nickname: null,
      product: `prod_${id.slice(3)}`,
      recurring: null,
      tax_behavior: 'unspecified',
      tiers_mode: null,
      transform_quantity: null,
      type: 'one_time',
      unit_amount: unitAmount,
      unit_amount_decimal: String(unitAmount),
    },
    quantity,
  };
}
