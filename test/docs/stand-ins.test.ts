/** Tests docs/stand-ins.md: each control has an example, and each example works on a running stand-in. */
import { readFileSync } from 'node:fs';
import Stripe from 'stripe';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { controlRoutes as copperxControls } from '../../embedded/copperx/control-routes.ts';
import { type CopperxStandIn, startCopperxStandIn } from '../../embedded/copperx/index.ts';
import { type MailInbox, startMailInbox } from '../../embedded/mail/inbox.ts';
import { type PlatformStandIn, startPlatformStandIn } from '../../embedded/platform/index.ts';
import { controlRoutes as stripeControls } from '../../embedded/stripe/control-routes.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { operationsOf } from '../../embedded/welcome.ts';

const text = readFileSync(new URL('../../docs/stand-ins.md', import.meta.url), 'utf8');

interface Example {
  line: string;
  method: string;
  /** `$STRIPE/_control/disputes` */
  target: string;
  body: string | undefined;
}

const examples: Example[] = [...text.matchAll(/^control (?:-X (\w+) )?(\$\w+\/\S+)(?: -d '(.*)')?$/gm)].map(
  ([line, method = 'GET', target = '', body]) => ({ line, method, target, body }),
);

let stripe: StripeStandIn;
let copperx: CopperxStandIn;
let inbox: MailInbox;
let platform: PlatformStandIn;
let client: Stripe;
beforeAll(async () => {
  stripe = await startStripeStandIn();
  copperx = await startCopperxStandIn();
  inbox = await startMailInbox();
  platform = await startPlatformStandIn({ secret: 'whsec_cGxhdGZvcm0tc2VjcmV0' });
  client = new Stripe('sk_test_x', { host: stripe.host, port: stripe.port, protocol: 'http', maxNetworkRetries: 0 });
});
afterAll(() => Promise.all([stripe.close(), copperx.close(), inbox.stop(), platform.stop()]));

async function newPayment(paymentMethod = 'pm_card_visa') {
  const customer = await client.customers.create({ email: 'team@acme.example' });
  return client.paymentIntents.create({
    amount: 2_000,
    currency: 'usd',
    customer: customer.id,
    payment_method: paymentMethod,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    confirm: true,
  });
}

const newPage = () =>
  client.checkout.sessions.create({
    mode: 'payment',
    success_url: 'http://127.0.0.1/',
    line_items: [
      { quantity: 1, price_data: { currency: 'usd', unit_amount: 2_000, product_data: { name: 'Credit' } } },
    ],
  });

async function newDispute() {
  const { id } = await newPayment();
  return stripe.control.openDispute(id).id;
}

async function newCryptoSession() {
  const response = await fetch(`${copperx.url}/api/v1/checkout/sessions`, {
    method: 'POST',
    headers: { authorization: 'Bearer key', 'content-type': 'application/json' },
    body: JSON.stringify({
      successUrl: 'http://127.0.0.1/',
      cancelUrl: 'http://127.0.0.1/',
      clientReferenceId: 'dep_1',
      lineItems: {
        data: [{ priceData: { currency: 'usdc', unitAmount: '25500000', productData: { name: 'Credit' } } }],
      },
    }),
  });
  const session = (await response.json()) as { id: string };
  expect(response.ok, JSON.stringify(session)).toBe(true);
  return session.id;
}

/** Makes what a variable of an example names. */
const VARIABLES: Record<string, () => Promise<string>> = {
  STRIPE: async () => stripe.url,
  COPPERX: async () => copperx.url,
  INBOX: async () => inbox.webUrl,
  PLATFORM: async () => platform.webUrl,
  CUSTOMER: async () => (await client.customers.create({ email: 'team@acme.example' })).id,
  CHARGE: async () => String((await newPayment()).latest_charge),
  INTENT: async () => (await newPayment()).id,
  DISPUTE: newDispute,
  REFUND: async () => (await client.refunds.create({ payment_intent: (await newPayment()).id })).id,
  FAILED_INTENT: async () => {
    const { id } = await newPayment('pm_card_authenticationRequired');
    await client.paymentIntents.cancel(id);
    return id;
  },
  SESSION: async () => (await newPage()).id,
  WAITING_INTENT: async () => (await newPayment('pm_card_authenticationRequired')).id,
  PROCESSING_INTENT: async () => {
    stripe.control.cards.leaveProcessing({});
    const { id } = await newPayment();
    stripe.control.cards.accept({});
    return id;
  },
  FAULT: async () => stripe.control.faults.add({ on: 'GET /v1/nothing', kind: 'error' }),
  EVENT: async () => {
    await newPayment();
    return stripe.control.events()[0]!.id;
  },
  CRYPTO_SESSION: newCryptoSession,
  OTHER_SESSION: newCryptoSession,
};

