/**
 * Sums of usage by groups: the cost of stretches of running, cut to the parts of a range, and the amounts that token
 * events posted. Source: docs/rules.md#sums.
 */
import { type RangePart, TIME_UNITS, type TimeUnit } from './buckets.ts';
import { BillingError } from './errors.ts';
import { type Micros, micros } from './money.ts';
import { costBetweenMicros, costMicros } from './usage.ts';

/** The dimensions of usage other than time. */
export const DIMENSIONS = ['gpuType', 'region', 'pricing', 'project', 'model', 'instance', 'reservation'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export const GROUPED_BY = [...TIME_UNITS, ...DIMENSIONS] as const;
export type GroupedBy = (typeof GROUPED_BY)[number];

/** The most groups of one answer. */
export const MOST_GROUPS = 10_000;

/** The values of usage in its dimensions. Absent: no value. */
export type DimensionValues = Partial<Record<Dimension, string | null>>;

/** A time at one rate: a segment of an instance, or a term of a reservation. */
export interface Stretch {
  of: 'instance' | 'reservation';
  rateMicrosPerHour: Micros;
  startSecond: number;
  /** The end, or the second through which a running meter is counted. */
  endSecond: number;
  values: DimensionValues;
}

/** Token events of one part of a range and of equal values, summed. */
export interface TokenSum {
  /** The index of the part. */
  part: number;
  chargeMicros: bigint;
  inputTokens: bigint;
  outputTokens: bigint;
  values: DimensionValues;
}

export interface UsageGroup {
  /** The values in the order of the grouping. Null: the usage has no value in the dimension. */
  values: ReadonlyArray<string | null>;
  fromSecond: number;
  toSecond: number;
  costMicros: bigint;
  /** The seconds that instances ran; null where none ran. */
  instanceSeconds: number | null;
  /** The seconds of the terms of reservations; null where there is none. */
  reservedSeconds: number | null;
  /** Null where the group has no tokens. */
  tokens: { input: bigint; output: bigint } | null;
}

export const isTimeUnit = (by: GroupedBy): by is TimeUnit => (TIME_UNITS as readonly string[]).includes(by);

/** The common seconds of a stretch and a range; null where there are none. */
export function clipped(
  { startSecond, endSecond }: Pick<Stretch, 'startSecond' | 'endSecond'>,
  fromSecond: number,
  toSecond: number,
): { fromSecond: number; toSecond: number } | null {
  const [from, to] = [Math.max(startSecond, fromSecond), Math.min(endSecond, toSecond)];
  return from < to ? { fromSecond: from, toSecond: to } : null;
}

/** The cost of a stretch in `[fromSecond, toSecond)`: cost(min(end, to)) − cost(max(start, from)). */
export function clippedCostMicros(
  stretch: Pick<Stretch, 'rateMicrosPerHour' | 'startSecond' | 'endSecond'>,
  fromSecond: number,
  toSecond: number,
): Micros {
  const common = clipped(stretch, fromSecond, toSecond);
  return common ? costBetweenMicros(stretch, common.fromSecond, common.toSecond) : micros(0);
}

/** The index of the part of a second, in parts that are in order and without gaps. */
function partAt(parts: readonly RangePart[], second: number): number {
  let [low, high] = [0, parts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((parts[middle]?.fromSecond ?? 0) <= second) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The groups of a range under way. */
export class UsageGroups {
  private readonly by: readonly GroupedBy[];
  private readonly dimensions: readonly Dimension[];
  private readonly parts: readonly RangePart[];
  private readonly most: number;
  /** The groups by the values of the dimensions, each by part. */
  private readonly rows = new Map<string, Map<number, UsageGroup>>();
  private count = 0;

  /**
   * @param by one or two different groupings
   * @param parts the parts of the range by the time units among the groupings, in their order
   */
  constructor(by: readonly GroupedBy[], parts: readonly RangePart[], most: number = MOST_GROUPS) {
    this.by = by;
    this.dimensions = by.filter((each): each is Dimension => !isTimeUnit(each));
    this.parts = parts;
    this.most = most;
  }

  /**
   * Adds the cost and the seconds of a stretch, and returns the number of parts that the stretch touches.
   * @throws BillingError `too_many_groups`
   */
  addStretch(stretch: Stretch): number {
    const { parts } = this;
    const [first, last] = [parts[0], parts.at(-1)];
    const within = first && last && clipped(stretch, first.fromSecond, last.toSecond);
    if (!within) return 0;
    const row = this.rowOf(stretch.values);
    const { rateMicrosPerHour, startSecond } = stretch;
    let index = partAt(parts, within.fromSecond);
    const firstIndex = index;
    let from = within.fromSecond;
    let costSoFar = costMicros(rateMicrosPerHour, from - startSecond);
    for (; from < within.toSecond; index += 1) {
      const to = Math.min(parts[index]?.toSecond ?? within.toSecond, within.toSecond);
      const cost = costMicros(rateMicrosPerHour, to - startSecond);
      const group = this.groupOf(row, stretch.values, index);
      group.costMicros += BigInt(cost - costSoFar);
      if (stretch.of === 'instance') group.instanceSeconds = (group.instanceSeconds ?? 0) + to - from;
      else group.reservedSeconds = (group.reservedSeconds ?? 0) + to - from;
      [from, costSoFar] = [to, cost];
    }
    return index - firstIndex;
  }

  /** Adds token events. @throws BillingError `too_many_groups` */
  addTokens({ part, chargeMicros, inputTokens, outputTokens, values }: TokenSum): void {
    const group = this.groupOf(this.rowOf(values), values, part);
    group.costMicros += chargeMicros;
    const { input, output } = group.tokens ?? { input: 0n, output: 0n };
    group.tokens = { input: input + inputTokens, output: output + outputTokens };
  }

  /** The groups, ordered by their values as the grouping names them; no value is last. */
  groups(): UsageGroup[] {
    return [...this.rows.values()].flatMap((row) => [...row.values()]).sort((a, b) => this.compare(a, b));
  }

  private compare(a: UsageGroup, b: UsageGroup): number {
    for (const [index, by] of this.by.entries()) {
      const [value, other] = [a.values[index] ?? null, b.values[index] ?? null];
      if (value === other) continue;
      if (isTimeUnit(by)) return a.fromSecond - b.fromSecond;
      if (value === null || other === null) return value === null ? 1 : -1;
      return value < other ? -1 : 1;
    }
    return 0;
  }

  private rowOf(values: DimensionValues): Map<number, UsageGroup> {
    const key = JSON.stringify(this.dimensions.map((dimension) => values[dimension] ?? null));
    const known = this.rows.get(key);
    if (known) return known;
    const row = new Map<number, UsageGroup>();
    this.rows.set(key, row);
    return row;
  }

  private groupOf(row: Map<number, UsageGroup>, values: DimensionValues, index: number): UsageGroup {
    const known = row.get(index);
    if (known) return known;
    this.count += 1;
    if (this.count > this.most)
      throw new BillingError(
        'too_many_groups',
        `the usage has more than ${this.most.toLocaleString('en-US')} groups: choose a shorter range or a coarser grouping`,
        'by',
      );
    const { fromSecond, toSecond, names } = this.parts[index] as RangePart;
    const group: UsageGroup = {
      values: this.valuesOf(values, names),
      ...{ fromSecond, toSecond },
      costMicros: 0n,
      ...{ instanceSeconds: null, reservedSeconds: null, tokens: null },
    };
    row.set(index, group);
    return group;
  }

  private valuesOf(values: DimensionValues, names: readonly string[]): Array<string | null> {
    let unit = 0;
    return this.by.map((each) => {
      if (!isTimeUnit(each)) return values[each] ?? null;
      unit += 1;
      return names[unit - 1] ?? null;
    });
  }
}
