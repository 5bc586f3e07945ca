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

/**
 * Running meters of several classes, for readers whose work must not grow with the number of classes. The day is 0 for
 * all days before a certain day.
 */
export interface MeterGroup extends Omit<MeterClass, 'rateRemainder' | 'startRemainder'> {
  /** Σ of the remainders at a full hour, such as 00:00 UTC: the same at each. */
  hourRemainders: number;
}

/** The number of meters that leave the same remainder at every second. */
export type RemainderCount = Pick<MeterClass, 'rateRemainder' | 'startRemainder' | 'count'>;

/** Σ of the remainders of all meters, where groups do not give them: at one second, or the counts for every second. */
export type KnownRemainders = { second: number; remainders: number } | readonly RemainderCount[];

/** Running meters that were not read singly. */
export interface MeterSums {
  classes: ReadonlyArray<MeterClass | MeterGroup>;
  count: number;
  rateMicrosPerHour: number;
  rateTimesStart: bigint;
  postedMicros: number;
  /** The latest start of a meter in the sums. The sums are valid from this second on. */
  startedBySecond: number;
  /** Absent if the remainders can be computed from the classes. */
  knownRemainders?: KnownRemainders;
}

/** Thrown where the sums do not decide. The caller reads the meters singly and runs the same fact again. */
export class MetersNeeded extends Error {
  constructor(why: string) {
    super(`the sums of the meters do not decide ${why}`);
  }
}

/** Thrown where the remainders decide, and groups do not give them. */
export class RemaindersNeeded extends MetersNeeded {
  constructor(second: number) {
    super(`the remainders at second ${second}`);
  }
}

