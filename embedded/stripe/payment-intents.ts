/** Payment intents: from their creation to a charge, a decline or an authentication. */
import { type Decline, declineFor, type TestCard } from './cards.ts';
import { recordCharge } from './charges.ts';
import { openDispute } from './disputes.ts';
import { docUrl, unexpectedState } from './errors.ts';
import { newId, randomText } from './ids.ts';
import type { LastPaymentError, PaymentIntent, PaymentMethod } from './objects.ts';
import { readyToConfirm, refuseUnconfirmable } from './payment-intent-checks.ts';
import { attach, cardBehind, cardError, cardOnFile, resolvePaymentMethod } from './payment-methods.ts';
import type { World } from './world.ts';

interface Confirm {
  payment_method?: string | undefined;
  off_session?: boolean | undefined;
  return_url?: string | undefined;
  setup_future_usage?: 'off_session' | 'on_session' | null | undefined;
  error_on_requires_action?: boolean | undefined;
  receipt_email?: string | null | undefined;
}

export interface NewPaymentIntent {
  amount: number;
  currency: string;
  customer?: string | null | undefined;
  paymentMethod?: PaymentMethod | undefined;
  automatic?: { enabled: boolean; allow_redirects?: 'always' | 'never' | undefined } | undefined;
  description?: string | null | undefined;
  metadata?: Record<string, string> | undefined;
  receiptEmail?: string | null | undefined;
  setupFutureUsage?: 'off_session' | 'on_session' | null | undefined;
  statementDescriptorSuffix?: string | null | undefined;
}

export function buildPaymentIntent(world: World, given: NewPaymentIntent): PaymentIntent {
  const id = newId('pi');
  const automatic = given.automatic ?? { enabled: true };
  return {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: given.amount,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: automatic.enabled
      ? { allow_redirects: automatic.allow_redirects ?? 'always', enabled: true }
      : null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic_async',
    client_secret: `${id}_secret_${randomText(25)}`,
    confirmation_method: 'automatic',
    created: world.seconds(),
    currency: given.currency,
    customer: given.customer ?? null,
    customer_account: null,
    description: given.description ?? null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: given.metadata ?? {},
    next_action: null,
    on_behalf_of: null,
    payment_method: given.paymentMethod?.id ?? null,
    payment_method_configuration_details: null,
    payment_method_options: null,
    payment_method_types: ['card'],
    payment_record: null,
    processing: null,
    receipt_email: given.receiptEmail ?? null,
    review: null,
    setup_future_usage: given.setupFutureUsage ?? null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: given.statementDescriptorSuffix ?? null,
    status: given.paymentMethod ? 'requires_confirmation' : 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
  };
}

export function keepPaymentIntent(world: World, intent: PaymentIntent): PaymentIntent {
  world.state.paymentIntents.set(intent.id, intent);
  world.emit('payment_intent.created', intent);
  return intent;
}

export function confirmPaymentIntent(world: World, intent: PaymentIntent, given: Confirm): PaymentIntent {
  refuseUnconfirmable(intent);
  if (given.setup_future_usage !== undefined) intent.setup_future_usage = given.setup_future_usage;
  if (given.receipt_email !== undefined) intent.receipt_email = given.receipt_email;
  const method = readyToConfirm(world, intent, given.off_session, given.return_url, given.payment_method);
  return proceed(world, intent, method, given);
}

/**
 * Takes the payment as far as possible without its customer: to its charge, its decline (thrown) or its authentication.
 */
export function proceed(world: World, intent: PaymentIntent, method: PaymentMethod, given: Confirm): PaymentIntent {
  const offSession = given.off_session ?? false;
  intent.payment_method = method.id;
  intent.next_action = null;
  const card = cardBehind(world, method);
  if (!needsAuthentication(card, cardOnFile(world, method).setUp, offSession))
    return take(world, intent, method, { authenticated: false });
  if (offSession || given.error_on_requires_action === true)
    return declined(world, intent, method, declineFor('authentication_required'), false);
  return askForAuthentication(world, intent, method, given.return_url ?? null);
}

/** The customer comes back from the issuer's page. */
export function finishAuthentication(world: World, intent: PaymentIntent, passed: boolean): PaymentIntent {
  if (intent.status !== 'requires_action') throw unexpectedState('This PaymentIntent needs no authentication.', intent);
  const method = world.state.paymentMethods.get(intent.payment_method ?? '');
  if (!method) throw new Error(`${intent.id} has no payment method to authenticate`);
  intent.next_action = null;
  if (!passed) {
    fail(world, intent, {
      type: 'invalid_request_error',
      code: 'payment_intent_authentication_failure',
      doc_url: docUrl('payment_intent_authentication_failure'),
      message:
        'The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.',
      payment_method: structuredClone(method) as never,
    });
    return intent;
  }
  return take(world, intent, method, { authenticated: true });
}

