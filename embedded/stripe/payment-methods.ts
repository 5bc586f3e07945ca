import { cardOfNumber, cardOfTestId, type Decline, fingerprint, isDecline, type TestCard, testCard } from './cards.ts';
import { endpoint } from './endpoint.ts';
import { invalidRequest, parameterMissing, resourceMissing, StripeRefusal } from './errors.ts';
import { newId } from './ids.ts';
import { listPage, pagination } from './lists.ts';
import { hintFor, named } from './named.ts';
import type { Customer, PaymentMethod } from './objects.ts';
import { accepted, clearable, email, hash, integer, metadata, oneOf, patched, required, text } from './params.ts';
import type { CardOnFile } from './state.ts';
import type { World } from './world.ts';

const billingDetails = hash({
  address: hash({
    city: clearable(text),
    country: clearable(text),
    line1: clearable(text),
    line2: clearable(text),
    postal_code: clearable(text),
    state: clearable(text),
  }),
  email: clearable(email),
  name: clearable(text),
  phone: clearable(text),
  tax_id: text,
});
const redisplay = oneOf('always', 'limited', 'unspecified');

export interface CardEntry {
  number: string;
  expMonth: number;
  expYear: number;
  name?: string | null;
  email?: string | null;
  country?: string | null;
  postalCode?: string | null;
}

