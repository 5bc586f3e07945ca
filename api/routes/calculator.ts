/**
 * Compares this platform's price of a model with public prices of other providers, for a workload that the caller
 * names.
 */
import { compare, type Volume, type WorkloadCost } from '../../billing/calculator.ts';
import { BillingError } from '../../billing/errors.ts';
import type { ModelPrice } from '../../billing/tokens.ts';
import { modelPriceAt } from '../../prisma/prices.ts';
import { type Route, route } from '../http/route.ts';
import { Amount, amount, text, z } from '../http/schemas.ts';
import { modelNotListed } from '../http/suggestions.ts';
import type { ApiWorld } from '../world.ts';
import { PUBLIC_PRICES, type PublicPrice, publicPriceOf, USUAL_COMPARISON } from './public-prices.ts';

const MOST = 1_000_000_000_000;
const Count = z.int().min(0).max(MOST);
const ModelId = text(100);

const price = {
  input: Amount.openapi({ description: 'dollars per million tokens' }),
  output: Amount.openapi({ description: 'dollars per million tokens' }),
};
const ListedPublicPrice = z
  .object({
    id: z.string().openapi({ example: USUAL_COMPARISON }),
    provider: z.string().openapi({ example: 'OpenAI' }),
    ...price,
    note: z.string().nullable().openapi({ description: 'the conditions that the price does not include' }),
    source: z.string().openapi({ format: 'uri', description: 'the provider’s own page' }),
    asOf: z.string().openapi({ format: 'date', description: 'the day on which the page was read' }),
  })
  .openapi('PublicPrice');

const cost = {
  perRequest: z.string().openapi({
    example: '0.00000015',
    description: 'dollars, exact: six decimal places, or up to twelve if necessary',
  }),
  perMonth: Amount,
};
const signed = Amount.openapi({ example: '-2.490000', description: 'dollars; negative if the cost is higher here' });

const Comparison = z
  .object({
    model: z.object({ id: z.string(), ...price, ...cost }),
    compareWith: z.object({ ...ListedPublicPrice.shape, ...cost }).openapi('ComparedPublicPrice'),
    saves: z.object({
      perMonth: signed,
      percent: z.number().nullable().openapi({
        description:
          'the saved percentage of the other provider’s cost, two decimals; negative if the cost is higher here; null if the other cost is 0',
      }),
    }),
    byVolume: z
      .array(
        z
          .object({
            perMonth: z.int().openapi({ description: 'requests a month' }),
            here: Amount,
            there: Amount,
            saves: signed,
          })
          .openapi('ComparedVolume'),
      )
      .openapi({ description: 'the costs for the usual volumes, and for the requested volume' }),
  })
  .openapi('Comparison');

const comparison = ({ db }: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/calculator',
    records: false,
    tag: 'Prices',
    summary: 'Compare the cost of requests to a model with the dated public prices of other providers',
    who: 'read',
    body: z.object({
      inputTokens: Count.openapi({ description: 'tokens of one request' }),
      outputTokens: Count.openapi({ description: 'tokens of one request' }),
      perMonth: Count.openapi({ description: 'requests a month' }),
      model: ModelId.openapi({ example: 'llama-3.3-70b-instruct' }),
      compareWith: ModelId.default(USUAL_COMPARISON).openapi({
        description: 'an id of `GET /v1/calculator/models`',
      }),
    }),
    answer: { status: 200, schema: Comparison },
    fails: ['price_not_found', 'amount_out_of_range'],
    handle: async ({ body: { model, compareWith, ...workload }, call }) => {
      const here = await modelPriceAt(db, model, call.receivedSecond);
      if (!here)
        throw new BillingError('price_not_found', await modelNotListed(db, model, call.receivedSecond), 'model');
      const there = publicPriceOf(compareWith);
      const compared = compare(workload, here, there);
      return {
        status: 200,
        body: {
          model: { id: model, ...viewPrice(here), ...viewCost(compared.here) },
          compareWith: { ...viewPublicPrice(there), ...viewCost(compared.there) },
          saves: { perMonth: amount(compared.savesMicros), percent: compared.savesPercent },
          byVolume: compared.byVolume.map(viewVolume),
        },
      };
    },
  });

const listModels = (): Route =>
  route({
    method: 'get',
    path: '/v1/calculator/models',
    tag: 'Prices',
    summary: 'List the public prices of other providers for the calculator',
    who: 'read',
    answer: { status: 200, schema: z.object({ data: z.array(ListedPublicPrice) }) },
    handle: async () => ({ status: 200, body: { data: PUBLIC_PRICES.map(viewPublicPrice) } }),
  });

const viewPrice = ({ inputMicrosPerMillion, outputMicrosPerMillion }: ModelPrice) => ({
  input: amount(inputMicrosPerMillion),
  output: amount(outputMicrosPerMillion),
});

const viewPublicPrice = ({ id, provider, note, source, asOf, ...listed }: PublicPrice) => ({
  id,
  provider,
  ...viewPrice(listed),
  note,
  source,
  asOf,
});

const viewCost = ({ perRequest, perMonthMicros }: WorkloadCost) => ({ perRequest, perMonth: amount(perMonthMicros) });

const viewVolume = ({ perMonth, hereMicros, thereMicros, savesMicros }: Volume) => ({
  perMonth,
  here: amount(hereMicros),
  there: amount(thereMicros),
  saves: amount(savesMicros),
});

export const calculator = (world: ApiWorld): Route[] => [comparison(world), listModels()];