/** The outcome of a payment that a script left in `processing`. */
export function settleProcessing(world: World, intent: PaymentIntent, decline?: Decline): void {
  const method = world.state.paymentMethods.get(intent.payment_method ?? '');
  if (intent.status !== 'processing' || !method) throw unexpectedState('This PaymentIntent is not processing.', intent);
  if (!decline) succeed(world, intent, method, false);
  else recordDecline(world, intent, method, decline, false);
}

/** Pays a given-up, declined or cancelled intent later, for example in Stripe's dashboard. */
export function succeedLater(world: World, intent: PaymentIntent): PaymentIntent {
  if (intent.status === 'succeeded') throw unexpectedState('This PaymentIntent has already succeeded.', intent);
  const last = world.state.charges.get(intent.latest_charge ?? '')?.payment_method;
  const kept = world.state.paymentMethods.get(intent.payment_method ?? last ?? '');
  const method = kept ?? resolvePaymentMethod(world, 'pm_card_visa');
  Object.assign(intent, { payment_method: method.id, next_action: null, canceled_at: null, cancellation_reason: null });
  return succeed(world, intent, method, false);
}

function take(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  { authenticated }: { authenticated: boolean },
) {
  const card = cardBehind(world, method);
  const byNumber =
    card.declines ?? card.declinesCharges ?? (authenticated ? card.declinesAfterAuthentication : undefined);
  const answer =
    byNumber ??
    world.cards.answerTo({
      customer: intent.customer ?? '',
      paymentMethod: method.id,
      fingerprint: method.card?.fingerprint ?? '',
    });
  if (answer === 'processing') {
    intent.status = 'processing';
    world.emit('payment_intent.processing', intent);
    return intent;
  }
  if (answer) return declined(world, intent, method, answer, authenticated);
  return succeed(world, intent, method, authenticated);
}

function succeed(world: World, intent: PaymentIntent, method: PaymentMethod, authenticated: boolean): PaymentIntent {
  const charge = recordCharge(world, intent, method, { decline: undefined, authenticated });
  intent.status = 'succeeded';
  intent.amount_received = intent.amount;
  intent.latest_charge = charge.id;
  intent.last_payment_error = null;
  saveForLater(world, intent, method);
  world.emit('payment_intent.succeeded', intent);
  const { disputes } = cardBehind(world, method);
  if (disputes) world.soon(() => openDispute(world, charge, disputes));
  return intent;
}

function saveForLater(world: World, intent: PaymentIntent, method: PaymentMethod): void {
  const file = cardOnFile(world, method);
  const customer = world.state.customers.get(intent.customer ?? '');
  if (intent.setup_future_usage !== null && customer) {
    attach(world, method, customer);
    if (intent.setup_future_usage === 'off_session') file.setUp = true;
  } else if (method.customer === null) file.spent = true;
}

function declined(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  decline: Decline,
  authenticated: boolean,
): never {
  const charge = recordDecline(world, intent, method, decline, authenticated);
  throw cardError(decline, {
    charge,
    payment_intent: structuredClone(intent),
    payment_method: structuredClone(method),
  });
}

function recordDecline(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  decline: Decline,
  authenticated: boolean,
): string {
  const charge = recordCharge(world, intent, method, { decline, authenticated });
  intent.latest_charge = charge.id;
  const { body } = cardError(decline);
  fail(world, intent, {
    ...(body as LastPaymentError),
    charge: charge.id,
    payment_method: structuredClone(method) as never,
  });
  return charge.id;
}

/** A failed intent drops its payment method, so another method can be tried. */
function fail(world: World, intent: PaymentIntent, error: LastPaymentError): void {
  intent.status = 'requires_payment_method';
  intent.payment_method = null;
  intent.last_payment_error = error;
  world.emit('payment_intent.payment_failed', intent);
}

function askForAuthentication(world: World, intent: PaymentIntent, method: PaymentMethod, returnUrl: string | null) {
  intent.status = 'requires_action';
  const clientSecret = intent.client_secret ?? '';
  world.state.confirmations.set(intent.id, { paymentMethod: method.id, returnUrl, clientSecret });
  intent.next_action = {
    type: 'redirect_to_url',
    redirect_to_url: {
      return_url: returnUrl,
      url: `${world.url}/3d_secure_2/${intent.id}?client_secret=${clientSecret}`,
    },
  };
  world.emit('payment_intent.requires_action', intent);
  return intent;
}

export function needsAuthentication(card: TestCard, setUp: boolean, offSession: boolean): boolean {
  if (card.authentication === 'always') return true;
  if (card.authentication === 'unless_set_up') return !(offSession && setUp);
  return card.authentication === 'on_session_only' && !offSession;
}
