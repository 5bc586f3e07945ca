import { endpoint } from './endpoint.ts';
import { invalidRequest, unexpectedState } from './errors.ts';
import { listPage, pagination, searchPage, within } from './lists.ts';
import { checkAmount, checkCurrency } from './money.ts';
import { named } from './named.ts';
import {
  accepted,
  boolean,
  clearable,
  email,
  hash,
  integer,
  metadata,
  oneOf,
  patched,
  range,
  required,
  text,
  url,
} from './params.ts';
import { readyToConfirm, refuseOthersPaymentMethod } from './payment-intent-checks.ts';
import { buildPaymentIntent, confirmPaymentIntent, keepPaymentIntent, proceed } from './payment-intents.ts';
import { resolvePaymentMethod } from './payment-methods.ts';
import { parseSearch } from './search.ts';

const futureUsage = oneOf('off_session', 'on_session');

const onConfirm = {
  error_on_requires_action: boolean,
  mandate_data: accepted,
  off_session: boolean,
  payment_method_options: accepted,
  radar_options: accepted,
  return_url: url,
};

const create = endpoint(
  'POST /v1/payment_intents',
  {
    ...onConfirm,
    amount: required(integer(Number.MIN_SAFE_INTEGER)),
    automatic_payment_methods: hash({ enabled: required(boolean), allow_redirects: oneOf('always', 'never') }),
    capture_method: oneOf('automatic', 'automatic_async'),
    confirm: boolean,
    confirmation_method: oneOf('automatic', 'manual'),
    currency: required(text),
    customer: text,
    description: text,
    metadata,
    payment_method: text,
    receipt_email: email,
    setup_future_usage: futureUsage,
    shipping: accepted,
    statement_descriptor_suffix: text,
  },
  (world, given) => {
    const currency = checkCurrency(given.currency);
    checkAmount(given.amount, currency);
    if (given.confirm !== true) {
      for (const param of ['error_on_requires_action', 'off_session', 'return_url'] as const)
        if (given[param] !== undefined)
          throw invalidRequest(
            `The parameter ${param} cannot be passed when creating a PaymentIntent unless confirm is set to true.`,
            { param },
          );
    }
    if (given.customer !== undefined) named(world, 'customers', given.customer, { param: 'customer' });
    checkStatementDescriptorSuffix(given.statement_descriptor_suffix);
    const method = given.payment_method === undefined ? undefined : resolvePaymentMethod(world, given.payment_method);
    const intent = buildPaymentIntent(world, {
      amount: given.amount,
      currency,
      customer: given.customer,
      paymentMethod: method,
      automatic: given.automatic_payment_methods,
      description: given.description,
      metadata: patched(null, given.metadata),
      receiptEmail: given.receipt_email,
      setupFutureUsage: given.setup_future_usage,
      statementDescriptorSuffix: given.statement_descriptor_suffix,
    });
    if (given.capture_method !== undefined) intent.capture_method = given.capture_method;
    if (given.confirmation_method !== undefined) intent.confirmation_method = given.confirmation_method;
    if (method) refuseOthersPaymentMethod(world, intent, method);
    if (given.confirm !== true) return keepPaymentIntent(world, intent);
    // An intent that could not even be tried is not stored.
    const confirmed = readyToConfirm(world, intent, given.off_session, given.return_url);
    return proceed(world, keepPaymentIntent(world, intent), confirmed, given);
  },
);

const retrieve = endpoint('GET /v1/payment_intents/:id', { client_secret: text }, (world, _params, { id }) =>
  named(world, 'paymentIntents', id),
);

