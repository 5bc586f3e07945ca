import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import { authenticate, intentNamed } from './authentication.ts';
import { expireDueSessions, planOf, submitSession } from './checkout-sessions.ts';
import { StripeRefusal } from './errors.ts';
import type { Faults } from './faults.ts';
import { objectOf, type StripeGates } from './gates.ts';
import { type Html, html, join, page } from './html.ts';
import { formatAmount } from './money.ts';
import type { CheckoutSession } from './objects.ts';
import { enterCard } from './payment-methods.ts';
import type { World } from './world.ts';

/** The fields of the page, named as on Stripe's own. */
export interface PaymentForm {
  cardNumber?: string;
  /** `12 / 34` or `12/2034` */
  cardExpiry?: string;
  cardCvc?: string;
  billingName?: string;
  email?: string;
  billingCountry?: string;
  billingPostalCode?: string;
  /** Present when the box is ticked. */
  saveCard?: string;
}

const TRY_AGAIN = html`<h1>Something went wrong</h1><p>Please try again later.</p>`;

/** Stripe's pages for people: the page that takes a card, the issuer's question, the receipt. */
export function hostedPages(world: World, faults: Faults, gates: StripeGates): Router {
  const router = express.Router();
  router.use(express.urlencoded({ extended: false }));
  router.use(passGates(world, gates));
  router.use(unlessOut(world, faults));
  addCheckoutPages(router, world);
  addAuthenticationPages(router, world);
  addReceipt(router, world);
  return router;
}

/** Pauses or refuses a request at the gates of a test. */
function passGates(world: World, gates: StripeGates): RequestHandler {
  return async (request, response, next) => {
    const { method, path, body: params = {}, socket } = request;
    const way = await gates.pass(
      { point: 'arrival', method, path, params, object: objectOf(world, path, params) },
      socket,
    );
    if (way === 'on') next();
    else if (way === 'drop') socket.destroy();
    else response.status(way === 'rate_limit' ? 429 : 500).send(page('Unavailable', TRY_AGAIN));
  };
}

/** Serves no page during an outage. */
function unlessOut(world: World, faults: Faults): RequestHandler {
  return (request, response, next) => {
    if (faults.outage === 'drop') request.socket.destroy();
    else if (faults.outage !== 'hang' && faults.outage !== null)
      response.status(503).send(page('Unavailable', TRY_AGAIN));
    else if (faults.outage === null) {
      world.request = { id: null, idempotency_key: null };
      expireDueSessions(world);
      response.set('Cache-Control', 'no-store');
      next();
      if (request.method === 'POST') world.onChange();
    }
  };
}

function addCheckoutPages(router: Router, world: World): void {
  router.get('/c/pay/:session', (request, response) => {
    const session = sessionOr404(world, request, response);
    if (session) response.status(session.status === 'open' ? 200 : 410).send(checkoutPage(world, session, {}));
  });

  router.post('/c/pay/:session', (request, response) => {
    const session = sessionOr404(world, request, response);
    if (!session) return;
    if (session.status !== 'open') {
      response.status(410).send(checkoutPage(world, session, {}));
      return;
    }
    const form = (request.body ?? {}) as PaymentForm;
    try {
      response.redirect(303, submitForm(world, session, form));
    } catch (error) {
      if (!(error instanceof StripeRefusal)) throw error;
      response.status(error.status).send(checkoutPage(world, session, form, error.body.message));
    }
  });

  // Where the issuer's page sends somebody who pays on the checkout page.
  router.get('/c/pay/:session/return', (request, response) => {
    const session = sessionOr404(world, request, response);
    if (!session) return;
    if (session.status === 'complete') {
      response.redirect(303, successUrl(session));
      return;
    }
    const intent = intentNamed(world, session.payment_intent ?? session.setup_intent ?? '');
    const error = 'amount' in intent ? intent.last_payment_error : intent.last_setup_error;
    response.status(402).send(checkoutPage(world, session, {}, error?.message ?? 'Your payment is not complete yet.'));
  });
}