/** The sums over classes, or null for no classes. @param startedBySecond no meter started later */
export function meterSums(
  classes: ReadonlyArray<MeterClass | MeterGroup>,
  startedBySecond: number,
  knownRemainders?: KnownRemainders,
): MeterSums | null {
  const filled = classes.filter(({ count }) => count > 0);
  if (filled.length === 0) return null;
  const sum = (of: (each: MeterClass | MeterGroup) => number) => filled.reduce((total, each) => total + of(each), 0);
  return {
    classes: filled,
    count: sum(({ count }) => count),
    rateMicrosPerHour: sum(({ rateMicrosPerHour }) => rateMicrosPerHour),
    rateTimesStart: filled.reduce((total, { rateTimesStart }) => total + rateTimesStart, 0n),
    postedMicros: sum(({ postedMicros }) => postedMicros),
    startedBySecond,
    ...(knownRemainders !== undefined && { knownRemainders }),
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

const keyOf = (each: MeterClass | MeterGroup): string => {
  const { daySecond, isDiscountable, listMicrosPerHour, discountBasisPoints } = each;
  const remainders = isGroup(each) ? [] : [each.rateRemainder, each.startRemainder];
  return [daySecond, isDiscountable, listMicrosPerHour, discountBasisPoints, ...remainders].join('/');
};

const isGroup = (each: MeterClass | MeterGroup): each is MeterGroup => 'hourRemainders' in each;

/** Merges classes with equal fields other than the sums. */
export function mergedClasses<C extends MeterClass | MeterGroup>(classes: readonly C[]): C[] {
  const merged = new Map<string, C>();
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
    if (isGroup(into) && isGroup(each)) into.hourRemainders += each.hourRemainders;
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

/**
 * Σ of the remainders of rate × seconds / 3600 over meters that leave the same remainder. Twin: `REMAINDERS` of
 * prisma/meter-totals.ts.
 */
export function remaindersOf({ rateRemainder, startRemainder, count }: RemainderCount, second: number): number {
  const remainder = (rateRemainder * second - startRemainder) % SECONDS_PER_HOUR;
  return count * (remainder < 0 ? remainder + SECONDS_PER_HOUR : remainder);
}

/** Σ of the remainders over a class. @throws RemaindersNeeded for a group, except at full hours */
function remaindersAt(each: MeterClass | MeterGroup, second: number): number {
  if (!isGroup(each)) return remaindersOf(each, second);
  if (!isFullHour(second)) throw new RemaindersNeeded(second);
  return each.hourRemainders;
}

const isFullHour = (second: number): boolean => second % SECONDS_PER_HOUR === 0;

/** True if the remainders of all meters together are known at a second. */
function areKnownAt({ classes, knownRemainders }: MeterSums, second: number): boolean {
  const isGiven =
    knownRemainders !== undefined && (!('second' in knownRemainders) || knownRemainders.second === second);
  return isGiven || isFullHour(second) || !classes.some(isGroup);
}

/** Σ of the remainders over all meters. @throws RemaindersNeeded */
function allRemaindersAt(sums: MeterSums, second: number): number {
  if (!areKnownAt(sums, second)) throw new RemaindersNeeded(second);
  const { classes, knownRemainders } = sums;
  if (knownRemainders === undefined) return classes.reduce((sum, each) => sum + remaindersAt(each, second), 0);
  if (!('second' in knownRemainders)) return knownRemainders.reduce((sum, each) => sum + remaindersOf(each, second), 0);
  return knownRemainders.second === second
    ? knownRemainders.remainders
    : classes.reduce((sum, each) => sum + remaindersAt(each, second), 0);
}

const costFrom = (
  { rateMicrosPerHour, rateTimesStart }: Pick<MeterClass, 'rateMicrosPerHour' | 'rateTimesStart'>,
  second: number,
  remainders: number,
): bigint =>
  (BigInt(rateMicrosPerHour) * BigInt(second) - rateTimesStart - BigInt(remainders)) / BigInt(SECONDS_PER_HOUR);

function dueMicros(sums: MeterSums, second: number, remainders: number): number {
  const due = Number(costFrom(sums, second, remainders)) - sums.postedMicros;
  if (!Number.isSafeInteger(due)) throw new MetersNeeded('amounts of this size');
  return due;
}

/**
 * The amount that the meters owe at a second beyond their postings. @throws MetersNeeded for a second before the last
 * start, RemaindersNeeded
 */
export function summedDueMicros(sums: MeterSums, second: number): number {
  if (second < sums.startedBySecond) throw new MetersNeeded('a second before the last start');
  return dueMicros(sums, second, allRemaindersAt(sums, second));
}

/**
 * The least and the most that the meters can owe at a second at which the remainders are not known. Null at other
 * seconds.
 */
export function summedDueBounds(sums: MeterSums, second: number): { least: number; most: number } | null {
  if (second < sums.startedBySecond || areKnownAt(sums, second)) return null;
  return {
    // One micro less, because the division of a negative number rounds up.
    least: dueMicros(sums, second, sums.count * (SECONDS_PER_HOUR - 1)) - 1,
    most: dueMicros(sums, second, 0),
  };
}

/** The cost of a class at a second that is not before any start. @throws RemaindersNeeded */
export const classCostMicros = (each: MeterClass | MeterGroup, second: number): bigint =>
  costFrom(each, second, remaindersAt(each, second));

/**
 * The cost of a class between two seconds.
 * @param fromSecond the first second of a day, so either all or none of the meters started before
 * @throws MetersNeeded where an end lies before the last start
 */
export function classCostBetweenMicros(
  { startedBySecond }: MeterSums,
  each: MeterClass | MeterGroup,
  fromSecond: number,
  toSecond: number,
): bigint {
  if (toSecond < startedBySecond || toSecond < fromSecond) throw new MetersNeeded('a second before the last start');
  const before = each.daySecond < fromSecond ? classCostMicros(each, fromSecond) : 0n;
  return classCostMicros(each, toSecond) - before;
}

/** The cost of all meters of the sums between two seconds. @param fromSecond see `classCostBetweenMicros` */
export function summedCostBetweenMicros(sums: MeterSums, fromSecond: number, toSecond: number): bigint {
  const { classes, startedBySecond } = sums;
  if (toSecond < startedBySecond || toSecond < fromSecond) throw new MetersNeeded('a second before the last start');
  const cost = costFrom(sums, toSecond, allRemaindersAt(sums, toSecond));
  const earlier = classes.filter(({ daySecond }) => daySecond < fromSecond);
  return earlier.reduce((sum, each) => sum - classCostMicros(each, fromSecond), cost);
}

/**
 * Checks that every meter was read, for a computation other than the balance line. @throws MetersNeeded while some
 * meters are known as sums only
 */
export function mustHaveAllMeters({ summed }: { summed: MeterSums | null }, why: string): void {
  if (summed) throw new MetersNeeded(why);
}