const update = endpoint(
  'POST /v1/payment_intents/:id',
  {
    amount: integer(Number.MIN_SAFE_INTEGER),
    currency: text,
    customer: text,
    description: clearable(text),
    metadata,
    payment_method: clearable(text),
    payment_method_options: accepted,
    receipt_email: clearable(email),
    setup_future_usage: clearable(futureUsage),
    shipping: accepted,
    statement_descriptor_suffix: text,
  },
  (world, given, { id }) => {
    const intent = named(world, 'paymentIntents', id);
    const settled = intent.status === 'succeeded' || intent.status === 'canceled' || intent.status === 'processing';
    const changesPayment = (['amount', 'currency', 'customer', 'payment_method', 'setup_future_usage'] as const).some(
      (key) => given[key] !== undefined,
    );
    if (settled && changesPayment)
      throw unexpectedState(
        `This PaymentIntent's amount could not be updated because it has a status of ${intent.status}. You may only update the amount of a PaymentIntent with one of the following statuses: requires_payment_method, requires_confirmation, requires_action.`,
        intent,
      );
    const currency = given.currency === undefined ? intent.currency : checkCurrency(given.currency);
    if (given.amount !== undefined) checkAmount(given.amount, currency);
    if (given.customer !== undefined) named(world, 'customers', given.customer, { param: 'customer' });
    checkStatementDescriptorSuffix(given.statement_descriptor_suffix);
    intent.amount = given.amount ?? intent.amount;
    intent.currency = currency;
    intent.customer = given.customer ?? intent.customer;
    if (given.description !== undefined) intent.description = given.description;
    if (given.receipt_email !== undefined) intent.receipt_email = given.receipt_email;
    if (given.setup_future_usage !== undefined) intent.setup_future_usage = given.setup_future_usage;
    if (given.statement_descriptor_suffix !== undefined)
      intent.statement_descriptor_suffix = given.statement_descriptor_suffix;
    if (given.payment_method !== undefined) {
      const method = given.payment_method === null ? undefined : resolvePaymentMethod(world, given.payment_method);
      if (method) refuseOthersPaymentMethod(world, intent, method);
      intent.payment_method = method?.id ?? null;
      intent.next_action = null;
      intent.status = method ? 'requires_confirmation' : 'requires_payment_method';
    }
    intent.metadata = patched(intent.metadata, given.metadata);
    return intent;
  },
);

const confirm = endpoint(
  'POST /v1/payment_intents/:id/confirm',
  {
    ...onConfirm,
    payment_method: text,
    receipt_email: clearable(email),
    setup_future_usage: clearable(futureUsage),
    shipping: accepted,
  },
  (world, given, { id }) => confirmPaymentIntent(world, named(world, 'paymentIntents', id), given),
);

const cancel = endpoint(
  'POST /v1/payment_intents/:id/cancel',
  { cancellation_reason: oneOf('duplicate', 'fraudulent', 'requested_by_customer', 'abandoned') },
  (world, { cancellation_reason }, { id }) => {
    const intent = named(world, 'paymentIntents', id);
    if (intent.status === 'succeeded' || intent.status === 'canceled')
      throw unexpectedState(
        `You cannot cancel this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.`,
        intent,
      );
    intent.status = 'canceled';
    intent.canceled_at = world.seconds();
    intent.cancellation_reason = cancellation_reason ?? null;
    intent.next_action = null;
    world.emit('payment_intent.canceled', intent);
    return intent;
  },
);

const index = endpoint(
  'GET /v1/payment_intents',
  { ...pagination, created: range, customer: text },
  (world, { created, customer, ...page }) => {
    if (customer !== undefined) named(world, 'customers', customer, { param: 'customer' });
    return listPage('/v1/payment_intents', world.state.paymentIntents.values(), page, 'payment_intent', (intent) => {
      return within(created, intent.created) && (customer ?? intent.customer) === intent.customer;
    });
  },
);

const search = endpoint(
  'GET /v1/payment_intents/search',
  { query: required(text), limit: integer(1, 100), page: text },
  (world, { query, ...page }) => {
    const fits = parseSearch('payment_intents', query, [
      'amount',
      'created',
      'currency',
      'customer',
      'status',
      'metadata',
    ]);
    const indexedBy = world.seconds() - world.searchLagSeconds;
    const found = [...world.state.paymentIntents.values()]
      .filter((intent) => intent.created <= indexedBy && fits({ ...intent }))
      .reverse();
    return searchPage('/v1/payment_intents/search', found, page);
  },
);

export const paymentIntentEndpoints = [create, index, search, retrieve, update, confirm, cancel];

function checkStatementDescriptorSuffix(suffix: string | undefined): void {
  if (suffix === undefined) return;
  const param = 'statement_descriptor_suffix';
  if (suffix.length > 22)
    throw invalidRequest('The statement descriptor suffix must be at most 22 characters.', { param });
  if (/[<>\\'"*]/.test(suffix))
    throw invalidRequest(`The statement descriptor suffix must not contain any of the following: < > \\ ' " *`, {
      param,
    });
  if (!/[a-z]/i.test(suffix))
    throw invalidRequest('The statement descriptor suffix must contain at least one alphabetic character.', { param });
}
