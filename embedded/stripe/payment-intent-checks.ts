/** What Stripe refuses before a payment begins, in Stripe's words. */
import { invalidRequest, unexpectedState } from './errors.ts';
import { named } from './named.ts';
import type { PaymentIntent, PaymentMethod } from './objects.ts';
import { refuseSpent, resolvePaymentMethod } from './payment-methods.ts';
import type { World } from './world.ts';

export function refuseUnconfirmable(intent: PaymentIntent): void {
  if (intent.status === 'succeeded')
    throw unexpectedState(
      'You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.',
      intent,
    );
  if (intent.status === 'canceled' || intent.status === 'processing')
    throw unexpectedState(
      `You cannot confirm this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be confirmed: requires_confirmation, requires_action, requires_payment_method.`,
      intent,
    );
}

/** Makes all checks of Stripe before a payment begins, and returns the payment method. */
export function readyToConfirm(
  world: World,
  intent: PaymentIntent,
  offSession: boolean | undefined,
  returnUrl: string | undefined,
  methodId?: string,
): PaymentMethod {
  if (offSession && intent.setup_future_usage !== null)
    throw invalidRequest(
      'You cannot confirm with `off_session=true` when `setup_future_usage` is also set on the PaymentIntent. The customer needs to be on-session to perform the steps which may be required to set up the PaymentMethod for future usage. Please confirm this PaymentIntent with your customer on-session.',
      { code: 'payment_intent_invalid_parameter', param: 'off_session' },
    );
  refuseWithoutReturnUrl(intent, returnUrl);
  const method = methodToConfirmWith(world, intent, methodId);
  refuseOthersPaymentMethod(world, intent, method);
  refuseSpent(world, method);
  return method;
}

function methodToConfirmWith(world: World, intent: PaymentIntent, given: string | undefined): PaymentMethod {
  if (given !== undefined) return resolvePaymentMethod(world, given);
  const kept = world.state.paymentMethods.get(intent.payment_method ?? '');
  if (kept) return kept;
  throw unexpectedState(
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
    intent,
  );
}

/**
 * Methods that redirect are on by default, and an intent that might redirect can't be confirmed without a return
 * address.
 */
function refuseWithoutReturnUrl(intent: PaymentIntent, returnUrl: string | undefined): void {
  if (returnUrl !== undefined || intent.automatic_payment_methods?.allow_redirects !== 'always') return;
  throw invalidRequest(
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
    { param: 'return_url' },
  );
}

export function refuseOthersPaymentMethod(world: World, intent: PaymentIntent, method: PaymentMethod): void {
  if (method.customer === null || method.customer === intent.customer) return;
  if (intent.customer === null)
    throw invalidRequest(
      'The payment method you provided is attached to a customer so for security purposes you must provide the customer in the request.',
      { param: 'payment_method' },
    );
  named(world, 'customers', intent.customer, { param: 'customer' });
  throw invalidRequest(
    `The payment method supplied (${method.id}) does not belong to the Customer (${intent.customer}) you supplied on this PaymentIntent. Please use a payment method that belongs to this Customer.`,
    { param: 'payment_method' },
  );
}