function addAuthenticationPages(router: Router, world: World): void {
  router.get('/3d_secure_2/:intent', (request, response) => {
    const confirmation = world.state.confirmations.get(request.params.intent);
    if (!confirmation || confirmation.clientSecret !== request.query.client_secret) {
      notFound(response);
      return;
    }
    response.send(authenticationPage(world, request.params.intent));
  });

  router.post('/3d_secure_2/:intent', (request, response) => {
    const { intent: id } = request.params;
    const confirmation = world.state.confirmations.get(id);
    if (!confirmation || confirmation.clientSecret !== request.query.client_secret) {
      notFound(response);
      return;
    }
    try {
      const intent = authenticate(world, id, (request.body as { outcome?: string }).outcome === 'complete');
      const { returnUrl } = confirmation;
      if (returnUrl === null) response.send(page('Done', html`<h1>Done</h1><p>You can close this window.</p>`));
      else response.redirect(303, backTo(returnUrl, id, confirmation.clientSecret, intent.status));
    } catch (error) {
      if (!(error instanceof StripeRefusal)) throw error;
      response.status(error.status).send(page('3-D Secure', html`<h1>Nothing to do</h1><p>${error.body.message}</p>`));
    }
  });
}

function addReceipt(router: Router, world: World): void {
  router.get('/receipts/:charge', (request, response) => {
    const charge = world.state.charges.get(request.params.charge);
    if (charge?.status !== 'succeeded') {
      notFound(response);
      return;
    }
    const { card } = charge.payment_method_details ?? {};
    response.send(
      page(
        'Receipt',
        html`<h1>Receipt</h1><table>
<tr><td>Amount paid</td><td>${formatAmount(charge.amount, charge.currency)}</td></tr>
<tr><td>Date paid</td><td>${new Date(charge.created * 1000).toISOString().slice(0, 10)}</td></tr>
<tr><td>Payment method</td><td>${card?.brand} •••• ${card?.last4}</td></tr>
${charge.amount_refunded > 0 && html`<tr><td>Refunded</td><td>${formatAmount(charge.amount_refunded, charge.currency)}</td></tr>`}
</table><p class="quiet">${charge.description}</p>`,
      ),
    );
  });
}

/** Pays with the typed values, and returns the next address of the browser. A refusal is thrown. */
export function submitForm(world: World, session: CheckoutSession, form: PaymentForm): string {
  const [month = '', year = ''] = (form.cardExpiry ?? '').split('/').map((part) => part.trim());
  if (!/^\d{3,4}$/.test(form.cardCvc ?? ''))
    throw incomplete("Your card's security code is incomplete.", 'invalid_cvc');
  if (!/^\d{1,2}$/.test(month) || !/^(\d\d|\d{4})$/.test(year))
    throw incomplete("Your card's expiration date is incomplete.", 'invalid_expiry_year');
  const billing = {
    name: form.billingName || null,
    email: form.email || null,
    country: form.billingCountry || null,
    postalCode: form.billingPostalCode || null,
  };
  const method = enterCard(world, {
    ...billing,
    number: form.cardNumber ?? '',
    expMonth: Number(month),
    expYear: Number(year.length === 2 ? `20${year}` : year),
  });
  const intent = submitSession(world, session, { ...billing, method, saveCard: Boolean(form.saveCard) });
  const next = intent.next_action?.redirect_to_url?.url;
  return intent.status === 'requires_action' && next ? next : successUrl(session);
}

export function successUrl(session: CheckoutSession): string {
  return (session.success_url ?? '').replaceAll('{CHECKOUT_SESSION_ID}', session.id);
}

function incomplete(message: string, code: string): StripeRefusal {
  return new StripeRefusal(402, { type: 'card_error', code, message });
}

function sessionOr404(world: World, request: Request, response: Response): CheckoutSession | undefined {
  const session = world.state.checkoutSessions.get(String(request.params.session));
  if (!session) notFound(response);
  return session;
}

function notFound(response: Response): void {
  response.status(404).send(page('Not found', html`<h1>Not found</h1><p>This page does not exist.</p>`));
}

