/**
 * Records changes of the price list. Each change gets its second under the lock of its price, like a team's facts under
 * the row lock: no change has an earlier second than a previous change, or than a start at the previous price.
 */
import { offeredFrom } from '../billing/dated.ts';
import { BillingError } from '../billing/errors.ts';
import { checkGpuPrice, type GpuPrice } from '../billing/prices.ts';
import { formatSecond, LAST_SECOND } from '../billing/time.ts';
import { checkModelPrice, type DatedModelPrice } from '../billing/tokens.ts';
import { inTransaction, type Tx } from '../prisma/client.ts';
import {
  type GpuPair,
  gpuPricesFor,
  insertGpuPrice,
  insertModelPrice,
  latestSecondOfGpuPrice,
  latestSecondOfModelPrice,
  lockGpuPrice,
  lockModelPrice,
  lockTeamsMovedBy,
  modelPricesFor,
} from '../prisma/prices.ts';
import type { LedgerWorld } from './world.ts';

/** The author of a change, and the second of the request. */
interface Asked {
  actor: string;
  nowSecond: number;
}

/** A price from a given second on, or from the second of its recording: null. */
interface PriceChange<Price> extends Asked {
  price: Omit<Price, 'effectiveSecond' | 'withdrawn'>;
  effectiveFromSecond: number | null;
}

/**
 * The second from which a change of a GPU's price is in force, and the teams with affected spot instances and
 * reservations.
 */
export interface GpuPriceChanged {
  effectiveSecond: number;
  teamIds: string[];
}

/**
 * Takes the lock of a price and the row locks of the affected teams, so no start, settlement or renewal of these teams
 * is under way. The second is not before any fact recorded at the previous price.
 */
async function openGpuPrice(tx: Tx, pair: GpuPair, nowSecond: number): Promise<{ second: number; teamIds: string[] }> {
  await lockGpuPrice(tx, pair, 'exclusive');
  const teams = await lockTeamsMovedBy(tx, pair, nowSecond);
  const latest = await latestSecondOfGpuPrice(tx, pair);
  const second = Math.max(nowSecond, latest, ...teams.map(({ asOfSecond }) => asOfSecond));
  return { second, teamIds: teams.map(({ teamId }) => teamId) };
}

async function openModelPrice(tx: Tx, model: string, nowSecond: number): Promise<number> {
  await lockModelPrice(tx, model);
  return Math.max(nowSecond, await latestSecondOfModelPrice(tx, model));
}

/**
 * The second from which a change recorded at `recordedSecond` is in force.
 * @throws BillingError `at_out_of_range`
 */
function effectiveFrom(askedSecond: number | null, recordedSecond: number): number {
  if (askedSecond === null) return recordedSecond;
  if (askedSecond < recordedSecond)
    throw new BillingError(
      'at_out_of_range',
      `effectiveFrom must not lie in the past: the first second that it can name is ${formatSecond(recordedSecond)}`,
      'effectiveFrom',
    );
  if (askedSecond > LAST_SECOND)
    throw new BillingError('at_out_of_range', 'effectiveFrom lies too far ahead', 'effectiveFrom');
  return askedSecond;
}

export const priceActs = ({ db }: Pick<LedgerWorld, 'db'>) => ({
  /**
   * Records the prices of a GPU type in a region from a second on. The caller wakes the returned teams, because the
   * rates of their spot instances change.
   * @throws BillingError `amount_out_of_range`; `at_out_of_range` for a second that has passed, also where only the
   *   list or one of the teams is that far
   */
  changeGpuPrice: ({ price, effectiveFromSecond, actor, nowSecond }: PriceChange<GpuPrice>): Promise<GpuPriceChanged> =>
    inTransaction(db, async (tx) => {
      checkGpuPrice(price);
      const { second, teamIds } = await openGpuPrice(tx, price, nowSecond);
      const effectiveSecond = effectiveFrom(effectiveFromSecond, second);
      await insertGpuPrice(tx, { ...price, effectiveSecond, withdrawn: false }, { recordedSecond: second, actor });
      return { effectiveSecond, teamIds };
    }),

  /**
   * Removes a GPU type in a region from the list, from now on. Announced prices are cancelled too. Running instances go
   * on.
   * @throws BillingError `not_found` where the price is neither offered nor announced
   */
  withdrawGpuPrice: ({ pair, actor, nowSecond }: Asked & { pair: GpuPair }): Promise<GpuPriceChanged> =>
    inTransaction(db, async (tx) => {
      const { second, teamIds } = await openGpuPrice(tx, pair, nowSecond);
      const offered = offeredFrom(await gpuPricesFor(tx, [pair], second), second);
      if (offered.length === 0)
        throw new BillingError('not_found', 'this gpuType is not listed in this region', 'gpuType');
      for (const price of offered) {
        const effectiveSecond = Math.max(price.effectiveSecond, second);
        await insertGpuPrice(tx, { ...price, effectiveSecond, withdrawn: true }, { recordedSecond: second, actor });
      }
      return { effectiveSecond: second, teamIds };
    }),

  /**
   * Records the token prices of a model from a second on, and returns the second.
   * @throws BillingError `amount_out_of_range`, `at_out_of_range`
   */
  changeModelPrice: ({ price, effectiveFromSecond, actor, nowSecond }: PriceChange<DatedModelPrice>): Promise<number> =>
    inTransaction(db, async (tx) => {
      checkModelPrice(price);
      const second = await openModelPrice(tx, price.model, nowSecond);
      const effectiveSecond = effectiveFrom(effectiveFromSecond, second);
      await insertModelPrice(tx, { ...price, effectiveSecond, withdrawn: false }, { recordedSecond: second, actor });
      return effectiveSecond;
    }),

  /**
   * Removes a model from the list, from now on, and returns the second. Usage of earlier seconds keeps its price.
   * @throws BillingError `not_found` where the model is neither offered nor announced
   */
  withdrawModelPrice: ({ model, actor, nowSecond }: Asked & { model: string }): Promise<number> =>
    inTransaction(db, async (tx) => {
      const second = await openModelPrice(tx, model, nowSecond);
      const offered = offeredFrom(await modelPricesFor(tx, [model], second), second);
      if (offered.length === 0) throw new BillingError('not_found', 'this model is not listed', 'model');
      for (const price of offered) {
        const effectiveSecond = Math.max(price.effectiveSecond, second);
        await insertModelPrice(tx, { ...price, effectiveSecond, withdrawn: true }, { recordedSecond: second, actor });
      }
      return second;
    }),
});

/** @returns the refusal of a start at a list price that does not exist; `instead` names the caller's alternatives */
export const priceNotFound = (instead = ''): BillingError =>
  new BillingError(
    'price_not_found',
    `this gpuType is not listed in this region: see GET /v1/prices${instead}`,
    'gpuType',
  );
export const OR_SEND_HOURLY = ', or send hourly';
