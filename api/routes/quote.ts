/** Quotes: a team's runway with further instances. */

import { BillingError } from '../../billing/errors.ts';
import { checkHourly, listMicrosOf, PRICINGS, priceAt } from '../../billing/prices.ts';
import { type Quote, type QuoteOrder, quoteStarts } from '../../billing/quote.ts';
import { OR_SEND_HOURLY, priceNotFound } from '../../ledger/prices.ts';
import { readAccount } from '../../prisma/accounts.ts';
import { gpuPricesFor } from '../../prisma/prices.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { mustSee } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { Amount, amount, Dollars, Id, Time, text, timeOrNull, z } from '../http/schemas.ts';
import { withGpuNames } from '../http/suggestions.ts';
import { Warning } from '../views/warning.ts';
import type { ApiWorld } from '../world.ts';

const MOST_AT_ONCE = 1_000;

const Asked = z.object({
  team: Id,
  gpuType: text(100).openapi({ example: 'h100-80gb' }),
  region: text(100).openapi({ example: 'eu-west-1' }),
  pricing: z.enum(PRICINGS),
  count: z.int().min(1).max(MOST_AT_ONCE).openapi({ example: 2 }),
  hourly: Dollars.optional().openapi({ description: 'instead of the list price: charged as given' }),
});

const QuoteBody = z
  .object({
    hourly: Amount.openapi({ description: 'the rate of one instance without cover; 0 if all are covered' }),
    totalPerHour: Amount.openapi({ description: 'the rate of all instances together' }),
    coveredCount: z.int().openapi({ description: 'the number of instances that reservations would cover' }),
    discountPercent: z.number(),
    burnPerHour: Amount.openapi({ description: 'the burn of the whole team with these instances' }),
    runsOutAt: Time.nullable().openapi({ description: 'the last second that is paid in full, without future top-ups' }),
    nextTopUpAt: Time.nullable().openapi({ description: 'the time of the next auto top-up charge; null for none' }),
    warnings: z.array(Warning),
  })
  .openapi('Quote');

const viewQuote = (quote: Quote): z.input<typeof QuoteBody> => ({
  hourly: amount(quote.hourlyMicros),
  totalPerHour: amount(quote.totalMicrosPerHour),
  coveredCount: quote.coveredCount,
  discountPercent: quote.discountBasisPoints / 100,
  burnPerHour: amount(quote.burnMicrosPerHour),
  runsOutAt: timeOrNull(quote.runsOutSecond),
  nextTopUpAt: timeOrNull(quote.nextTopUpSecond),
  warnings: quote.warnings,
});

export const quote = ({ db, settings }: ApiWorld): Route[] => [
  route({
    method: 'post',
    path: '/v1/quote',
    records: false,
    tag: 'Prices',
    summary: 'Calculate the price of further instances, and the runway if they started now',
    who: 'read',
    body: Asked,
    answer: { status: 200, schema: QuoteBody },
    fails: ['price_not_found', 'no_reservation', 'amount_out_of_range'],
    handle: async ({ body: { team: teamId, hourly, ...asked }, call }) => {
      mustSee(call, teamId, 'team', 'team');
      if (hourly !== undefined && call.caller.kind !== 'platform')
        throw new BillingError('forbidden', 'only the platform may send hourly: leave it out for your price', 'hourly');
      if (hourly !== undefined) checkHourly(hourly);
      const quoted = inSnapshot(db, async (tx) => {
        const account = await readAccount(tx, teamId, { throughSecond: call.receivedSecond, for: 'start' });
        const second = Math.max(account.asOfSecond, call.receivedSecond);
        const prices = hourly === undefined ? await gpuPricesFor(tx, [asked], second) : [];
        const order: QuoteOrder = { ...asked, ...priceOf() };
        const priced = { ...account, prices: [...account.prices, ...prices] };
        return { status: 200, body: viewQuote(quoteStarts(priced, settings, order, second)) };

        /** The price of a start at this second. */
        function priceOf(): Pick<QuoteOrder, 'given' | 'listMicrosPerHour'> {
          if (hourly !== undefined) return { given: true, listMicrosPerHour: hourly };
          const price = priceAt(prices, asked, second);
          if (!price) throw priceNotFound(OR_SEND_HOURLY);
          return { given: false, listMicrosPerHour: listMicrosOf(price, asked.pricing) };
        }
      });
      return withGpuNames(db, asked, call.receivedSecond, () => quoted);
    },
  }),
];