async function filledIn(template: string, made: Map<string, string>): Promise<string> {
  let filled = template;
  for (const [, name = ''] of template.matchAll(/\$([A-Z_]+)/g)) {
    const make = VARIABLES[name];
    if (!made.has(name) && make) made.set(name, await make());
    filled = filled.replace(`$${name}`, made.get(name)!);
  }
  return filled;
}

it('docs/stand-ins.md has an example of each control of Stripe and CopperX, and of no other control', () => {
  const shared = new Set(operationsOf(copperxControls(copperx.control)).map(({ method, path }) => `${method} ${path}`));
  const documented = examples.map(({ method, target }) => ({
    method,
    segments: target.split('/_control')[1]?.split('?')[0]?.split('/').slice(1) ?? [],
    server: target.slice(1).split('/')[0],
  }));
  const isDocumented = (servers: string[], method: string, path: string) =>
    documented.some((example) => {
      const segments = path.split('/').slice(1);
      return (
        servers.includes(example.server ?? '') &&
        example.method === method &&
        segments.length === example.segments.length &&
        segments.every((segment, at) =>
          segment.startsWith(':') ? example.segments[at]?.startsWith('$') : segment === example.segments[at],
        )
      );
    });
  const stripeOnes = operationsOf(stripeControls(stripe.control));
  expect(stripeOnes.length).toBeGreaterThan(30);
  for (const { method, path } of stripeOnes)
    expect(isDocumented(['STRIPE'], method, path), `${method} ${path}`).toBe(true);
  const stripeNames = new Set(stripeOnes.map(({ method, path }) => `${method} ${path}`));
  for (const name of shared) {
    const [method = '', path = ''] = name.split(' ');
    const servers = stripeNames.has(name) ? ['STRIPE', 'COPPERX'] : ['COPPERX'];
    expect(isDocumented(servers, method, path), `CopperX ${name}`).toBe(true);
  }
});

it.each(examples)('$line', async ({ method, target, body }) => {
  stripe.control.reset();
  const made = new Map<string, string>();
  if (body?.includes("$HASH'")) {
    made.set('CRYPTO_SESSION', await newCryptoSession());
    made.set('HASH', copperx.control.pay(made.get('CRYPTO_SESSION')!).transactionHash);
  }
  const url = await filledIn(target, made);
  // In a shell, '$NAME' within a quoted text ends the quotes and begins them again.
  const sent = body === undefined ? undefined : (await filledIn(body, made)).replaceAll("'", '');
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(sent !== undefined && { body: sent }),
  });
  const answer = await response.text();
  expect(response.ok, answer).toBe(true);
  if (answer) JSON.parse(answer);
  await platform.setMode('ok');
});

it.each([
  ['Stripe', () => stripe.url],
  ['CopperX', () => copperx.url],
])('the front page of %s describes it and lists every control', async (name, url) => {
  const response = await fetch(`${url()}/`);
  const markup = await response.text();
  expect(response.headers.get('content-type')).toContain('text/html');
  expect(markup).toContain(`${name} (stand-in)`);
  const router = name === 'Stripe' ? stripeControls(stripe.control) : copperxControls(copperx.control);
  for (const { path } of operationsOf(router)) expect(markup).toContain(`/_control${path}`);
  expect((await fetch(`${url()}/style.css`)).headers.get('content-type')).toContain('text/css');
});
