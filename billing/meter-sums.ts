/**
 * The running meters of a large team as sums, exact to the micro. A rate r that has been in force since second s has
 * cost floor(r × (S − s) / 3600) at S, equal to (r × (S − s) − remainder) / 3600. The remainder follows from r mod 3600
 * and (r × s) mod 3600 alone, so meters that are equal in both are counted instead of kept singly. Source:
 * docs/rules.md#what-an-instance-costs, docs/rules.md#balance.
 */
import { SECONDS_PER_DAY } from './time.ts';

const SECONDS_PER_HOUR = 3600;

/** Running meters that started on one UTC day and leave the same remainder at every second. */
export interface MeterClass {
  /** The first second of the day on which the meters started. */
  daySecond: number;
  /** True if the team's discount changes the rates. */
  isDiscountable: boolean;
  /** The list price of each meter if discountable; otherwise 0. */
  listMicrosPerHour: number;
  discountBasisPoints: number;
  /** The rate of each meter, mod 3600. */
  rateRemainder: number;
  /** The rate × start second of each meter, mod 3600. */
  startRemainder: number;
  count: number;
  /** Σ rate. */
  rateMicrosPerHour: number;
  /** Σ rate × start second. */
  rateTimesStart: bigint;
  /** Σ posted. */
  postedMicros: number;
}

/** Running meters that were not read singly. */
export interface MeterSums {
  classes: readonly MeterClass[];
  count: number;
  rateMicrosPerHour: number;
  rateTimesStart: bigint;
  postedMicros: number;
  /** No meter of the sums started later, so the sums are valid from this second on. */
  startedBySecond: number;
}

/** Thrown where the sums do not decide. The caller reads the meters singly and runs the same fact again. */
export class MetersNeeded extends Error {
  constructor(why: string) {
    super(`the sums of the meters do not decide ${why}`);
  }
}

/** The sums over classes, or null for no classes. @param startedBySecond no meter started later */
export function meterSums(classes: readonly MeterClass[], startedBySecond: number): MeterSums | null {
  const filled = classes.filter(({ count }) => count > 0);
  if (filled.length === 0) return null;
  const sum = (of: (each: MeterClass) => number) => filled.reduce((total, each) => total + of(each), 0);
  return {
    classes: filled,
    count: sum(({ count }) => count),
    rateMicrosPerHour: sum(({ rateMicrosPerHour }) => rateMicrosPerHour),
    rateTimesStart: filled.reduce((total, { rateTimesStart }) => total + rateTimesStart, 0n),
    postedMicros: sum(({ postedMicros }) => postedMicros),
    startedBySecond,
  };
}

/** The class of a single meter, with the sums of the meter alone. */
export function classOf(meter: {
  rateMicrosPerHour: number;
  startSecond: number;
  postedMicros: number;
  priced: { given: boolean; listMicrosPerHour: number; discountBasisPoints: number };
}): MeterClass {
  const { rateMicrosPerHour, startSecond, postedMicros, priced } = meter;
  const rateRemainder = rateMicrosPerHour % SECONDS_PER_HOUR;
  return {
    daySecond: startSecond - (startSecond % SECONDS_PER_DAY),
    isDiscountable: !priced.given,
    listMicrosPerHour: priced.given ? 0 : priced.listMicrosPerHour,
    discountBasisPoints: priced.discountBasisPoints,
    rateRemainder,
    startRemainder: (rateRemainder * (startSecond % SECONDS_PER_HOUR)) % SECONDS_PER_HOUR,
    count: 1,
    rateMicrosPerHour,
    rateTimesStart: BigInt(rateMicrosPerHour) * BigInt(startSecond),
    postedMicros,
  };
}

const keyOf = (each: MeterClass): string => {
  const { daySecond, isDiscountable, listMicrosPerHour, discountBasisPoints, rateRemainder, startRemainder } = each;
  return [daySecond, isDiscountable, listMicrosPerHour, discountBasisPoints, rateRemainder, startRemainder].join('/');
};

