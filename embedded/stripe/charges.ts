/** Charges: attempts to take the money of an intent, and the calls that read them. */
import { processingFee, recordBalanceTransaction } from './balance-transactions.ts';
import type { Decline } from './cards.ts';
import { endpoint } from './endpoint.ts';
import { newId, randomText } from './ids.ts';
import { listPage, pagination, within } from './lists.ts';
import { named } from './named.ts';
import type { Charge, PaymentIntent, PaymentMethod } from './objects.ts';
import { clearable, email, metadata, patched, range, text } from './params.ts';
import type { World } from './world.ts';

const STATEMENT_PREFIX = 'BURNRATE';

/** Records one attempt to take the money of an intent, successful or declined. */
export function recordCharge(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  { decline, authenticated }: { decline: Decline | undefined; authenticated: boolean },
): Charge {
  const id = newId('ch');
  const card = method.card;
  if (!card) throw new Error(`${method.id} is not a card`);
  const suffix = intent.statement_descriptor_suffix;
  const charge: Charge = {
    id,
    object: 'charge',
    amount: intent.amount,
    amount_captured: decline ? 0 : intent.amount,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: structuredClone(method.billing_details),
    calculated_statement_descriptor: suffix === null ? STATEMENT_PREFIX : `${STATEMENT_PREFIX}* ${suffix}`.slice(0, 22),
    captured: !decline,
    created: world.seconds(),
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: decline?.code ?? null,
    failure_message: decline?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    outcome: outcomeOf(decline),
    paid: !decline,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: cardDetails(card, decline ? null : intent.amount, authenticated),
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: decline ? null : `${world.url}/receipts/${id}`,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: suffix,
    status: decline ? 'failed' : 'succeeded',
    transfer_data: null,
    transfer_group: null,
  };
  world.state.charges.set(id, charge);
  if (!decline) charge.balance_transaction = takeFunds(world, charge);
  world.emit(decline ? 'charge.failed' : 'charge.succeeded', charge);
  return charge;
}

/** The card of a charge, and what its issuer said. Without an authorized amount the card was declined. */
function cardDetails(
  card: NonNullable<PaymentMethod['card']>,
  amountAuthorized: number | null,
  authenticated: boolean,
): Charge['payment_method_details'] {
  return {
    card: {
      amount_authorized: amountAuthorized,
      authorization_code: amountAuthorized === null ? null : randomText(6).toUpperCase(),
      brand: card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: card.country,
      electronic_commerce_indicator: null,
      exp_month: card.exp_month,
      exp_year: card.exp_year,
      fingerprint: card.fingerprint ?? null,
      funding: card.funding,
      installments: null,
      last4: card.last4,
      mandate: null,
      network: card.brand,
      network_transaction_id: randomText(15).toUpperCase(),
      regulated_status: 'unregulated',
      three_d_secure: authenticated
        ? {
            authentication_flow: 'challenge',
            electronic_commerce_indicator: '05',
            exemption_indicator: null,
            result: 'authenticated',
            result_reason: null,
            transaction_id: crypto.randomUUID(),
            version: '2.2.0',
          }
        : null,
      transaction_link_id: null,
      wallet: null,
    },
    type: 'card',
  };
}

function takeFunds(world: World, { amount, currency, description, id }: Charge): string {
  const fee = processingFee(amount);
  return recordBalanceTransaction(world, { type: 'charge', amount, currency, description, fee, source: id }).id;
}

function outcomeOf(decline: Decline | undefined): Charge['outcome'] {
  if (!decline)
    return {
      advice_code: null,
      network_advice_code: null,
      network_decline_code: null,
      network_status: 'approved_by_network',
      reason: null,
      risk_level: 'normal',
      risk_score: 20,
      seller_message: 'Payment complete.',
      type: 'authorized',
    };
  return {
    advice_code:
      decline.declineCode === 'lost_card' || decline.declineCode === 'stolen_card' ? 'do_not_try_again' : null,
    network_advice_code: null,
    network_decline_code: null,
    network_status: 'declined_by_network',
    reason: decline.declineCode ?? decline.code,
    risk_level: 'normal',
    risk_score: 20,
    seller_message: 'The bank did not return any further details with this decline.',
    type: 'issuer_declined',
  };
}

const retrieve = endpoint('GET /v1/charges/:id', {}, (world, _params, { id }) => named(world, 'charges', id));

const update = endpoint(
  'POST /v1/charges/:id',
  { description: clearable(text), metadata, receipt_email: email, customer: text },
  (world, { description, metadata: patch, receipt_email }, { id }) => {
    const charge = named(world, 'charges', id);
    if (description !== undefined) charge.description = description;
    if (receipt_email !== undefined) charge.receipt_email = receipt_email;
    charge.metadata = patched(charge.metadata, patch);
    world.emit('charge.updated', charge);
    return charge;
  },
);

const index = endpoint(
  'GET /v1/charges',
  { ...pagination, created: range, customer: text, payment_intent: text },
  (world, { created, customer, payment_intent, ...page }) =>
    listPage('/v1/charges', world.state.charges.values(), page, 'charge', (charge) => {
      return (
        within(created, charge.created) &&
        (customer ?? charge.customer) === charge.customer &&
        (payment_intent ?? charge.payment_intent) === charge.payment_intent
      );
    }),
);

export const chargeEndpoints = [index, retrieve, update];
