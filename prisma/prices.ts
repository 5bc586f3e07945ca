/**
 * The price list: prices of GPU types by region and hour, and of models by million tokens, each from a second on. Rows
 * are only added. The row with the latest effective second applies; ties go to the row recorded last.
 */
import type { GpuPrice } from '../billing/prices.ts';
import type { DatedModelPrice } from '../billing/tokens.ts';
import type { Tx } from './client.ts';
import { type InJson, toMicros, toSecond, toSecondOrNull } from './columns.ts';
import { type GpuPrice as GpuPriceRow, type ModelPrice as ModelPriceRow, Prisma } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';
import type { Also } from './reading.ts';

/** The subject of a price. */
export interface GpuPair {
  gpuType: string;
  region: string;
}

/** The author and the second of a recorded price. */
export interface Recorded {
  recordedSecond: number;
  actor: string;
}

const toGpuPrice = (row: InJson<GpuPriceRow>): GpuPrice => ({
  gpuType: row.gpuType,
  region: row.region,
  effectiveSecond: toSecond(row.effectiveSecond),
  onDemandMicros: toMicros(row.onDemandMicros),
  spotMicros: toMicros(row.spotMicros),
  reservedMicros: {
    '1m': toMicros(row.reserved1mMicros),
    '3m': toMicros(row.reserved3mMicros),
    '6m': toMicros(row.reserved6mMicros),
    '12m': toMicros(row.reserved12mMicros),
  },
  withdrawn: row.withdrawn,
});

const toModelPrice = (row: ModelPriceRow): DatedModelPrice => ({
  model: row.model,
  effectiveSecond: toSecond(row.effectiveSecond),
  inputMicrosPerMillion: toMicros(row.inputMicrosPerMillion),
  outputMicrosPerMillion: toMicros(row.outputMicrosPerMillion),
  withdrawn: row.withdrawn,
});

/** A row of gpu_prices, here called `price`, by the names of the client. */
const GPU_PRICE = Prisma.sql`
  price.recorded_order AS id, price.gpu_type AS "gpuType", price.region, price.effective_second AS "effectiveSecond",
  price.on_demand_micros AS "onDemandMicros", price.spot_micros AS "spotMicros",
  price.reserved_1m_micros AS "reserved1mMicros", price.reserved_3m_micros AS "reserved3mMicros",
  price.reserved_6m_micros AS "reserved6mMicros", price.reserved_12m_micros AS "reserved12mMicros",
  price.withdrawn, price.recorded_second AS "recordedSecond", price.actor`;

const MODEL_PRICE = Prisma.sql`
  price.recorded_order AS id, price.model, price.effective_second AS "effectiveSecond",
  price.input_micros_per_million AS "inputMicrosPerMillion", price.output_micros_per_million AS "outputMicrosPerMillion",
  price.withdrawn, price.recorded_second AS "recordedSecond", price.actor`;

/**
 * Orders all reads and changes of a pair's price, until the transaction ends. A start of a listed instance takes the
 * lock shared, before its team's row lock. A change of the price takes the lock exclusively, before the row locks of
 * the affected teams. A start and a change are thus strictly ordered: the price's second and the start's second have
 * one order, and a start of a spot instance cannot slip past the change that must re-price the instance.
 */
export async function lockGpuPrice(tx: Tx, { gpuType, region }: GpuPair, mode: 'shared' | 'exclusive'): Promise<void> {
  // Names hold no slash, so no two pairs have the same name.
  const name = `gpu_price/${gpuType}/${region}`;
  if (mode === 'shared') await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(hashtextextended(${name}, 0))`;
  else await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
}

/** Orders changes of a model's price. Usage takes no lock, and is charged at the price of its read. */
export async function lockModelPrice(tx: Tx, model: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`model_price/${model}`}, 0))`;
}

export const insertGpuPrice = async (tx: Tx, price: GpuPrice, recording: Recorded): Promise<void> => {
  const { reservedMicros, ...columns } = price;
  await tx.gpuPrice.create({
    data: {
      ...columns,
      reserved1mMicros: reservedMicros['1m'],
      reserved3mMicros: reservedMicros['3m'],
      reserved6mMicros: reservedMicros['6m'],
      reserved12mMicros: reservedMicros['12m'],
      ...recording,
    },
  });
};

/**
 * For each pair, the row in force at a second, including a withdrawal, and all later rows: the input of `priceAt` for
 * any later second. Sorted by pair, then by effective second.
 */
