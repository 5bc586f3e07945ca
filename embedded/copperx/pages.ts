import express, { type Router } from 'express';
import { type Html, html, page } from '../page.ts';
import { STYLE } from '../style.ts';
import type { CopperxGates } from './gates.ts';
import type { CheckoutSession } from './objects.ts';
import { coinsOf, unitsOf, type World } from './world.ts';

const POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const TRANSACTION_HASH = /^0x[0-9a-f]{64}$/;

/**
 * CopperX's page for people: names an amount and waits for coins. Here a form sends the coins. A wallet that may have
 * to send again names its signed transaction; without a name each sending is a separate payment.
 */
export function hostedPages(world: World, gates: CopperxGates): Router {
  const router = express.Router();
  const path = '/payment/checkout-session/:id';
  router.get('/style.css', (_request, response) => void response.type('css').send(STYLE));
  router.use('/payment', express.urlencoded({ extended: false }), async (request, response, next) => {
    const { method, originalUrl: at, body, socket } = request;
    const session = world.find(at.split('/').at(-1) ?? '');
    const way = await gates.pass({ point: 'arrival', method, path: at, body, session }, socket);
    if (way === 'on') next();
    else if (way === 'drop') socket.destroy();
    else
      response
        .status(way === 'rate_limit' ? 429 : 500)
        .type('text')
        .send('Please try again later.');
  });
  router.use('/payment', (_request, response, next) => {
    world.expireDue();
    response.set({ 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-store' });
    next();
  });

  router.get(path, (request, response) => {
    const session = world.find(request.params.id);
    if (session) response.type('html').send(sessionPage(session).markup);
    else response.status(404).type('text').send('There is nothing here.');
  });
  router.post(path, (request, response) => {
    const session = world.find(request.params.id);
    if (!session) return void response.status(404).type('text').send('There is nothing here.');
    const { amount = '', times = '1', transactionHash } = (request.body ?? {}) as Partial<Record<string, string>>;
    try {
      if (unitsOf(amount) === 0n) throw new RangeError('nothing is no payment');
      if (transactionHash !== undefined && !TRANSACTION_HASH.test(transactionHash))
        throw new RangeError(`not a transaction: ${transactionHash}`);
    } catch (error) {
      return void response
        .status(400)
        .type('html')
        .send(sessionPage(session, (error as Error).message).markup);
    }
    for (let time = 0; time < Math.min(Number(times) || 1, 5); time++)
      world.pay(session, { amount, ...(transactionHash !== undefined && { transactionHash, output: time }) });
    response.redirect(303, session.url);
  });
  return router;
}

function sessionPage(session: CheckoutSession, problem?: string): Html {
  const { amountTotal, currency, status, paymentStatus, paymentIntent, expiresAt, successUrl } = session;
  const asked = coinsOf(amountTotal);
  const rows = paymentIntent.transactions.map(
    ({ transactionHash, outputIndex, amount, confirmations }) =>
      html`<tr><td>${transactionHash.slice(0, 18)}… / ${outputIndex}</td><td>${coinsOf(amount)}</td><td>${confirmations}</td></tr>`,
  );
  return page(
    'CopperX (stand-in)',
    html`<main>
<h1>Pay ${asked} ${currency.toUpperCase()}</h1>
<p>This page is ${status}, and ${paymentStatus}. It expires at ${expiresAt}; coins that are sent later arrive all the same.</p>
${problem === undefined ? '' : html`<p role="alert">${problem}</p>`}
<form method="post">
<label>Amount in ${currency.toUpperCase()} <input name="amount" value="${asked}" inputmode="decimal" required></label>
<label>Transactions <input name="times" value="1" inputmode="numeric" size="2"></label>
<button>Send</button>
</form>
<table><tr><th>Transaction / output</th><th>Amount</th><th>Confirmations</th></tr>${rows}</table>
<p><a href="${successUrl}">Back to the shop</a></p>
</main>`,
    true,
  );
}