/** A new PaymentMethod for a known test card, on file with no customer yet. */
export function newPaymentMethod(world: World, card: TestCard, entry: Partial<CardEntry> = {}): PaymentMethod {
  const today = new Date(world.now());
  const method: PaymentMethod = {
    id: newId('pm'),
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: {
      address: {
        city: null,
        country: entry.country ?? null,
        line1: null,
        line2: null,
        postal_code: entry.postalCode ?? null,
        state: null,
      },
      email: entry.email ?? null,
      name: entry.name ?? null,
      phone: null,
      tax_id: null,
    },
    card: {
      brand: card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'unchecked' },
      country: card.country,
      display_brand: card.brand === 'amex' ? 'american_express' : card.brand,
      exp_month: entry.expMonth ?? today.getUTCMonth() + 1,
      exp_year: entry.expYear ?? today.getUTCFullYear() + 1,
      fingerprint: fingerprint(card.number),
      funding: card.funding,
      generated_from: null,
      last4: card.number.slice(-4),
      networks: { available: [card.brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: card.brand !== 'amex' },
      wallet: null,
    },
    created: world.seconds(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  };
  world.state.paymentMethods.set(method.id, method);
  world.state.cardsOnFile.set(method.id, { number: card.number, setUp: false, spent: false });
  return method;
}

/** The PaymentMethod of an id. A test id such as `pm_card_visa` makes a new one each time, like at Stripe. */
export function resolvePaymentMethod(world: World, id: string, place: 'path' | 'parameter' = 'parameter') {
  const card = cardOfTestId(id);
  if (card) return newPaymentMethod(world, card);
  const method = world.state.paymentMethods.get(id);
  if (!method) throw resourceMissing('PaymentMethod', id, 'payment_method', place, hintFor(world, id));
  return method;
}

export function ownPaymentMethod(world: World, customer: Customer, id: string, param: string): PaymentMethod {
  const method = world.state.paymentMethods.get(id);
  if (!method) throw resourceMissing('PaymentMethod', id, param, 'parameter');
  if (method.customer === customer.id) return method;
  const message = `The customer does not have a payment method with the ID ${id}. The payment method must be attached to the customer.`;
  throw invalidRequest(message, { code: 'resource_missing', param });
}

export function cardOnFile(world: World, method: PaymentMethod): CardOnFile {
  const card = world.state.cardsOnFile.get(method.id);
  if (!card) throw new Error(`no card on file for ${method.id}`);
  return card;
}

export function cardBehind(world: World, method: PaymentMethod): TestCard {
  return testCard(cardOnFile(world, method).number);
}

export function cardError({ code, declineCode, message }: Decline, more: object = {}): StripeRefusal {
  const decline = declineCode === undefined ? {} : { decline_code: declineCode };
  return new StripeRefusal(402, { type: 'card_error', code, ...decline, message, ...cardParam(code), ...more });
}

function cardParam(code: string): { param?: string } {
  const params: Record<string, string> = {
    expired_card: 'exp_month',
    incorrect_cvc: 'cvc',
    incorrect_number: 'number',
  };
  const param = params[code];
  return param === undefined ? {} : { param };
}

/** Saves a card on a customer. Stripe asks the issuer first, so a card that declines everything can't be saved. */
export function attach(world: World, method: PaymentMethod, customer: Customer): void {
  if (method.customer === customer.id) return;
  if (method.customer !== null)
    throw invalidRequest('The payment method you provided has already been attached to a customer.', {
      param: 'payment_method',
    });
  if (cardOnFile(world, method).spent)
    throw invalidRequest(
      'This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.',
    );
  const { declines } = cardBehind(world, method);
  if (declines) throw cardError(declines);
  method.customer = customer.id;
  if (method.card?.checks) method.card.checks.cvc_check = 'pass';
  world.emit('payment_method.attached', method);
}

export function detach(world: World, method: PaymentMethod): void {
  const customer = world.state.customers.get(method.customer ?? '');
  if (customer?.invoice_settings.default_payment_method === method.id)
    customer.invoice_settings.default_payment_method = null;
  const previous = { customer: method.customer };
  method.customer = null;
  cardOnFile(world, method).spent = true;
  world.emit('payment_method.detached', method, previous);
}

export function refuseSpent(world: World, method: PaymentMethod): void {
  if (!cardOnFile(world, method).spent) return;
  throw invalidRequest(
    'The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.',
  );
}

export function* paymentMethodsOf(world: World, customer: string): Generator<PaymentMethod> {
  for (const method of world.state.paymentMethods.values()) if (method.customer === customer) yield method;
}

/** A card entered by number, on a hosted page or through the API. */
export function enterCard(world: World, entry: CardEntry): PaymentMethod {
  const card = cardOfNumber(entry.number);
  if (isDecline(card)) throw cardError(card);
  const today = new Date(world.now());
  const { expMonth, expYear } = entry;
  if (expMonth < 1 || expMonth > 12)
    throw cardError({ code: 'invalid_expiry_month', message: "Your card's expiration month is invalid." });
  if (expYear * 12 + expMonth < today.getUTCFullYear() * 12 + today.getUTCMonth() + 1)
    throw cardError({ code: 'invalid_expiry_year', message: "Your card's expiration year is invalid." });
  return newPaymentMethod(world, card, entry);
}

const create = endpoint(
  'POST /v1/payment_methods',
  {
    type: required(oneOf('card')),
    card: hash({ number: text, exp_month: integer(1, 12), exp_year: integer(), cvc: text, token: text }),
    billing_details: billingDetails,
    allow_redisplay: redisplay,
    metadata,
  },
  (world, { card, billing_details, allow_redisplay, metadata: patch }) => {
    if (!card) throw parameterMissing('card');
    const tokenCard = card.token === undefined ? undefined : cardOfTestId(card.token);
    if (card.token !== undefined && !tokenCard) throw resourceMissing('token', card.token, 'card[token]', 'parameter');
    if (!tokenCard && card.number === undefined) throw parameterMissing('card[number]');
    if (!tokenCard && card.exp_month === undefined) throw parameterMissing('card[exp_month]');
    if (!tokenCard && card.exp_year === undefined) throw parameterMissing('card[exp_year]');
    const method = tokenCard
      ? newPaymentMethod(world, tokenCard)
      : enterCard(world, {
          number: card.number ?? '',
          expMonth: card.exp_month ?? 0,
          expYear: (card.exp_year ?? 0) < 100 ? 2000 + (card.exp_year ?? 0) : (card.exp_year ?? 0),
        });
    changeBillingDetails(method, billing_details);
    if (allow_redisplay) method.allow_redisplay = allow_redisplay;
    method.metadata = patched(null, patch);
    return method;
  },
);

const retrieve = endpoint('GET /v1/payment_methods/:id', {}, (world, _params, { id = '' }) =>
  resolvePaymentMethod(world, id, 'path'),
);

const update = endpoint(
  'POST /v1/payment_methods/:id',
  {
    card: hash({ exp_month: integer(1, 12), exp_year: integer(), networks: accepted }),
    billing_details: billingDetails,
    allow_redisplay: redisplay,
    metadata,
  },
  (world, { card, billing_details, allow_redisplay, metadata: patch }, { id = '' }) => {
    const method = resolvePaymentMethod(world, id, 'path');
    if (method.customer === null)
      throw invalidRequest('You must save this PaymentMethod to a customer before you can update it.', {
        param: 'payment_method',
      });
    if (method.card && card?.exp_month !== undefined) method.card.exp_month = card.exp_month;
    if (method.card && card?.exp_year !== undefined) method.card.exp_year = card.exp_year;
    changeBillingDetails(method, billing_details);
    if (allow_redisplay) method.allow_redisplay = allow_redisplay;
    method.metadata = patched(method.metadata, patch);
    world.emit('payment_method.updated', method);
    return method;
  },
);

const attachEndpoint = endpoint(
  'POST /v1/payment_methods/:id/attach',
  { customer: required(text) },
  (world, { customer }, { id = '' }) => {
    const owner = named(world, 'customers', customer, { param: 'customer' });
    const method = resolvePaymentMethod(world, id, 'path');
    attach(world, method, owner);
    return method;
  },
);

const detachEndpoint = endpoint('POST /v1/payment_methods/:id/detach', {}, (world, _params, { id = '' }) => {
  const method = resolvePaymentMethod(world, id, 'path');
  if (method.customer === null)
    throw invalidRequest('The payment method you provided is not attached to a customer so detachment is impossible.', {
      param: 'payment_method',
    });
  detach(world, method);
  return method;
});

const index = endpoint(
  'GET /v1/payment_methods',
  { ...pagination, customer: text, type: text, allow_redisplay: redisplay },
  (world, { customer, type, allow_redisplay, ...page }) => {
    const all =
      customer === undefined
        ? []
        : paymentMethodsOf(world, named(world, 'customers', customer, { param: 'customer' }).id);
    return listPage('/v1/payment_methods', all, page, 'PaymentMethod', (method) => {
      return (
        (type ?? method.type) === method.type && (allow_redisplay ?? method.allow_redisplay) === method.allow_redisplay
      );
    });
  },
);

export const paymentMethodEndpoints = [create, index, retrieve, update, attachEndpoint, detachEndpoint];

function changeBillingDetails(method: PaymentMethod, given: ReturnType<typeof billingDetails> | undefined): void {
  const { address, ...rest } = given ?? {};
  Object.assign(method.billing_details, rest);
  if (address) Object.assign(method.billing_details.address ?? {}, address);
}
