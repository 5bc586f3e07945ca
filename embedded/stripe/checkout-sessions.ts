import { createCustomer } from './customers.ts';
import { endpoint } from './endpoint.ts';
import { invalidRequest, parameterMissing } from './errors.ts';
import { newId, randomText } from './ids.ts';
import { listPage, pagination, within } from './lists.ts';
import { checkAmount, checkCurrency } from './money.ts';
import { named } from './named.ts';
import type { CheckoutSession, PaymentIntent, PaymentMethod, SetupIntent } from './objects.ts';
import {
  accepted,
  email,
  hash,
  integer,
  list,
  metadata,
  oneOf,
  patched,
  range,
  required,
  text,
  url,
} from './params.ts';
import { confirmPaymentIntent, createPaymentIntent } from './payment-intents.ts';
import { confirmSetupIntent, createSetupIntent } from './setup-intents.ts';
import type { CheckoutLineItem, CheckoutPlan } from './state.ts';
import type { World } from './world.ts';

const LONGEST_SECONDS = 24 * 3600;
const SHORTEST_SECONDS = 30 * 60;

const create = endpoint(
  'POST /v1/checkout/sessions',
  {
    allowed_payment_method_types: list(oneOf('card', 'link')),
    billing_address_collection: oneOf('auto', 'required'),
    cancel_url: url,
    client_reference_id: text,
    currency: text,
    custom_text: accepted,
    customer: text,
    customer_creation: oneOf('always', 'if_required'),
    customer_email: email,
    customer_update: accepted,
    expires_at: integer(),
    line_items: list(
      hash({
        price_data: required(
          hash({
            currency: required(text),
            product_data: required(hash({ name: required(text), description: text, images: accepted, metadata })),
            unit_amount: required(integer(0)),
            tax_behavior: oneOf('exclusive', 'inclusive', 'unspecified'),
          }),
        ),
        quantity: required(integer(1)),
      }),
    ),
    locale: text,
    metadata,
    mode: required(oneOf('payment', 'setup')),
    payment_intent_data: hash({
      description: text,
      metadata,
      receipt_email: email,
      setup_future_usage: oneOf('off_session', 'on_session'),
      statement_descriptor_suffix: text,
    }),
    saved_payment_method_options: hash({
      allow_redisplay_filters: list(oneOf('always', 'limited', 'unspecified')),
      payment_method_remove: oneOf('disabled', 'enabled'),
      payment_method_save: oneOf('disabled', 'enabled'),
    }),
    setup_intent_data: hash({ description: text, metadata }),
    submit_type: oneOf('auto', 'book', 'donate', 'pay', 'subscribe'),
    success_url: required(url),
    ui_mode: oneOf('hosted_page'),
  },
  (world, given) => {
    if (given.customer !== undefined) named(world, 'customers', given.customer, { param: 'customer' });
    if (given.customer !== undefined && given.customer_email !== undefined)
      throw invalidRequest('You may only specify one of these parameters: customer, customer_email.', {
        code: 'parameters_exclusive',
        param: 'customer_email',
      });
    const inSetup = given.mode === 'setup';
    refuseOtherModes(inSetup, given);
    const items = (given.line_items ?? []).map(
      ({ price_data: price, quantity }): CheckoutLineItem & { currency: string } => {
        return {
          id: newId('li'),
          name: price.product_data.name,
          unitAmount: price.unit_amount,
          quantity,
          currency: checkCurrency(price.currency),
        };
      },
    );
    const currency = items[0]?.currency ?? (given.currency === undefined ? null : checkCurrency(given.currency));
    const total = items.reduce((sum, { unitAmount, quantity }) => sum + unitAmount * quantity, 0);
    if (!inSetup) {
      if (items.some((item) => item.currency !== currency))
        throw invalidRequest('All line items must have the same currency.', { param: 'line_items' });
      checkAmount(total, currency ?? 'usd');
    }
    const now = world.seconds();
    const expiresAt = given.expires_at ?? now + LONGEST_SECONDS;
    if (expiresAt < now + SHORTEST_SECONDS || expiresAt > now + LONGEST_SECONDS)
      throw invalidRequest(
        'The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.',
        { param: 'expires_at' },
      );
    const id = `cs_test_${randomText(58)}`;
    const setupIntent = inSetup
      ? createSetupIntent(world, {
          customer: given.customer,
          description: given.setup_intent_data?.description,
          metadata: patched(null, given.setup_intent_data?.metadata),
        })
      : undefined;
    const session: CheckoutSession = {
      id,
      object: 'checkout.session',
      adaptive_pricing: null,
      after_expiration: null,
      allow_promotion_codes: null,
      allowed_payment_method_types: given.allowed_payment_method_types ?? null,
      amount_subtotal: inSetup ? null : total,
      amount_total: inSetup ? null : total,
      automatic_tax: { enabled: false, liability: null, provider: null, status: null },
      billing_address_collection: given.billing_address_collection ?? null,
      cancel_url: given.cancel_url ?? null,
      client_reference_id: given.client_reference_id ?? null,
      client_secret: null,
      collected_information: null,
      consent: null,
      consent_collection: null,
      created: now,
      currency,
      currency_conversion: null,
      custom_fields: [],
      custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
      customer: given.customer ?? null,
      customer_account: null,
      customer_creation: given.customer === undefined && !inSetup ? (given.customer_creation ?? 'if_required') : null,
      customer_details: null,
      customer_email: given.customer_email ?? null,
      discounts: [],
      expires_at: expiresAt,
      integration_identifier: null,
      invoice: null,
      invoice_creation: null,
      livemode: false,
      locale: (given.locale ?? null) as CheckoutSession['locale'],
      managed_payments: null,
      metadata: patched(null, given.metadata),
      mode: given.mode,
      origin_context: null,
      payment_intent: null,
      payment_link: null,
      payment_method_collection: inSetup ? 'always' : 'if_required',
      payment_method_configuration_details: null,
      payment_method_options: {},
      payment_method_types: ['card'],
      payment_status: inSetup ? 'no_payment_required' : 'unpaid',
      permissions: null,
      recovered_from: null,
      saved_payment_method_options:
        given.customer === undefined || inSetup
          ? null
          : {
              allow_redisplay_filters: given.saved_payment_method_options?.allow_redisplay_filters ?? ['always'],
              payment_method_remove: given.saved_payment_method_options?.payment_method_remove ?? 'disabled',
              payment_method_save: given.saved_payment_method_options?.payment_method_save ?? 'disabled',
            },
      setup_intent: setupIntent?.id ?? null,
      shipping_address_collection: null,
      shipping_cost: null,
      shipping_options: [],
      status: 'open',
      submit_type: given.submit_type ?? null,
      subscription: null,
      success_url: given.success_url,
      total_details: inSetup ? null : { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
      ui_mode: 'hosted_page',
      url: `${world.url}/c/pay/${id}`,
      wallet_options: null,
    };
    const data = given.payment_intent_data;
    world.state.checkoutSessions.set(id, session);
    world.state.checkoutPlans.set(id, {
      description: data?.description ?? null,
      metadata: patched(null, data?.metadata),
      receiptEmail: data?.receipt_email ?? null,
      setupFutureUsage: data?.setup_future_usage ?? null,
      statementDescriptorSuffix: data?.statement_descriptor_suffix ?? null,
      lineItems: items.map(({ currency: _currency, ...item }) => item),
    });
    return session;
  },
);

function refuseOtherModes(inSetup: boolean, given: Record<string, unknown>): void {
  const foreign = inSetup
    ? ['line_items', 'payment_intent_data', 'customer_creation', 'submit_type', 'saved_payment_method_options']
    : ['setup_intent_data'];
  for (const param of foreign)
    if (given[param] !== undefined)
      throw invalidRequest(`You can not pass \`${param}\` in \`${inSetup ? 'setup' : 'payment'}\` mode.`, { param });
  if (!inSetup && (given.line_items === undefined || (given.line_items as unknown[]).length === 0))
    throw parameterMissing('line_items');
  if (inSetup && given.currency === undefined && given.allowed_payment_method_types === undefined)
    throw parameterMissing('currency');
}

/** Ends the sessions whose time is over. Asked before each request, since nothing here runs by itself. */
export function expireDueSessions(world: World): void {
  for (const session of world.openSessions()) if (session.expires_at <= world.seconds()) expireSession(world, session);
}

function expireSession(world: World, session: CheckoutSession): void {
  session.status = 'expired';
  session.url = null;
  if (session.setup_intent !== null) {
    const intent = named(world, 'setupIntents', session.setup_intent);
    intent.status = 'canceled';
    world.emit('setup_intent.canceled', intent);
  }
  world.emit('checkout.session.expired', session);
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

/** The intent is made by the first attempt to pay, as at Stripe, and a further attempt takes the same one. */
function intentOf(world: World, session: CheckoutSession, plan: CheckoutPlan): PaymentIntent {
  if (session.payment_intent !== null) return named(world, 'paymentIntents', session.payment_intent);
  if (session.customer === null && (session.customer_creation === 'always' || plan.setupFutureUsage !== null)) {
    const { email: address = null, name = null } = session.customer_details ?? {};
    const customer = createCustomer(world, { email: address, name });
    world.emit('customer.created', customer);
    session.customer = customer.id;
  }
  const intent = createPaymentIntent(world, {
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
  session.payment_intent = intent.id;
  return intent;
}

/** Once its intent has succeeded, on the page or after authentication. */
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

const retrieve = endpoint('GET /v1/checkout/sessions/:id', {}, (world, _params, { id }) =>
  named(world, 'checkoutSessions', id),
);

const lineItems = endpoint('GET /v1/checkout/sessions/:id/line_items', pagination, (world, page, { id }) => {
  const session = named(world, 'checkoutSessions', id);
  const items = planOf(world, session).lineItems.map((item) => lineItemObject(session, item));
  return listPage(`/v1/checkout/sessions/${id}/line_items`, items.reverse(), page, 'line_item');
});

const expire = endpoint('POST /v1/checkout/sessions/:id/expire', {}, (world, _params, { id }) => {
  const session = named(world, 'checkoutSessions', id);
  if (session.status !== 'open')
    throw invalidRequest(
      `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
    );
  expireSession(world, session);
  return session;
});

const index = endpoint(
  'GET /v1/checkout/sessions',
  {
    ...pagination,
    created: range,
    customer: text,
    payment_intent: text,
    status: oneOf('complete', 'expired', 'open'),
  },
  (world, { created, customer, payment_intent, status, ...page }) =>
    listPage('/v1/checkout/sessions', world.state.checkoutSessions.values(), page, 'checkout.session', (session) => {
      return (
        within(created, session.created) &&
        (customer ?? session.customer) === session.customer &&
        (payment_intent ?? session.payment_intent) === session.payment_intent &&
        (status ?? session.status) === session.status
      );
    }),
);

export const checkoutSessionEndpoints = [create, index, retrieve, lineItems, expire];

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
