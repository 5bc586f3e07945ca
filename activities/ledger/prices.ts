/**
 * Changes of the price list. Each gets its second under the lock of its price, as a team's facts do under the row lock: no
 * change lies before one that was recorded earlier, nor before a start that was charged by the list as it was.
 */
import { offeredFrom } from '../../billing/dated.ts';
import { BillingError } from '../../billing/errors.ts';
import { checkGpuPrice, type GpuPrice } from '../../billing/prices.ts';
import { formatSecond, LAST_SECOND } from '../../billing/time.ts';
import { checkModelPrice, type DatedModelPrice } from '../../billing/tokens.ts';
import { inTransaction, type Tx } from '../../prisma/client.ts';
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
} from '../../prisma/prices.ts';
import type { LedgerWorld } from '../world.ts';

/** Who changes the list, and when that was asked for. */
interface Asked {
  actor: string;
  nowSecond: number;
}

/** A price that is to hold from a second on, or from that of its recording: null. */
interface Change<Price> extends Asked {
  price: Omit<Price, 'effectiveSecond' | 'withdrawn'>;
  effectiveFromSecond: number | null;
}

/** From when on a change of a GPU's price holds, and the teams whose spot instances and reservations it may concern. */
export interface GpuPriceChanged {
  effectiveSecond: number;
  teamIds: string[];
}

/**
 * Takes the lock of a price and the row locks of the teams that it moves; no start, no settlement and no renewal of theirs
 * is under way then. The second is not before anything that was recorded by the price as it was.
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
 * The second from which a change holds that is recorded at `recordedSecond`.
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
   * Records what a GPU type costs in a region from a second on. The teams that it answers are to be woken: their running
   * spot instances move with it.
   * @throws BillingError `amount_out_of_range`; `at_out_of_range` for a second that has passed, also where only the list
   *   or one of those teams is that far
   */
  changeGpuPrice: ({ price, effectiveFromSecond, actor, nowSecond }: Change<GpuPrice>): Promise<GpuPriceChanged> =>
    inTransaction(db, async (tx) => {
      checkGpuPrice(price);
      const { second, teamIds } = await openGpuPrice(tx, price, nowSecond);
      const effectiveSecond = effectiveFrom(effectiveFromSecond, second);
      await insertGpuPrice(tx, { ...price, effectiveSecond, withdrawn: false }, { recordedSecond: second, actor });
      return { effectiveSecond, teamIds };
    }),

  /**
   * Takes a GPU type in a region off the list, from now on: what was to come does not come either. What runs goes on.
   * @throws BillingError `not_found` where it is neither offered nor to be offered
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
   * Records what a model's tokens cost from a second on, and answers that second.
   * @throws BillingError `amount_out_of_range`, `at_out_of_range`
   */
  changeModelPrice: ({ price, effectiveFromSecond, actor, nowSecond }: Change<DatedModelPrice>): Promise<number> =>
    inTransaction(db, async (tx) => {
      checkModelPrice(price);
      const second = await openModelPrice(tx, price.model, nowSecond);
      const effectiveSecond = effectiveFrom(effectiveFromSecond, second);
      await insertModelPrice(tx, { ...price, effectiveSecond, withdrawn: false }, { recordedSecond: second, actor });
      return effectiveSecond;
    }),

  /**
   * Takes a model off the list, from now on, and answers the second. Usage of earlier seconds keeps its price.
   * @throws BillingError `not_found` where it is neither offered nor to be offered
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
