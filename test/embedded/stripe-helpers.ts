import { Agent, createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { type StripeStandIn, type StripeStandInOptions, startStripeStandIn } from '../../embedded/stripe/index.ts';

export const SECRET = 'whsec_test_secret';

/** A running stand-in and the real SDK talking to it. */
export async function startWithSdk(options: StripeStandInOptions = {}) {
  const standIn = await startStripeStandIn(options);
  return { standIn, control: standIn.control, stripe: sdk(standIn) };
}

export function sdk({ host, port }: StripeStandIn, config: Stripe.StripeConfig = {}): Stripe {
  return new Stripe('sk_test_standin', {
    host,
    port,
    protocol: 'http',
    maxNetworkRetries: 0,
    telemetry: false,
    ...config,
  });
}

/** An SDK whose calls wait for an answer until the test closes their connections. */
export function sdkThatGivesUp(standIn: StripeStandIn): { stripe: Stripe; giveUp: () => void } {
  const httpAgent = new Agent();
  const giveUp = () => {
    // The SDK repeats a call whose connection was reset, but no call that failed for another reason.
    for (const socket of Object.values(httpAgent.sockets).flat()) socket?.destroy(new Error('the test gives up'));
  };
  return { stripe: sdk(standIn, { httpAgent }), giveUp };
}

/** The error of the SDK with which a call failed. */
export async function refusal(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof Stripe.errors.StripeError) return outcome;
  throw new Error(`expected a refusal of Stripe's, got ${outcome}`);
}

export interface Received {
  body: string;
  headers: IncomingHttpHeaders;
  event: Stripe.Event;
}

/** A webhook endpoint that keeps what it is sent, and answers what it is told to. */
export async function startReceiver(answer: (nth: number) => number = () => 200) {
  const received: Received[] = [];
  const waiting: { until: () => boolean; resolve: () => void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      received.push({ body, headers: request.headers, event: JSON.parse(body) });
      response.writeHead(answer(received.length)).end();
      for (const { until, resolve } of waiting) if (until()) resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/webhooks`,
    received,
    types: () => received.map(({ event }) => event.type),
    async until(condition: () => boolean) {
      if (!condition()) await new Promise<void>((resolve) => waiting.push({ until: condition, resolve }));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An intent that takes no redirecting methods, so that no return_url is asked for. */
export const CARD_ONLY = { automatic_payment_methods: { enabled: true, allow_redirects: 'never' } } as const;

export async function customerWithCard(stripe: Stripe, testCard = 'pm_card_visa') {
  const customer = await stripe.customers.create({ email: 'team@example.com' });
  const card = await stripe.paymentMethods.attach(testCard, { customer: customer.id });
  return { customer: customer.id, card: card.id };
}

export function chargeParams(customer: string, card: string, amount = 2000): Stripe.PaymentIntentCreateParams {
  return { ...CARD_ONLY, amount, currency: 'usd', customer, payment_method: card, confirm: true, off_session: true };
}
