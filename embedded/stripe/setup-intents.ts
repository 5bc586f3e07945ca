import { endpoint } from './endpoint.ts';
import { docUrl, invalidRequest, StripeRefusal } from './errors.ts';
import { newId, randomText } from './ids.ts';
import { listPage, pagination, within } from './lists.ts';
import { named } from './named.ts';
import type { PaymentMethod, SetupIntent } from './objects.ts';
import { accepted, boolean, clearable, hash, metadata, oneOf, patched, range, required, text, url } from './params.ts';
import { attach, cardBehind, cardError, cardOnFile, refuseSpent, resolvePaymentMethod } from './payment-methods.ts';
import type { World } from './world.ts';

interface NewSetupIntent {
  customer?: string | null | undefined;
  description?: string | null | undefined;
  metadata?: Record<string, string> | undefined;
  paymentMethod?: PaymentMethod | undefined;
  usage?: 'off_session' | 'on_session' | undefined;
  automatic?: { enabled: boolean; allow_redirects?: 'always' | 'never' | undefined } | undefined;
}

export function createSetupIntent(world: World, given: NewSetupIntent): SetupIntent {
  const id = newId('seti');
  const automatic = given.automatic ?? { enabled: true };
  const intent: SetupIntent = {
    id,
    object: 'setup_intent',
    allowed_payment_method_types: null,
    application: null,
    automatic_payment_methods: automatic.enabled
      ? { allow_redirects: automatic.allow_redirects ?? 'always', enabled: true }
      : null,
    cancellation_reason: null,
    client_secret: `${id}_secret_${randomText(25)}`,
    created: world.seconds(),
    customer: given.customer ?? null,
    customer_account: null,
    description: given.description ?? null,
    excluded_payment_method_types: null,
    flow_directions: null,
    last_setup_error: null,
    latest_attempt: null,
    livemode: false,
    mandate: null,
    metadata: given.metadata ?? {},
    next_action: null,
    on_behalf_of: null,
    payment_method: given.paymentMethod?.id ?? null,
    payment_method_configuration_details: null,
    payment_method_options: null,
    payment_method_types: ['card'],
    single_use_mandate: null,
    status: given.paymentMethod ? 'requires_confirmation' : 'requires_payment_method',
    usage: given.usage ?? 'off_session',
  };
  world.state.setupIntents.set(id, intent);
  world.emit('setup_intent.created', intent);
  return intent;
}

/** Saves a card with its issuer's permission: at once, after authentication, or not at all (thrown). */
export function confirmSetupIntent(
  world: World,
  intent: SetupIntent,
  given: { payment_method?: string | undefined; return_url?: string | undefined },
): SetupIntent {
  if (intent.status === 'succeeded' || intent.status === 'canceled')
    throw unexpectedSetupState(
      `You cannot confirm this SetupIntent because it has a status of ${intent.status}.`,
      intent,
    );
  if (intent.automatic_payment_methods?.allow_redirects === 'always') refuseWithoutReturnUrl(given.return_url);
  const method =
    given.payment_method === undefined
      ? world.state.paymentMethods.get(intent.payment_method ?? '')
      : resolvePaymentMethod(world, given.payment_method);
  if (!method)
    throw unexpectedSetupState(
      "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a payment method and then confirm it again.",
      intent,
    );
  refuseSpent(world, method);
  intent.payment_method = method.id;
  intent.next_action = null;
  const card = cardBehind(world, method);
  if (card.declines) {
    const refusal = cardError(card.declines, { payment_method: structuredClone(method) });
    failSetup(world, intent, refusal.body);
    throw cardError(card.declines, {
      payment_method: structuredClone(method),
      setup_intent: structuredClone(intent),
    });
  }
  if (card.authentication === 'always' || card.authentication === 'unless_set_up') {
    const returnUrl = given.return_url ?? null;
    const clientSecret = intent.client_secret ?? '';
    intent.status = 'requires_action';
    world.state.confirmations.set(intent.id, { paymentMethod: method.id, returnUrl, clientSecret });
    intent.next_action = {
      type: 'redirect_to_url',
      redirect_to_url: {
        return_url: returnUrl,
        url: `${world.url}/3d_secure_2/${intent.id}?client_secret=${clientSecret}`,
      },
    };
    world.emit('setup_intent.requires_action', intent);
    return intent;
  }
  return succeed(world, intent, method);
}

export function finishSetupAuthentication(world: World, intent: SetupIntent, passed: boolean): SetupIntent {
  const method = world.state.paymentMethods.get(intent.payment_method ?? '');
  if (intent.status !== 'requires_action' || !method)
    throw unexpectedSetupState('This SetupIntent needs no authentication.', intent);
  intent.next_action = null;
  if (passed) return succeed(world, intent, method);
  failSetup(world, intent, {
    type: 'invalid_request_error',
    code: 'setup_intent_authentication_failure',
    doc_url: docUrl('setup_intent_authentication_failure'),
    message:
      'The latest attempt to set up the payment method has failed because authentication failed. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this SetupIntent again.',
    payment_method: structuredClone(method),
  });
  return intent;
}