/** Merges classes with equal fields other than the sums. */
export function mergedClasses(classes: readonly MeterClass[]): MeterClass[] {
  const merged = new Map<string, MeterClass>();
  for (const each of classes) {
    const into = merged.get(keyOf(each));
    if (!into) {
      merged.set(keyOf(each), { ...each });
      continue;
    }
    into.count += each.count;
    into.rateMicrosPerHour += each.rateMicrosPerHour;
    into.rateTimesStart += each.rateTimesStart;
    into.postedMicros += each.postedMicros;
  }
  return [...merged.values()];
}

/** The classes without the given meters, for a reader who has those meters singly. */
export function withoutMeters(
  classes: readonly MeterClass[],
  meters: ReadonlyArray<Parameters<typeof classOf>[0]>,
): MeterClass[] {
  if (meters.length === 0) return [...classes];
  const left = new Map(classes.map((each) => [keyOf(each), { ...each }]));
  for (const meter of meters) {
    const one = classOf(meter);
    const from = left.get(keyOf(one));
    if (!from || from.count < 1) throw new Error('a running meter is missing from the sums of its team');
    from.count -= 1;
    from.rateMicrosPerHour -= one.rateMicrosPerHour;
    from.rateTimesStart -= one.rateTimesStart;
    from.postedMicros -= one.postedMicros;
  }
  return [...left.values()];
}

/** Σ of the remainders of rate × seconds / 3600 over the meters of a class. */
function remaindersAt({ rateRemainder, startRemainder, count }: MeterClass, second: number): number {
  const remainder = (rateRemainder * second - startRemainder) % SECONDS_PER_HOUR;
  return count * (remainder < 0 ? remainder + SECONDS_PER_HOUR : remainder);
}

const costFrom = (
  { rateMicrosPerHour, rateTimesStart }: Pick<MeterClass, 'rateMicrosPerHour' | 'rateTimesStart'>,
  second: number,
  remainders: number,
): bigint =>
  (BigInt(rateMicrosPerHour) * BigInt(second) - rateTimesStart - BigInt(remainders)) / BigInt(SECONDS_PER_HOUR);

/**
 * The amount that the meters owe at a second beyond their postings. @throws MetersNeeded for a second before the last
 * start
 */
export function summedDueMicros(sums: MeterSums, second: number): number {
  if (second < sums.startedBySecond) throw new MetersNeeded('a second before the last start');
  const remainders = sums.classes.reduce((sum, each) => sum + remaindersAt(each, second), 0);
  const due = Number(costFrom(sums, second, remainders)) - sums.postedMicros;
  if (!Number.isSafeInteger(due)) throw new MetersNeeded('amounts of this size');
  return due;
}

/** The cost of a class at a second that is not before any start. */
export const classCostMicros = (each: MeterClass, second: number): bigint =>
  costFrom(each, second, remaindersAt(each, second));

/**
 * The cost of a class between two seconds.
 * @param fromSecond the first second of a day, so either all or none of the meters started before
 * @throws MetersNeeded where an end lies before the last start
 */
export function classCostBetweenMicros(
  { startedBySecond }: MeterSums,
  each: MeterClass,
  fromSecond: number,
  toSecond: number,
): bigint {
  if (toSecond < startedBySecond || toSecond < fromSecond) throw new MetersNeeded('a second before the last start');
  const before = each.daySecond < fromSecond ? classCostMicros(each, fromSecond) : 0n;
  return classCostMicros(each, toSecond) - before;
}

/**
 * Checks that every meter was read, for a computation other than the balance line. @throws MetersNeeded while some
 * meters are known as sums only
 */
export function mustHaveAllMeters({ summed }: { summed: MeterSums | null }, why: string): void {
  if (summed) throw new MetersNeeded(why);
}
