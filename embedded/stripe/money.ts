import { invalidRequest } from './errors.ts';

/** The least that Stripe charges, in the currency's smallest unit. Other currencies are refused here. */
const LEAST: Record<string, number> = {
  usd: 50,
  eur: 50,
  gbp: 30,
  aud: 50,
  cad: 50,
  chf: 50,
  dkk: 250,
  jpy: 50,
  nok: 300,
  nzd: 50,
  sek: 300,
  sgd: 50,
};
const MOST = 99_999_999;

export function checkCurrency(given: string): string {
  const currency = given.toLowerCase();
  if (Object.hasOwn(LEAST, currency)) return currency;
  const message = `Invalid currency: ${currency}. Stripe currently supports these currencies: ${Object.keys(LEAST).join(', ')}`;
  throw invalidRequest(message, { param: 'currency' });
}

export function checkAmount(amount: number, currency: string): void {
  const param = 'amount';
  if (amount < 1)
    throw invalidRequest('This value must be greater than or equal to 1.', {
      code: 'parameter_invalid_integer',
      param,
    });
  const least = LEAST[currency] ?? 50;
  if (amount < least)
    throw invalidRequest(`Amount must be at least ${formatAmount(least, currency)}`, {
      code: 'amount_too_small',
      param,
    });
  if (amount > MOST)
    throw invalidRequest(`Amount must be no more than ${formatAmount(MOST, currency)}`, {
      code: 'amount_too_large',
      param,
    });
}

/** In the form of Stripe's messages and pages: `$0.50 usd`. */
export function formatAmount(amount: number, currency: string): string {
  const format = new Intl.NumberFormat('en-US', { style: 'currency', currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return `${format.format(amount / 10 ** digits)} ${currency}`;
}