export async function gpuPricesFor(tx: Tx, pairs: readonly GpuPair[], fromSecond: number): Promise<GpuPrice[]> {
  if (pairs.length === 0) return [];
  const rows = await tx.$queryRaw<GpuPriceRow[]>`
    SELECT ${GPU_PRICE}
    FROM (
      SELECT DISTINCT * FROM unnest(
        ${pairs.map(({ gpuType }) => gpuType)}::text[], ${pairs.map(({ region }) => region)}::text[]
      ) AS asked (gpu_type, region)
    ) AS pair
    CROSS JOIN LATERAL (
      (
        SELECT * FROM gpu_prices
        WHERE gpu_type = pair.gpu_type AND region = pair.region AND effective_second <= ${fromSecond}
        ORDER BY effective_second DESC, recorded_order DESC LIMIT 1
      )
      UNION ALL
      SELECT * FROM gpu_prices
      WHERE gpu_type = pair.gpu_type AND region = pair.region AND effective_second > ${fromSecond}
    ) AS price
    ORDER BY price.gpu_type COLLATE "C", price.region COLLATE "C", price.effective_second, price.recorded_order`;
  return rows.map(toGpuPrice);
}

/** The price of a pair at the second of a fact that is received at a second; null where it is not offered then. */
export const gpuPriceOfStart = ({ gpuType, region }: GpuPair, receivedSecond: number): Also<GpuPrice | null> => ({
  sql: Prisma.sql`
    SELECT row_to_json(latest) FROM (
      SELECT ${GPU_PRICE} FROM gpu_prices AS price
      WHERE gpu_type = ${gpuType} AND region = ${region}
        AND effective_second <= GREATEST(locked.as_of_second, ${receivedSecond})
      ORDER BY effective_second DESC, recorded_order DESC LIMIT 1
    ) AS latest`,
  of: (value) => {
    const row = value as InJson<GpuPriceRow> | null;
    return row && !row.withdrawn ? toGpuPrice(row) : null;
  },
});

/** The price of a pair at a second, or null where the pair is not offered then. */
export async function gpuPriceAt(tx: Tx, { gpuType, region }: GpuPair, second: number): Promise<GpuPrice | null> {
  const row = await tx.gpuPrice.findFirst({
    where: { gpuType, region, effectiveSecond: { lte: second } },
    orderBy: [{ effectiveSecond: 'desc' }, { id: 'desc' }],
  });
  return row && !row.withdrawn ? toGpuPrice(row) : null;
}

/**
 * The whole list at a second, by GPU type and region. The statement skips from pair to pair by the index, however long
 * the history of a pair.
 */
export async function gpuPricesInForce(tx: Tx, second: number): Promise<GpuPrice[]> {
  const rows = await tx.$queryRaw<GpuPriceRow[]>`
    WITH RECURSIVE pairs AS (
      (SELECT gpu_type, region FROM gpu_prices ORDER BY gpu_type, region LIMIT 1)
      UNION ALL
      SELECT following.gpu_type, following.region
      FROM pairs CROSS JOIN LATERAL (
        SELECT gpu_type, region FROM gpu_prices
        WHERE (gpu_type, region) > (pairs.gpu_type, pairs.region)
        ORDER BY gpu_type, region LIMIT 1
      ) AS following
    )
    SELECT ${GPU_PRICE}
    FROM pairs CROSS JOIN LATERAL (
      SELECT * FROM gpu_prices
      WHERE gpu_type = pairs.gpu_type AND region = pairs.region AND effective_second <= ${second}
      ORDER BY effective_second DESC, recorded_order DESC LIMIT 1
    ) AS price
    WHERE NOT price.withdrawn
    ORDER BY price.gpu_type COLLATE "C", price.region COLLATE "C"`;
  return rows.map(toGpuPrice);
}

/** A recorded price with author and second. */
export type RecordedGpuPrice = GpuPrice & Recorded;

/** Every past, present and announced price of a pair, latest effective second first. */
export async function listGpuPrices(
  tx: Tx,
  { gpuType, region }: GpuPair,
  page: PageRequest,
): Promise<Page<RecordedGpuPrice>> {
  const { data, nextCursor } = await pageOf(
    page,
    'effectiveSecond',
    (where, take) =>
      tx.gpuPrice.findMany({
        where: { gpuType, region, ...where },
        orderBy: [{ effectiveSecond: 'desc' }, { id: 'desc' }],
        take,
      }),
    'number',
  );
  const view = (row: GpuPriceRow) => ({
    ...toGpuPrice(row),
    recordedSecond: toSecond(row.recordedSecond),
    actor: row.actor,
  });
  return { data: data.map(view), nextCursor };
}

/**
 * The earliest second at which a change of the pair's price may take effect: the second of the last change or of the
 * last start at the price, or the second after the last renewal. A renewal is charged the price in force at its second,
 * so a change in that second would alter a recorded charge. The caller holds the pair's lock.
 */
export async function latestSecondOfGpuPrice(tx: Tx, { gpuType, region }: GpuPair): Promise<number> {
  const [row] = await tx.$queryRaw<Array<{ second: bigint | null }>>`
    SELECT GREATEST(
      (SELECT max(recorded_second) FROM gpu_prices WHERE gpu_type = ${gpuType} AND region = ${region}),
      (SELECT max(start_second) FROM instances
       WHERE gpu_type = ${gpuType} AND region = ${region} AND hourly_micros IS NULL),
      (SELECT max(CASE WHEN terms.term_number = 1 THEN terms.start_second ELSE terms.start_second + 1 END)
       FROM reservations JOIN reservation_terms AS terms ON terms.reservation_id = reservations.id
       WHERE gpu_type = ${gpuType} AND region = ${region})
    ) AS second`;
  return toSecondOrNull(row?.second ?? null) ?? 0;
}