function backTo(returnUrl: string, id: string, clientSecret: string, status: string): string {
  const kind = id.startsWith('seti_') ? 'setup_intent' : 'payment_intent';
  const url = new URL(returnUrl);
  url.searchParams.set(kind, id);
  url.searchParams.set(`${kind}_client_secret`, clientSecret);
  url.searchParams.set('redirect_status', status === 'succeeded' ? 'succeeded' : 'failed');
  return url.href;
}

function checkoutPage(world: World, session: CheckoutSession, typed: PaymentForm, error?: string): string {
  if (session.status !== 'open') {
    const words = session.status === 'complete' ? 'You have already paid here.' : 'This page has expired.';
    return page('Checkout', html`<h1>You're all done here</h1><p>${words}</p>`);
  }
  const setup = session.mode === 'setup';
  const customer = world.state.customers.get(session.customer ?? '');
  const email = typed.email ?? customer?.email ?? session.customer_email;
  const canSave = session.saved_payment_method_options?.payment_method_save === 'enabled';
  const total = formatAmount(session.amount_total ?? 0, session.currency ?? 'usd');
  return page(
    setup ? 'Save a card' : 'Pay',
    html`${setup ? html`<h1>Save a card</h1>` : html`<p class="quiet">Pay Burnrate</p><h1>${total}</h1>${lineItems(world, session)}`}
${error !== undefined && html`<p class="error" role="alert">${error}</p>`}
<form method="post" action="/c/pay/${session.id}">
<label>Email <input id="email" name="email" type="email" value="${email}" required></label>
<label>Card number <input id="cardNumber" name="cardNumber" inputmode="numeric" autocomplete="cc-number" placeholder="4242 4242 4242 4242" value="${typed.cardNumber}" required></label>
<div class="row">
<label>Expiry <input id="cardExpiry" name="cardExpiry" autocomplete="cc-exp" placeholder="MM / YY" value="${typed.cardExpiry}" required></label>
<label>CVC <input id="cardCvc" name="cardCvc" inputmode="numeric" autocomplete="cc-csc" placeholder="CVC" value="${typed.cardCvc}" required></label>
</div>
<label>Name on card <input id="billingName" name="billingName" autocomplete="cc-name" value="${typed.billingName ?? customer?.name}" required></label>
<div class="row">
<label>Country <input id="billingCountry" name="billingCountry" autocomplete="country" maxlength="2" value="${typed.billingCountry ?? 'US'}" required></label>
<label>Postal code <input id="billingPostalCode" name="billingPostalCode" autocomplete="postal-code" value="${typed.billingPostalCode}"></label>
</div>
${canSave && html`<label class="check"><input id="saveCard" name="saveCard" type="checkbox" value="1"> Save this card for future purchases</label>`}
<button type="submit" data-testid="hosted-payment-submit-button">${setup ? 'Save card' : html`Pay ${total}`}</button>
</form>
${session.cancel_url !== null && html`<p><a href="${session.cancel_url.replaceAll('{CHECKOUT_SESSION_ID}', session.id)}">← Back</a></p>`}`,
  );
}

function lineItems(world: World, session: CheckoutSession): Html {
  const rows = planOf(world, session).lineItems.map(
    ({ name, quantity, unitAmount }) =>
      html`<tr><td>${name}${quantity > 1 && ` × ${quantity}`}</td><td>${formatAmount(unitAmount * quantity, session.currency ?? 'usd')}</td></tr>`,
  );
  return html`<table>${join(rows)}</table>`;
}

function authenticationPage(world: World, id: string): string {
  const intent = intentNamed(world, id);
  const question =
    'amount' in intent
      ? html`<p>Your bank asks: do you authorize a payment of <strong>${formatAmount(intent.amount, intent.currency)}</strong>?</p>`
      : html`<p>Your bank asks: may this card be saved?</p>`;
  return page(
    '3-D Secure',
    html`<h1>3-D Secure</h1>${question}
<form method="post">
<button id="test-source-authorize-3ds" name="outcome" value="complete">Complete authentication</button>
<button id="test-source-fail-3ds" class="second" name="outcome" value="fail">Fail authentication</button>
</form>`,
  );
}
