/**
 * Public token prices of other providers: a dated list in `data/public-prices.json`. Where a provider has several
 * prices, the list holds the lowest usual price (short prompts, off-peak; no batch, no cache) and a `note` says so, so
 * the comparison never flatters this platform.
 */
import { BillingError } from '../../billing/errors.ts';
import type { ModelPrice } from '../../billing/tokens.ts';
import list from '../data/public-prices.json' with { type: 'json' };
import { shown } from '../http/messages.ts';
import { didYouMean } from '../http/nearest.ts';
import { Dollars, z } from '../http/schemas.ts';

export interface PublicPrice extends ModelPrice {
  id: string;
  provider: string;
  /** Conditions of the price, in words for people. */
  note: string | null;
  /** The provider's own page. */
  source: string;
  /** The day of the reading. */
  asOf: string;
}

/** A mistake in the list stops the process at its start. */
const PublicPrices = z.array(
  z
    .strictObject({
      id: z.string().min(1).max(100),
      provider: z.string().min(1),
      input: Dollars,
      output: Dollars,
      note: z.string().min(1).optional(),
      source: z.httpUrl(),
      asOf: z.iso.date(),
      /** A copy of the page as of the day, at an address that keeps its date. */
      readIn: z.httpUrl(),
    })
    .transform(
      ({ input, output, note = null, readIn: _, ...listed }): PublicPrice => ({
        ...listed,
        note,
        inputMicrosPerMillion: input,
        outputMicrosPerMillion: output,
      }),
    ),
);

export const PUBLIC_PRICES: readonly PublicPrice[] = PublicPrices.parse(list);

/** The model of a comparison without `compareWith`. */
export const USUAL_COMPARISON = 'gpt-4o-mini';

/** @throws BillingError `price_not_found`, naming `compareWith` */
export function publicPriceOf(id: string): PublicPrice {
  const listed = PUBLIC_PRICES.find((price) => price.id === id);
  if (listed) return listed;
  const ids = PUBLIC_PRICES.map((price) => price.id).join(', ');
  const hint = didYouMean(
    id,
    PUBLIC_PRICES.map((price) => price.id),
  );
  throw new BillingError(
    'price_not_found',
    `there is no public price of ${shown(id)}${hint || '.'} The list has ${ids}.`,
    'compareWith',
  );
}
