import { endpoint } from './endpoint.ts';
import { newId, randomText } from './ids.ts';
import { listPage, pagination, searchPage, within } from './lists.ts';
import { named } from './named.ts';
import type { Customer } from './objects.ts';
import {
  accepted,
  clearable,
  email,
  hash,
  integer,
  metadata,
  oneOf,
  patched,
  range,
  required,
  text,
} from './params.ts';
import { attach, detach, ownPaymentMethod, paymentMethodsOf, resolvePaymentMethod } from './payment-methods.ts';
import { parseSearch } from './search.ts';
import type { World } from './world.ts';

const details = {
  address: accepted,
  balance: integer(Number.MIN_SAFE_INTEGER),
  description: clearable(text),
  email: clearable(email),
  invoice_prefix: text,
  metadata,
  name: clearable(text),
  phone: clearable(text),
  preferred_locales: accepted,
  shipping: accepted,
  tax_exempt: oneOf('none', 'exempt', 'reverse'),
};

export function createCustomer(
  world: World,
  given: { email?: string | null; name?: string | null; description?: string | null } = {},
): Customer {
  const customer: Customer = {
    id: newId('cus').slice(0, 18),
    object: 'customer',
    address: null,
    balance: 0,
    created: world.seconds(),
    currency: null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description: given.description ?? null,
    discount: null,
    email: given.email ?? null,
    invoice_prefix: randomText(8).toUpperCase(),
    invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
    livemode: false,
    metadata: {},
    name: given.name ?? null,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  };
  world.state.customers.set(customer.id, customer);
  return customer;
}

const create = endpoint(
  'POST /v1/customers',
  { ...details, payment_method: text, invoice_settings: hash({ default_payment_method: text }) },
  (world, { metadata: patch, balance, payment_method, invoice_settings, tax_exempt, phone, ...given }) => {
    const method = payment_method === undefined ? undefined : resolvePaymentMethod(world, payment_method);
    const customer = createCustomer(world, pick(given));
    customer.metadata = patched(null, patch);
    customer.balance = balance ?? 0;
    customer.phone = phone ?? null;
    customer.tax_exempt = tax_exempt ?? 'none';
    try {
      if (method) attach(world, method, customer);
      if (invoice_settings?.default_payment_method)
        customer.invoice_settings.default_payment_method = ownPaymentMethod(
          world,
          customer,
          method && invoice_settings.default_payment_method === payment_method
            ? method.id
            : invoice_settings.default_payment_method,
          'invoice_settings[default_payment_method]',
        ).id;
    } catch (refusal) {
      world.state.customers.delete(customer.id);
      throw refusal;
    }
    world.emit('customer.created', customer);
    return customer;
  },
);

const retrieve = endpoint('GET /v1/customers/:id', {}, (world, _params, { id = '' }) =>
  world.state.deletedCustomers.has(id) ? { id, object: 'customer', deleted: true } : named(world, 'customers', id),
);

const update = endpoint(
  'POST /v1/customers/:id',
  { ...details, invoice_settings: hash({ default_payment_method: clearable(text), footer: accepted }) },
  (world, { metadata: patch, invoice_settings: settings, balance, tax_exempt, phone, ...given }, { id = '' }) => {
    const customer = named(world, 'customers', id);
    const before = structuredClone(customer);
    if (settings?.default_payment_method !== undefined) {
      const method = settings.default_payment_method;
      customer.invoice_settings.default_payment_method =
        method === null
          ? null
          : ownPaymentMethod(world, customer, method, 'invoice_settings[default_payment_method]').id;
    }
    Object.assign(customer, pick(given));
    if (balance !== undefined) customer.balance = balance;
    if (phone !== undefined) customer.phone = phone;
    if (tax_exempt !== undefined) customer.tax_exempt = tax_exempt;
    customer.metadata = patched(customer.metadata, patch);
    world.emit('customer.updated', customer, changes(before, customer));
    return customer;
  },
);

const remove = endpoint('DELETE /v1/customers/:id', {}, (world, _params, { id = '' }) => {
  deleteCustomer(world, id);
  return { id, object: 'customer', deleted: true };
});

/** As Stripe deletes: the cards are detached, and the customer reads `{id, deleted: true}` from then on. */
export function deleteCustomer(world: World, id: string): void {
  const customer = named(world, 'customers', id);
  for (const method of paymentMethodsOf(world, id)) detach(world, method);
  world.state.customers.delete(id);
  world.state.deletedCustomers.add(id);
  world.emit('customer.deleted', customer);
}

const index = endpoint(
  'GET /v1/customers',
  { ...pagination, created: range, email: text },
  (world, { created, email: address, ...page }) =>
    listPage('/v1/customers', world.state.customers.values(), page, 'customer', (customer) => {
      return within(created, customer.created) && (address === undefined || customer.email === address);
    }),
);

const search = endpoint(
  'GET /v1/customers/search',
  { query: required(text), limit: integer(1, 100), page: text },
  (world, { query, ...page }) => {
    const fits = parseSearch('customers', query, ['created', 'email', 'name', 'phone']);
    const indexedBy = world.seconds() - world.searchLagSeconds;
    const found = [...world.state.customers.values()]
      .filter((customer) => customer.created <= indexedBy && fits({ ...customer }))
      .reverse();
    return searchPage('/v1/customers/search', found, page);
  },
);

const listPaymentMethods = endpoint(
  'GET /v1/customers/:id/payment_methods',
  { ...pagination, type: text, allow_redisplay: text },
  (world, { type, allow_redisplay, ...page }, { id = '' }) => {
    named(world, 'customers', id);
    const url = `/v1/customers/${id}/payment_methods`;
    return listPage(url, paymentMethodsOf(world, id), page, 'PaymentMethod', (method) => {
      return (
        (type ?? method.type) === method.type && (allow_redisplay ?? method.allow_redisplay) === method.allow_redisplay
      );
    });
  },
);

const retrievePaymentMethod = endpoint(
  'GET /v1/customers/:id/payment_methods/:method',
  {},
  (world, _params, { id = '', method = '' }) =>
    ownPaymentMethod(world, named(world, 'customers', id), method, 'payment_method'),
);

export const customerEndpoints = [
  create,
  index,
  search,
  retrieve,
  update,
  remove,
  listPaymentMethods,
  retrievePaymentMethod,
];

function pick({
  email,
  name,
  description,
}: Partial<Record<'email' | 'name' | 'description', string | null | undefined>>) {
  return {
    ...(email === undefined ? {} : { email }),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  };
}

function changes(before: Customer, after: Customer): Record<string, unknown> {
  const entries = Object.entries(before).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(after[key as keyof Customer]),
  );
  return Object.fromEntries(entries);
}
