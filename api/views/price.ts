/** The JSON form of the price list: listed prices, a team's prices, and recorded changes. */
import { type Discount, discountedMicros } from '../../billing/discounts.ts';
import type { GpuPrice } from '../../billing/prices.ts';
import { formatSecond } from '../../billing/time.ts';
import type { DatedModelPrice } from '../../billing/tokens.ts';
import type { RecordedGpuPrice } from '../../prisma/prices.ts';
import { Amount, amount, Time, z } from '../http/schemas.ts';

const listed = {
  gpuType: z.string().openapi({ example: 'h100-80gb' }),
  region: z.string().openapi({ example: 'eu-west-1' }),
  onDemand: Amount.openapi({ description: 'dollars an hour' }),
  spot: Amount,
  reserved: z
    .object({ '1m': Amount, '3m': Amount, '6m': Amount, '12m': Amount })
    .openapi({ description: 'dollars an hour, by the months of the term' }),
};

export const GpuPriceBody = z.object({ ...listed, effectiveFrom: Time }).openapi('GpuPrice');

export const ListedGpuPrice = z
  .object({
    ...listed,
    discountPercent: z.number().openapi({ example: 12.5, description: 'the team’s discount; 0 without a team' }),
    discountKind: z.enum(['volume', 'assigned']).nullable(),
    yourOnDemand: Amount.openapi({ description: 'the price less the discount, for the team’s next start' }),
    yourSpot: Amount,
  })
  .openapi('ListedGpuPrice');

export const GpuPriceRow = z
  .object({
    ...GpuPriceBody.shape,
    withdrawn: z.boolean().openapi({ description: 'not offered from effectiveFrom on' }),
    recordedAt: Time,
    actor: z.string(),
  })
  .openapi('GpuPriceRow');

const viewListed = ({ gpuType, region, onDemandMicros, spotMicros, reservedMicros }: Omit<GpuPrice, 'withdrawn'>) => ({
  gpuType,
  region,
  onDemand: amount(onDemandMicros),
  spot: amount(spotMicros),
  reserved: {
    '1m': amount(reservedMicros['1m']),
    '3m': amount(reservedMicros['3m']),
    '6m': amount(reservedMicros['6m']),
    '12m': amount(reservedMicros['12m']),
  },
});

export const viewGpuPrice = (price: Omit<GpuPrice, 'withdrawn'>): z.input<typeof GpuPriceBody> => ({
  ...viewListed(price),
  effectiveFrom: formatSecond(price.effectiveSecond),
});

export const viewListedGpuPrice = (price: GpuPrice, discount: Discount): z.input<typeof ListedGpuPrice> => ({
  ...viewListed(price),
  discountPercent: discount.basisPoints / 100,
  discountKind: discount.kind,
  yourOnDemand: amount(discountedMicros(price.onDemandMicros, discount.basisPoints)),
  yourSpot: amount(discountedMicros(price.spotMicros, discount.basisPoints)),
});

export const viewGpuPriceRow = (row: RecordedGpuPrice): z.input<typeof GpuPriceRow> => ({
  ...viewGpuPrice(row),
  withdrawn: row.withdrawn,
  recordedAt: formatSecond(row.recordedSecond),
  actor: row.actor,
});

const model = {
  id: z.string().openapi({ example: 'llama-3.3-70b-instruct' }),
  input: Amount.openapi({ description: 'dollars per million tokens' }),
  output: Amount.openapi({ description: 'dollars per million tokens' }),
};

export const ListedModel = z.object(model).openapi('Model');
export const ModelPriceBody = z.object({ ...model, effectiveFrom: Time }).openapi('ModelPrice');

type ModelPriceRow = Omit<DatedModelPrice, 'withdrawn'>;

export const viewListedModel = (price: Omit<ModelPriceRow, 'effectiveSecond'>): z.input<typeof ListedModel> => ({
  id: price.model,
  input: amount(price.inputMicrosPerMillion),
  output: amount(price.outputMicrosPerMillion),
});

export const viewModelPrice = (price: ModelPriceRow): z.input<typeof ModelPriceBody> => ({
  ...viewListedModel(price),
  effectiveFrom: formatSecond(price.effectiveSecond),
});