function succeed(world: World, intent: SetupIntent, method: PaymentMethod): SetupIntent {
  const customer = world.state.customers.get(intent.customer ?? '');
  if (customer) attach(world, method, customer);
  cardOnFile(world, method).setUp = true;
  intent.status = 'succeeded';
  intent.last_setup_error = null;
  world.emit('setup_intent.succeeded', intent);
  return intent;
}

function failSetup(world: World, intent: SetupIntent, error: object): void {
  intent.status = 'requires_payment_method';
  intent.payment_method = null;
  intent.last_setup_error = error as NonNullable<SetupIntent['last_setup_error']>;
  world.emit('setup_intent.setup_failed', intent);
}

function refuseWithoutReturnUrl(returnUrl: string | undefined): void {
  if (returnUrl !== undefined) return;
  throw invalidRequest(
    "This SetupIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
    { param: 'return_url' },
  );
}

function unexpectedSetupState(message: string, intent: SetupIntent) {
  return new StripeRefusal(400, {
    type: 'invalid_request_error',
    code: 'setup_intent_unexpected_state',
    message,
    setup_intent: structuredClone(intent),
  });
}

const create = endpoint(
  'POST /v1/setup_intents',
  {
    automatic_payment_methods: hash({ enabled: required(boolean), allow_redirects: oneOf('always', 'never') }),
    confirm: boolean,
    customer: text,
    description: text,
    mandate_data: accepted,
    metadata,
    payment_method: text,
    payment_method_options: accepted,
    return_url: url,
    usage: oneOf('off_session', 'on_session'),
  },
  (world, given) => {
    if (given.customer !== undefined) named(world, 'customers', given.customer, { param: 'customer' });
    const { enabled = true, allow_redirects: redirects } = given.automatic_payment_methods ?? {};
    if (given.confirm === true && enabled && redirects !== 'never') refuseWithoutReturnUrl(given.return_url);
    if (given.confirm !== true && given.return_url !== undefined)
      throw invalidRequest(
        'The parameter return_url cannot be passed when creating a SetupIntent unless confirm is set to true.',
        { param: 'return_url' },
      );
    const paymentMethod =
      given.payment_method === undefined ? undefined : resolvePaymentMethod(world, given.payment_method);
    const intent = createSetupIntent(world, {
      customer: given.customer,
      description: given.description,
      metadata: patched(null, given.metadata),
      paymentMethod,
      usage: given.usage,
      automatic: given.automatic_payment_methods,
    });
    return given.confirm === true ? confirmSetupIntent(world, intent, { return_url: given.return_url }) : intent;
  },
);

const retrieve = endpoint('GET /v1/setup_intents/:id', { client_secret: text }, (world, _params, { id }) =>
  named(world, 'setupIntents', id),
);

const update = endpoint(
  'POST /v1/setup_intents/:id',
  { customer: text, description: clearable(text), metadata, payment_method: text },
  (world, given, { id }) => {
    const intent = named(world, 'setupIntents', id);
    if (given.customer !== undefined)
      intent.customer = named(world, 'customers', given.customer, { param: 'customer' }).id;
    if (given.description !== undefined) intent.description = given.description;
    if (given.payment_method !== undefined) {
      intent.payment_method = resolvePaymentMethod(world, given.payment_method).id;
      intent.status = 'requires_confirmation';
    }
    intent.metadata = patched(intent.metadata, given.metadata);
    return intent;
  },
);

const confirm = endpoint(
  'POST /v1/setup_intents/:id/confirm',
  { mandate_data: accepted, payment_method: text, payment_method_options: accepted, return_url: url },
  (world, given, { id }) => confirmSetupIntent(world, named(world, 'setupIntents', id), given),
);

const cancel = endpoint(
  'POST /v1/setup_intents/:id/cancel',
  { cancellation_reason: oneOf('abandoned', 'duplicate', 'requested_by_customer') },
  (world, { cancellation_reason }, { id }) => {
    const intent = named(world, 'setupIntents', id);
    if (intent.status === 'succeeded' || intent.status === 'canceled')
      throw unexpectedSetupState(
        `You cannot cancel this SetupIntent because it has a status of ${intent.status}.`,
        intent,
      );
    intent.status = 'canceled';
    intent.cancellation_reason = cancellation_reason ?? null;
    intent.next_action = null;
    world.emit('setup_intent.canceled', intent);
    return intent;
  },
);

const index = endpoint(
  'GET /v1/setup_intents',
  { ...pagination, created: range, customer: text, payment_method: text },
  (world, { created, customer, payment_method, ...page }) =>
    listPage('/v1/setup_intents', world.state.setupIntents.values(), page, 'setupintent', (intent) => {
      return (
        within(created, intent.created) &&
        (customer ?? intent.customer) === intent.customer &&
        (payment_method ?? intent.payment_method) === intent.payment_method
      );
    }),
);

export const setupIntentEndpoints = [create, index, retrieve, update, confirm, cancel];
