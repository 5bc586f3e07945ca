import { completeSession, sessionOfIntent } from './checkout-sessions.ts';
import { StripeRefusal } from './errors.ts';
import { named } from './named.ts';
import type { PaymentIntent, SetupIntent } from './objects.ts';
import { finishAuthentication } from './payment-intents.ts';
import { finishSetupAuthentication } from './setup-intents.ts';
import type { World } from './world.ts';

/** The customer completes or fails 3-D Secure. A later decline shows on the intent, like at Stripe. */
export function authenticate(world: World, id: string, passed: boolean): PaymentIntent | SetupIntent {
  try {
    if (id.startsWith('seti_')) finishSetupAuthentication(world, named(world, 'setupIntents', id), passed);
    else finishAuthentication(world, named(world, 'paymentIntents', id), passed);
  } catch (error) {
    if (!(error instanceof StripeRefusal) || error.body.type !== 'card_error') throw error;
  }
  const intent = intentNamed(world, id);
  const session = sessionOfIntent(world, id);
  if (session && intent.status === 'succeeded') completeSession(world, session);
  return intent;
}

export function intentNamed(world: World, id: string): PaymentIntent | SetupIntent {
  return id.startsWith('seti_') ? named(world, 'setupIntents', id) : named(world, 'paymentIntents', id);
}
