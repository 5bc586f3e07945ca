/** The calls that create, read and expire Checkout sessions. */
import { expireSession, lineItemObject, planOf } from './checkout-sessions.ts';
import { endpoint } from './endpoint.ts';
import { invalidRequest, parameterMissing } from './errors.ts';
import { newId, randomText } from './ids.ts';
import { listPage, pagination, within } from './lists.ts';
import { checkAmount, checkCurrency } from './money.ts';
import { named } from './named.ts';
import type { CheckoutSession } from './objects.ts';
import {
  accepted,
  email,
  hash,
  integer,
  list,
  metadata,
  oneOf,
  type Params,
  patched,
  range,
  required,
  text,
  url,
} from './params.ts';
import { createSetupIntent } from './setup-intents.ts';
import type { CheckoutLineItem, CheckoutPlan } from './state.ts';
import type { World } from './world.ts';

const LONGEST_SECONDS = 24 * 3600;
const SHORTEST_SECONDS = 30 * 60;

const NEW_SESSION = {
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
};
type NewSession = Params<typeof NEW_SESSION>;

const create = endpoint('POST /v1/checkout/sessions', NEW_SESSION, (world, given) => {
  checkCustomer(world, given);
  const inSetup = given.mode === 'setup';
  refuseOtherModes(inSetup, given);
  const order = orderOf(given);
  if (!inSetup) checkOrder(order);
  const now = world.seconds();
  const expiresAt = expiryOf(given, now);
  const id = `cs_test_${randomText(58)}`;
  const setupIntent = inSetup
    ? createSetupIntent(world, {
        customer: given.customer,
        description: given.setup_intent_data?.description,
        metadata: patched(null, given.setup_intent_data?.metadata),
      })
    : undefined;
  const session: CheckoutSession = {
    ...buildSession(world, id, given),
    ...fieldsOfMode(given, order.total),
    created: now,
    currency: order.currency,
    expires_at: expiresAt,
    setup_intent: setupIntent?.id ?? null,
  };
  world.state.checkoutSessions.set(id, session);
  world.state.checkoutPlans.set(id, planOfNew(given, order));
  return session;
});

function checkCustomer(world: World, given: NewSession): void {
  if (given.customer !== undefined) named(world, 'customers', given.customer, { param: 'customer' });
  if (given.customer !== undefined && given.customer_email !== undefined)
    throw invalidRequest('You may only specify one of these parameters: customer, customer_email.', {
      code: 'parameters_exclusive',
      param: 'customer_email',
    });
}

/** What a session sells: nothing in setup mode. */
interface Order {
  items: (CheckoutLineItem & { currency: string })[];
  currency: string | null;
  total: number;
}

function orderOf({ line_items: lines = [], currency: given }: NewSession): Order {
  const items = lines.map(({ price_data: price, quantity }) => ({
    id: newId('li'),
    name: price.product_data.name,
    unitAmount: price.unit_amount,
    quantity,
    currency: checkCurrency(price.currency),
  }));
  const currency = items[0]?.currency ?? (given === undefined ? null : checkCurrency(given));
  return { items, currency, total: items.reduce((sum, { unitAmount, quantity }) => sum + unitAmount * quantity, 0) };
}

function checkOrder({ items, currency, total }: Order): void {
  if (items.some((item) => item.currency !== currency))
    throw invalidRequest('All line items must have the same currency.', { param: 'line_items' });
  checkAmount(total, currency ?? 'usd');
}

function expiryOf({ expires_at: given }: NewSession, now: number): number {
  const expiresAt = given ?? now + LONGEST_SECONDS;
  if (expiresAt < now + SHORTEST_SECONDS || expiresAt > now + LONGEST_SECONDS)
    throw invalidRequest(
      'The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.',
      { param: 'expires_at' },
    );
  return expiresAt;
}

/** The fields that differ between a payment and the saving of a card. */
function fieldsOfMode(given: NewSession, total: number) {
  const inSetup = given.mode === 'setup';
  return {
    amount_subtotal: inSetup ? null : total,
    amount_total: inSetup ? null : total,
    customer_creation: given.customer === undefined && !inSetup ? (given.customer_creation ?? 'if_required') : null,
    payment_method_collection: inSetup ? 'always' : 'if_required',
    payment_status: inSetup ? 'no_payment_required' : 'unpaid',
    saved_payment_method_options:
      given.customer === undefined || inSetup
        ? null
        : {
            allow_redisplay_filters: given.saved_payment_method_options?.allow_redisplay_filters ?? ['always'],
            payment_method_remove: given.saved_payment_method_options?.payment_method_remove ?? 'disabled',
            payment_method_save: given.saved_payment_method_options?.payment_method_save ?? 'disabled',
          },
    total_details: inSetup ? null : { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
  } satisfies Partial<CheckoutSession>;
}

/** The fields that both modes have, from the parameters. */
function buildSession(world: World, id: string, given: NewSession) {
  return {
    id,
    object: 'checkout.session',
    adaptive_pricing: null,
    after_expiration: null,
    allow_promotion_codes: null,
    allowed_payment_method_types: given.allowed_payment_method_types ?? null,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: given.billing_address_collection ?? null,
    cancel_url: given.cancel_url ?? null,
    client_reference_id: given.client_reference_id ?? null,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
    customer: given.customer ?? null,
    customer_account: null,
    customer_details: null,
    customer_email: given.customer_email ?? null,
    discounts: [],
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
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: given.allowed_payment_method_types ?? ['card'],
    permissions: null,
    recovered_from: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: given.submit_type ?? null,
    subscription: null,
    success_url: given.success_url,
    ui_mode: 'hosted_page',
    url: `${world.url}/c/pay/${id}`,
    wallet_options: null,
  } satisfies Partial<CheckoutSession>;
}

function planOfNew({ payment_intent_data: data }: NewSession, { items }: Order): CheckoutPlan {
  return {
    description: data?.description ?? null,
    metadata: patched(null, data?.metadata),
    receiptEmail: data?.receipt_email ?? null,
    setupFutureUsage: data?.setup_future_usage ?? null,
    statementDescriptorSuffix: data?.statement_descriptor_suffix ?? null,
    lineItems: items.map(({ currency: _currency, ...item }) => item),
  };
}

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
