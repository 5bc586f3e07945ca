/**
 * Compares this platform's price of a model with public prices of other providers, for a workload that the caller
 * names.
 */
import { compare, type Volume, type WorkloadCost } from '../billing/calculator.ts';
import { BillingError } from '../billing/errors.ts';
import type { ModelPrice } from '../billing/tokens.ts';
import { modelPriceAt } from '../prisma/prices.ts';
import { PUBLIC_PRICES, type PublicPrice, publicPriceOf, USUAL_COMPARISON } from './public-prices.ts';
import { type Route, route } from './route.ts';
import { Amount, amount, text, z } from './schemas.ts';
import { modelNotListed } from './suggestions.ts';
import type { ApiWorld } from './world.ts';

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
    note: z.string().nullable().openapi({ description: 'what the price leaves out' }),
    source: z.string().openapi({ format: 'uri', description: 'the provider’s own page' }),
    asOf: z.string().openapi({ format: 'date', description: 'the day on which that page said so' }),
  })
  .openapi('PublicPrice');

const cost = {
  perRequest: z.string().openapi({
    example: '0.00000015',
    description: 'dollars, exact: six places, and where that is not enough as many as it takes, up to twelve',
  }),
  perMonth: Amount,
};
const signed = Amount.openapi({ example: '-2.490000', description: 'dollars, below zero where it costs more here' });

const Comparison = z
  .object({
    model: z.object({ id: z.string(), ...price, ...cost }),
    compareWith: z.object({ ...ListedPublicPrice.shape, ...cost }).openapi('ComparedPublicPrice'),
    saves: z.object({
      perMonth: signed,
      percent: z.number().nullable().openapi({
        description:
          'of what it costs there, two decimals, below zero where it costs more here; null where it costs nothing there',
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
      .openapi({ description: 'the usual volumes that can be counted, and the one that was asked for in its place' }),
  })
  .openapi('Comparison');

export const calculator = ({ db }: ApiWorld): Route[] => [
  route({
    method: 'post',
    path: '/v1/calculator',
    records: false,
    tag: 'Prices',
    summary:
      'What requests to a model cost here, and what they would cost elsewhere, by the dated public prices of others',
    who: 'read',
    body: z.object({
      inputTokens: Count.openapi({ description: 'of one request' }),
      outputTokens: Count.openapi({ description: 'of one request' }),
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
  }),

  route({
    method: 'get',
    path: '/v1/calculator/models',
    tag: 'Prices',
    summary: 'The public prices of others that the calculator compares with',
    who: 'read',
    answer: { status: 200, schema: z.object({ data: z.array(ListedPublicPrice) }) },
    handle: async () => ({ status: 200, body: { data: PUBLIC_PRICES.map(viewPublicPrice) } }),
  }),
];

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
