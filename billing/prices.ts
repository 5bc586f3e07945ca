/**
 * List prices by GPU type and region, each in force from a second on, and the rate of a segment with its derivation.
 * Source: docs/rules.md#what-an-instance-costs, docs/rules.md#spot.
 */
import { type Dated, inForceAt } from './dated.ts';
import { type DiscountKind, discountedMicros } from './discounts.ts';
import { BillingError } from './errors.ts';
import { formatDollars, formatForPeople, type Micros, micros, ZERO } from './money.ts';

export const PRICINGS = ['on_demand', 'spot', 'reserved'] as const;
export type Pricing = (typeof PRICINGS)[number];

/** The lengths of reservations. */
export const RESERVATION_TERMS = ['1m', '3m', '6m', '12m'] as const;
export type ReservationTerm = (typeof RESERVATION_TERMS)[number];
export const MONTHS_OF_TERM: Record<ReservationTerm, number> = { '1m': 1, '3m': 3, '6m': 6, '12m': 12 };

/** The prices of a GPU type in a region from a second on, micros per hour. */
export interface GpuPrice extends Dated {
  gpuType: string;
  region: string;
  onDemandMicros: Micros;
  spotMicros: Micros;
  reservedMicros: Record<ReservationTerm, Micros>;
}

const MAX_HOURLY_MICROS = micros(1_000_000_000_000);
const LEAST_RESERVED_SAVING_PERCENT = 30;
const MOST_RESERVED_SAVING_PERCENT = 50;

/**
 * Refuses a rate above $1,000,000 an hour: a slip of the keyboard, whose sums would leave the range in which money is
 * exact.
 * @throws BillingError `amount_out_of_range`, naming `param`
 */
export function checkHourly(hourlyMicros: Micros, param = 'hourly'): void {
  if (hourlyMicros > MAX_HOURLY_MICROS)
    throw new BillingError('amount_out_of_range', `${param} must not be above $1,000,000`, param);
}

/**
 * Refuses a list price outside the promised relations: spot at most on-demand, reserved 30–50 % below on-demand.
 * @throws BillingError `amount_out_of_range`, naming `onDemand`, `spot` or `reserved.3m`
 */
export function checkGpuPrice({
  onDemandMicros,
  spotMicros,
  reservedMicros,
}: Pick<GpuPrice, 'onDemandMicros' | 'spotMicros' | 'reservedMicros'>): void {
  const refuse = (param: string, must: string) => {
    throw new BillingError('amount_out_of_range', `${param} must be ${must}`, param);
  };
  if (onDemandMicros <= 0) refuse('onDemand', 'above $0');
  checkHourly(onDemandMicros, 'onDemand');
  if (spotMicros <= 0 || spotMicros > onDemandMicros) refuse('spot', 'above $0 and not above onDemand');
  for (const term of RESERVATION_TERMS) {
    const reserved = BigInt(reservedMicros[term]) * 100n;
    const onDemand = BigInt(onDemandMicros);
    const least = onDemand * BigInt(100 - MOST_RESERVED_SAVING_PERCENT);
    const most = onDemand * BigInt(100 - LEAST_RESERVED_SAVING_PERCENT);
    if (reserved < least || reserved > most)
      refuse(
        `reserved.${term}`,
        `${LEAST_RESERVED_SAVING_PERCENT} to ${MOST_RESERVED_SAVING_PERCENT} % below onDemand, which is ${formatForPeople(onDemandMicros)}`,
      );
  }
}

/** The price in force at a second, or null if no price is offered then. Running instances keep a withdrawn price. */
export function priceAt(
  prices: readonly GpuPrice[],
  { gpuType, region }: { gpuType: string; region: string },
  second: number,
): GpuPrice | null {
  const ofGpu = prices.filter((price) => price.gpuType === gpuType && price.region === region);
  const price = inForceAt(ofGpu, second);
  return price === null || price.withdrawn ? null : price;
}

/**
 * The list price of an instance, before discount and cover. A `reserved` instance costs the on-demand price where no
 * reservation covers the instance.
 */
export const listMicrosOf = (price: GpuPrice, pricing: Pricing): Micros =>
  pricing === 'spot' ? price.spotMicros : price.onDemandMicros;

/** The derivation of a segment's rate, kept with the segment so that a statement can explain the rate. */
export interface Priced {
  pricing: Pricing;
  gpuType: string;
  region: string;
  /** Before discount and cover, micros per hour: the list price that was fixed, or the price that the platform gave. */
  listMicrosPerHour: Micros;
  /** Given by the platform and charged as given: no discount and no list price changes the rate. */
  given: boolean;
  discountBasisPoints: number;
  discountKind: DiscountKind | null;
  /** The reservation that pays for the instance. A covered instance costs nothing. */
  coveredBy: string | null;
}

/** The rate without a reservation, micros per hour. */
export const uncoveredRateOf = ({ listMicrosPerHour, discountBasisPoints }: Priced): Micros =>
  discountedMicros(listMicrosPerHour, discountBasisPoints);

/** The rate of a segment, micros per hour. */
export const rateOf = (priced: Priced): Micros => (priced.coveredBy === null ? uncoveredRateOf(priced) : ZERO);

/**
 * True if the team's discount changes the rate. A price that the platform named at the start is charged without a
 * discount.
 */
export const isDiscountable = ({ given }: Priced): boolean => !given;

const PRICING_IN_WORDS: Record<Pricing, string> = { on_demand: 'on-demand', spot: 'spot', reserved: 'on-demand' };
const DISCOUNT_IN_WORDS: Record<DiscountKind, string> = { volume: 'volume discount', assigned: 'discount' };

/** Basis points in the form `12.5 %`. */
export const percentInWords = (basisPoints: number): string => `${basisPoints / 100} %`;

/** Explains the rate of a segment in a line for statements. */
export function priceInWords(priced: Priced): string {
  const { pricing, given, listMicrosPerHour, discountBasisPoints, discountKind, coveredBy } = priced;
  if (coveredBy !== null) return `covered by reservation ${coveredBy}`;
  if (given) return 'price given by the platform';
  const list = `${PRICING_IN_WORDS[pricing]} list price $${formatDollars(listMicrosPerHour)}`;
  if (discountKind === null) return list;
  return `${list} less ${percentInWords(discountBasisPoints)} ${DISCOUNT_IN_WORDS[discountKind]}`;
}
