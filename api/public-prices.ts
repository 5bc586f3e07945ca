/**
 * What others ask for their models, in public: a dated list, kept in `data/public-prices.json`. Where a provider has several
 * prices, the list holds the lowest of the usual ones (short prompts, off-peak; no batch, no cache) and its `note` says so:
 * the comparison never flatters this platform.
 */
import { BillingError } from '../billing/errors.ts';
import type { ModelPrice } from '../billing/tokens.ts';
import list from './data/public-prices.json' with { type: 'json' };
import { shown } from './messages.ts';
import { didYouMean } from './nearest.ts';
import { Dollars, z } from './schemas.ts';

export interface PublicPrice extends ModelPrice {
  id: string;
  provider: string;
  /** What the price leaves out, in words for people. */
  note: string | null;
  /** The provider's own page. */
  source: string;
  /** The day at which that page said so. */
  asOf: string;
}

/** A mistake in the list stops the process before it serves. */
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
      /** Where the page was read as it stood on that day: a copy that keeps its date. */
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

/** What is compared with when nobody says what with. */
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
