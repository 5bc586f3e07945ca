/** Refusals that name likely alternatives. The names are read only after the call has failed. */
import { BillingError } from '../../billing/errors.ts';
import { formatSecond } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import type { Instance } from '../../prisma/instances.ts';
import {
  findByStripeId,
  findPaymentMethod,
  listPaymentMethods,
  type PaymentMethod,
} from '../../prisma/payment-methods.ts';
import { type GpuPair, gpuPricesInForce, modelPricesInForce } from '../../prisma/prices.ts';
import { shown } from './messages.ts';
import { didYouMean, orList } from './nearest.ts';

/** Ids of this service are a prefix and 32 hexadecimal digits; every other `pm_…` or `card_…` is Stripe's. */
const OURS = /^pm_[0-9a-f]{32}$/;
const STRIPES = /^(pm|card)_\w+$/;
const MOST_LISTED = 5;

/**
 * A saved card of a team.
 * @throws BillingError `not_found`, with the right id in the message
 */
export async function mustFindCard(db: Db, teamId: string, id: string): Promise<PaymentMethod> {
  const card = await findPaymentMethod(db, teamId, id);
  if (card) return card;
  throw await noSuchCard(db, teamId, id);
}

async function noSuchCard(db: Db, teamId: string, id: string): Promise<BillingError> {
  const saved = await listPaymentMethods(db, teamId);
  const cards = saved.slice(0, MOST_LISTED).map((card) => `${card.id} (${card.brand} ${card.last4})`);
  const instead =
    cards.length === 0
      ? 'the team has no saved card: save one with POST /v1/teams/{team}/payment-methods'
      : `send the id of a saved card: ${orList(cards)}`;
  if (!STRIPES.test(id) || OURS.test(id))
    return new BillingError('not_found', `no such payment method; ${instead}`, 'paymentMethod');
  const attached = await findByStripeId(db, id);
  if (attached?.teamId === teamId && attached.removedSecond === null)
    return new BillingError(
      'not_found',
      `${shown(id)} is Stripe’s id of this card: send ${attached.id}`,
      'paymentMethod',
    );
  return new BillingError(
    'not_found',
    `${shown(id)} is an id of Stripe’s: attach it with POST /v1/teams/{team}/payment-methods {"stripePaymentMethod": "${shown(id)}"} and send the id that is answered; ${instead}`,
    'paymentMethod',
  );
}

/**
 * The refusal of a start under the id of another instance. For an ended instance the message has the end and the way to
 * resume.
 */
export function instanceIdTaken(other: Instance | null, teamId: string): BillingError {
  // Another team's instance stays unknown to the caller's team, even though the platform reads this answer.
  if (other === null || other.teamId !== teamId || other.endSecond === null)
    return new BillingError('id_taken', 'another instance has this id: choose another id', 'id');
  const ended = `${other.id} ended at ${formatSecond(other.endSecond)} (${other.reason})`;
  return new BillingError(
    'id_taken',
    `${ended} and was started with other fields; an id is used once. POST /v1/instances/${other.id}/resume starts another with its configuration, or choose another id`,
    'id',
  );
}

/** Runs work that needs the price of a GPU, and adds names of the list to a refusal. */
export async function withGpuNames<T>(db: Db, asked: GpuPair, second: number, work: () => Promise<T>): Promise<T> {
  return work().catch(async (error) => {
    if (!(error instanceof BillingError) || error.code !== 'price_not_found') throw error;
    throw gpuNotListed(error, asked, await gpuPricesInForce(db, second));
  });
}

function gpuNotListed({ message }: BillingError, { gpuType, region }: GpuPair, list: GpuPair[]): BillingError {
  const regions = [...new Set(list.filter((price) => price.gpuType === gpuType).map((price) => price.region))];
  if (regions.length > 0) {
    const hint = didYouMean(region, regions) || `: it is listed in ${orList(regions.slice(0, MOST_LISTED))}`;
    return new BillingError('price_not_found', `${shown(gpuType)} is not listed in ${shown(region)}${hint}`, 'region');
  }
  const hint = didYouMean(
    gpuType,
    list.map((price) => price.gpuType),
    3,
  );
  return hint === ''
    ? new BillingError('price_not_found', message, 'gpuType')
    : new BillingError('price_not_found', `there is no gpuType ${shown(gpuType)} in the price list${hint}`, 'gpuType');
}

/** Runs work that needs the price of a model, and adds names of the list to a refusal. */
export async function withModelNames<T>(db: Db, model: string, second: number, work: () => Promise<T>): Promise<T> {
  return work().catch(async (error) => {
    if (!(error instanceof BillingError) || error.code !== 'price_not_found' || error.param !== 'model') throw error;
    throw new BillingError('price_not_found', await modelNotListed(db, model, second), 'model');
  });
}

/** The refusal of a model without a price, with the names that are near. */
export async function modelNotListed(db: Db, model: string, second: number): Promise<string> {
  const names = (await modelPricesInForce(db, second)).map((price) => price.model);
  return `there is no model ${shown(model)} in the price list${didYouMean(model, names, 3) || ': see GET /v1/models'}`;
}