/**
 * The earliest second at which a change of the model's price may take effect: an earlier change would alter charged
 * usage.
 */
export async function latestSecondOfModelPrice(tx: Tx, model: string): Promise<number> {
  const { _max } = await tx.modelPrice.aggregate({ where: { model }, _max: { recordedSecond: true } });
  return toSecondOrNull(_max.recordedSecond) ?? 0;
}

/**
 * Locks the accounts of all teams whose rates depend on a price of the pair: teams with listed spot instances, and
 * teams with a reservation to be renewed, in the order of their ids, so two changes never wait for each other. The look
 * of each team's watch becomes due, because its next crossing moves. The write also makes usage that has read the
 * account before read account and price again.
 */
export async function lockTeamsMovedBy(
  tx: Tx,
  { gpuType, region }: GpuPair,
  nowSecond: number,
): Promise<Array<{ teamId: string; asOfSecond: number }>> {
  const rows = await tx.$queryRaw<Array<{ teamId: string; asOfSecond: bigint }>>`
    WITH locked AS (
      SELECT team_id FROM accounts
      WHERE team_id IN (
        SELECT team_id FROM instances
        WHERE gpu_type = ${gpuType} AND region = ${region}
          AND end_second IS NULL AND pricing = 'spot' AND hourly_micros IS NULL
        UNION
        SELECT team_id FROM reservations
        WHERE gpu_type = ${gpuType} AND region = ${region} AND ended_second IS NULL AND renew
      )
      ORDER BY team_id FOR UPDATE
    )
    UPDATE accounts SET look_due_second = COALESCE(look_due_second, GREATEST(as_of_second, ${nowSecond}))
    FROM locked WHERE accounts.team_id = locked.team_id
    RETURNING accounts.team_id AS "teamId", as_of_second AS "asOfSecond"`;
  return rows
    .map(({ teamId, asOfSecond }) => ({ teamId, asOfSecond: toSecond(asOfSecond) }))
    .sort((a, b) => (a.teamId < b.teamId ? -1 : 1));
}

export const insertModelPrice = async (tx: Tx, price: DatedModelPrice, recording: Recorded): Promise<void> => {
  await tx.modelPrice.create({ data: { ...price, ...recording } });
};

/**
 * For each model, the row in force at a second, including a withdrawal, and all later rows: the input of `modelPriceIn`
 * for events of any later second.
 */
export async function modelPricesFor(
  tx: Tx,
  models: readonly string[],
  fromSecond: number,
): Promise<DatedModelPrice[]> {
  if (models.length === 0) return [];
  const rows = await tx.$queryRaw<ModelPriceRow[]>`
    SELECT ${MODEL_PRICE}
    FROM (SELECT DISTINCT * FROM unnest(${[...models]}::text[]) AS asked (model)) AS wanted
    CROSS JOIN LATERAL (
      (
        SELECT * FROM model_prices WHERE model = wanted.model AND effective_second <= ${fromSecond}
        ORDER BY effective_second DESC, recorded_order DESC LIMIT 1
      )
      UNION ALL
      SELECT * FROM model_prices WHERE model = wanted.model AND effective_second > ${fromSecond}
    ) AS price
    ORDER BY price.model COLLATE "C", price.effective_second, price.recorded_order`;
  return rows.map(toModelPrice);
}

/** A model's price at a second, or null where the model is not offered then. */
export async function modelPriceAt(tx: Tx, model: string, second: number): Promise<DatedModelPrice | null> {
  const row = await tx.modelPrice.findFirst({
    where: { model, effectiveSecond: { lte: second } },
    orderBy: [{ effectiveSecond: 'desc' }, { id: 'desc' }],
  });
  return row && !row.withdrawn ? toModelPrice(row) : null;
}

/**
 * All models offered at a second, by name. The statement skips from model to model by the index, however long the
 * history of a model.
 */
export async function modelPricesInForce(tx: Tx, second: number): Promise<DatedModelPrice[]> {
  const rows = await tx.$queryRaw<ModelPriceRow[]>`
    WITH RECURSIVE models AS (
      (SELECT model FROM model_prices ORDER BY model LIMIT 1)
      UNION ALL
      SELECT following.model
      FROM models CROSS JOIN LATERAL (
        SELECT model FROM model_prices WHERE model > models.model ORDER BY model LIMIT 1
      ) AS following
    )
    SELECT ${MODEL_PRICE}
    FROM models CROSS JOIN LATERAL (
      SELECT * FROM model_prices WHERE model = models.model AND effective_second <= ${second}
      ORDER BY effective_second DESC, recorded_order DESC LIMIT 1
    ) AS price
    WHERE NOT price.withdrawn
    ORDER BY price.model COLLATE "C"`;
  return rows.map(toModelPrice);
}
