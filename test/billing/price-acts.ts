/**
 * What prices, discounts, reservations, holds and shedding can bring to a team, at random. Moments are often said by what
 * they coincide with (midnight, the end of credit and the seconds beside it), and become seconds on the way, by the walk.
 */
import fc from 'fast-check';
import { type Act, act, dollars, pick, rate, which } from './acts.ts';
import type { WalkedPricing } from './walk/fleet.ts';
import type { WalkedPrice } from './walk/price-list.ts';
import type { Walk } from './walk.ts';

const DAY = 86_400;
/** 2026-03-15, 00:00 UTC. */
export const MIDNIGHT = 1_773_532_800;
/** Where every history begins, long before it becomes lively. */
export const DAWN = MIDNIGHT - 40 * DAY;

// ── Moments ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** So many seconds on; or beside the next midnight or the end of credit, as it is to be expected. */
type Moment = { after: number } | { midnight: number } | { dry: number };

function secondOf(moment: Moment, walk: Walk, held = 0): number {
  const now = walk.second;
  if ('after' in moment) return now + moment.after;
  if ('midnight' in moment) {
    const midnight = (Math.floor(now / DAY) + 1) * DAY + moment.midnight;
    return midnight - now > 3_600 ? now + 60 : Math.max(now, midnight);
  }
  return Math.max(now, dryAt(walk, held) + moment.dry);
}

/** The last second that can be paid in full once so much is held; while a charge keeps it open, that of its grace. */
function dryAt(walk: Walk, held: number): number {
  if (walk.standsAt !== null) return walk.standsAt + 60;
  for (let second = walk.second; second < walk.second + 600; second += 1)
    if (walk.availableAt(second + 1) < held) return second;
  return walk.second + 30;
}

const moment: fc.Arbitrary<Moment> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ after: fc.integer({ min: 1, max: 90 }) }) },
  { weight: 2, arbitrary: fc.record({ after: fc.integer({ min: 91, max: 400 }) }) },
  { weight: 2, arbitrary: fc.record({ midnight: fc.constantFrom(0, 0, 0, 1, -1) }) },
  { weight: 3, arbitrary: fc.record({ dry: fc.integer({ min: -2, max: 3 }) }) },
);
const soon: fc.Arbitrary<Moment> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ after: 0 }) },
  { weight: 8, arbitrary: fc.record({ after: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ midnight: fc.constantFrom(0, 1, -1) }) },
  { weight: 3, arbitrary: fc.record({ dry: fc.integer({ min: -1, max: 3 }) }) },
);

// ── What is asked for ────────────────────────────────────────────────────────────────────────────────────────────────

export interface Kind {
  gpuType: string;
  region: string;
}
const KINDS: readonly Kind[] = [
  { gpuType: 'A100', region: 'here' },
  { gpuType: 'H100', region: 'here' },
];
const kind = fc.oneof(
  { weight: 4, arbitrary: fc.constant(KINDS[0]!) },
  { weight: 1, arbitrary: fc.constant(KINDS[1]!) },
);

const SETTINGS = ['1m', '3m', '6m', '12m'] as const;
type Term = (typeof SETTINGS)[number];
const MONTHS: Record<Term, number> = { '1m': 1, '3m': 3, '6m': 6, '12m': 12 };
/** How long a month is in a history: as long as its first reservation was drawn to run, 0 before that. */
export interface Month {
  seconds: number;
}

const reservedPercent = fc.integer({ min: 50, max: 70 });
/** What on-demand costs, micros an hour; what spot costs of it, and a reservation of each term, in percent. */
const offer = fc
  .tuple(
    fc.integer({ min: 30_000_001, max: 900_000_000 }),
    fc.integer({ min: 20, max: 100 }),
    fc.tuple(reservedPercent, reservedPercent, reservedPercent, reservedPercent),
  )
  .map(([onDemand, spot, percents]) => ({
    onDemand,
    spot: Math.floor((onDemand * spot) / 100),
    reserved: Object.fromEntries(SETTINGS.map((term, i) => [term, Math.ceil((onDemand * percents[i]!) / 100)])),
  }));
type Offer = typeof offer extends fc.Arbitrary<infer T> ? T : never;

const basisPoints = fc.oneof(fc.constantFrom(500, 1_000, 1_750), fc.integer({ min: 1, max: 9_000 }));
const pricing = fc.constantFrom<WalkedPricing>('on_demand', 'on_demand', 'spot', 'spot', 'reserved');
const shedOrder = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 2, 3) },
);

/** As it is drawn: by whom and when is seen on the way. */
type Doing =
  | { do: 'plain'; act: Act }
  | { do: 'start'; kind: Kind; pricing: WalkedPricing; shedOrder: number | null; given: number | null }
  | { do: 'assign'; basisPoints: number; until: Moment | null }
  | { do: 'clear' }
  | { do: 'price'; kind: Kind; offer: Offer; from: Moment; withdrawn: boolean }
  | { do: 'reserve'; kind: Kind; count: number; until: Moment; renew: boolean }
  | { do: 'renew'; which: number; renew: boolean }
  | { do: 'hold'; percent: number; of: 'available' | 'second'; until: Moment }
  | { do: 'void'; which: number }
  | { do: 'use'; which: number[]; exact: bigint }
  | { do: 'reclaim'; which: number; at: Moment }
  | { do: 'order'; orders: Array<number | null> };
type Drawn = Doing & { when: Moment };

/** As it is done. */
export type PriceAct = { at: number } & (
  | { do: 'plain'; act: Act }
  | {
      do: 'start';
      id: string;
      kind: Kind;
      pricing: WalkedPricing;
      shedOrder: number | null;
      given: number | null;
    }
  | { do: 'assign'; discount: { basisPoints: number; until: number | null } | null }
  | { do: 'price'; price: WalkedPrice }
  | { do: 'reserve'; id: string; kind: Kind; term: Term; count: number; seconds: number; renew: boolean }
  | { do: 'renew'; id: string; renew: boolean }
  | { do: 'hold'; id: string; amount: number; until: number }
  | { do: 'void'; id: string }
  | { do: 'use'; ids: string[]; exact: bigint }
  | { do: 'reclaim'; id: string; reclaimAt: number }
  | { do: 'order'; order: Map<string, number> }
);

const draw = (doing: fc.Arbitrary<Doing>, when = soon): fc.Arbitrary<Drawn> =>
  fc.tuple(when, doing).map(([when, doing]) => ({ ...doing, when }));
const is = <const What extends Doing['do']>(what: What) => fc.constant(what);

const OFTEN = new Set<Act['do']>(['deposit', 'grant', 'stop', 'reprice', 'policy', 'outcome']);
const plain = draw(fc.record({ do: is('plain'), act }));
const often = draw(fc.record({ do: is('plain'), act: act.filter(({ do: what }) => OFTEN.has(what)) }));
const given = fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: rate });
const start = draw(fc.record({ do: is('start'), kind, pricing, shedOrder, given }));
const startOf = (pricing: WalkedPricing) =>
  draw(
    fc.record({
      do: is('start'),
      kind: fc.constant(KINDS[0]!),
      pricing: fc.constant(pricing),
      shedOrder,
      given: fc.constant(null),
    }),
  );
const until = fc.oneof({ weight: 4, arbitrary: moment }, { weight: 1, arbitrary: fc.constant(null) });
const assign = draw(fc.record({ do: is('assign'), basisPoints, until }));
const clear = draw(fc.record({ do: is('clear') }));
const withdrawn = fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
const price = draw(
  fc.record({ do: is('price'), kind, offer, from: fc.oneof(moment, fc.constant({ after: 0 })), withdrawn }),
);
const reserve = draw(
  fc.record({ do: is('reserve'), kind, count: fc.integer({ min: 1, max: 2 }), until: moment, renew: fc.boolean() }),
);
const renew = draw(fc.record({ do: is('renew'), which, renew: fc.boolean() }));
const percent = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 80, max: 101 }), fc.constant(100));
/** Of what is available, or about as much as a second costs. */
const of = fc.constantFrom('available' as const, 'available' as const, 'second' as const);
const hold = draw(fc.record({ do: is('hold'), percent, of, until: moment }));
const justPastDry = fc.constantFrom<Moment>({ dry: 0 }, { dry: 1 }, { dry: 1 }, { dry: 2 });
const smallHold = draw(fc.record({ do: is('hold'), percent, of: fc.constant('second' as const), until: justPastDry }));
const voids = draw(fc.record({ do: is('void'), which }));
const use = draw(
  fc.record({
    do: is('use'),
    which: fc.array(which, { maxLength: 3 }),
    exact: fc.bigInt({ min: 0n, max: 30_000_000_000_000n }),
  }),
);
const order = draw(fc.record({ do: is('order'), orders: fc.array(shedOrder, { minLength: 1, maxLength: 4 }) }));
const reclaim = draw(fc.record({ do: is('reclaim'), which, at: moment }));

const alone = (weight: number, arbitrary: fc.Arbitrary<Drawn>) => ({
  weight,
  arbitrary: arbitrary.map((one): Drawn[] => [one]),
});
const together = (weight: number, ...acts: Array<fc.Arbitrary<Drawn>>) => ({
  weight,
  arbitrary: fc.tuple(...acts).map((list): Drawn[] => list),
});
/** Something with its second while a charge that came too late is in flight, and how the charge ends. */
const pastDry = fc.integer({ min: 0, max: 45 }).map((dry): Moment => ({ dry }));
const crisis = fc
  .record({
    amount: dollars(15, 60),
    dated: fc.oneof(
      draw(fc.record({ do: is('assign'), basisPoints, until: pastDry })),
      draw(fc.record({ do: is('price'), kind, offer, from: pastDry, withdrawn })),
      draw(fc.record({ do: is('hold'), percent, of, until: pastDry })),
      draw(fc.record({ do: is('reserve'), kind, count: fc.constant(1), until: pastDry, renew: fc.boolean() })),
      draw(fc.record({ do: is('reclaim'), which, at: pastDry })),
    ),
    meanwhile: fc.array(fc.oneof(plain, assign, voids, use, reclaim), { maxLength: 2 }),
    opens: pastDry,
    knownAfter: fc.integer({ min: 0, max: 59 }),
    succeeds: fc.boolean(),
  })
  .map(({ amount, dated, meanwhile, opens, knownAfter, succeeds }): Drawn[] => [
    {
      when: { after: 1 },
      do: 'plain',
      act: { after: 0, do: 'policy', enabled: true, threshold: 40_000_000, amount, cap: null },
    },
    dated,
    { when: opens, do: 'plain', act: { after: 0, do: 'look' } },
    ...meanwhile,
    { when: { after: knownAfter }, do: 'plain', act: { after: 0, do: 'outcome', succeeds } },
  ]);

/** What needs another first often has it. */
const scene = fc.oneof(
  alone(18, plain),
  alone(14, often),
  alone(9, start),
  alone(4, assign),
  alone(1, clear),
  alone(4, price),
  alone(2, reserve),
  alone(1, renew),
  alone(4, hold),
  alone(1, voids),
  alone(3, use),
  alone(1, reclaim),
  alone(2, order),
  together(2, hold, voids),
  together(2, hold, hold, use),
  together(
    3,
    smallHold,
    draw(fc.record({ do: is('plain'), act: fc.constant<Act>({ after: 0, do: 'look' }) }), justPastDry),
  ),
  together(3, startOf('spot'), reclaim),
  together(3, startOf('spot'), price),
  together(3, reserve, startOf('reserved')),
  together(1, reserve, plain, renew),
  { weight: 4, arbitrary: crisis },
);

// ── Histories ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface History {
  /** Before the midnight that it lies around. */
  startsBefore: number;
  /** What was used in the weeks before, by whole days before that midnight. */
  spent: Array<{ daysBefore: number; second: number; amount: number }>;
  deposit: number;
  offers: Offer[];
  acts: Drawn[];
}

const spent = fc.record({
  daysBefore: fc.constantFrom(32, 31, 31, 30, 30, 2, 1),
  second: fc.integer({ min: 0, max: 80_000 }),
  amount: dollars(1, 40),
});

const started = (more: Partial<Drawn & { do: 'start' }>): Drawn => ({
  when: { after: 0 },
  do: 'start',
  kind: KINDS[0]!,
  pricing: 'on_demand',
  shedOrder: null,
  given: null,
  ...more,
});

/** As it may go on: often with a policy, so that charges and ends of credit meet, or with an order in which to end. */
const opening: fc.Arbitrary<Drawn[]> = fc.oneof(
  fc.constant(null).map((): Drawn[] => []),
  fc
    .tuple(dollars(5, 40), dollars(15, 60), pricing, shedOrder)
    .map(([threshold, amount, pricing, shedOrder]): Drawn[] => [
      { when: { after: 0 }, do: 'plain', act: { after: 0, do: 'policy', enabled: true, threshold, amount, cap: null } },
      started({}),
      started({ pricing: pricing === 'reserved' ? 'spot' : pricing, shedOrder, when: { after: 3 } }),
    ]),
  fc
    .array(shedOrder, { minLength: 2, maxLength: 4 })
    .map((orders): Drawn[] => orders.map((shedOrder) => started({ shedOrder }))),
  fc
    .tuple(moment, fc.boolean())
    .map(([until, renew]): Drawn[] => [
      { when: { after: 0 }, do: 'reserve', kind: KINDS[0]!, count: 1, until, renew },
      started({ pricing: 'reserved', shedOrder: 1 }),
      started({ pricing: 'spot', shedOrder: 2, when: { after: 2 } }),
    ]),
);

export const history: fc.Arbitrary<History> = fc
  .record({
    startsBefore: fc.integer({ min: 1, max: 400 }),
    spent: fc.array(spent, { maxLength: 4 }),
    deposit: dollars(3, 80),
    offers: fc.tuple(offer, offer),
    first: opening,
    scenes: fc.array(scene, { minLength: 4, maxLength: 25, size: 'max' }),
  })
  .map(({ first, scenes, ...more }) => ({ ...more, acts: [...first, ...scenes.flat()] }));

/** What came before it became lively: the first prices, and usage of the weeks before. */
export function before({ spent, offers }: History): PriceAct[] {
  const prices = KINDS.map(
    (kind, i): PriceAct => ({ at: DAWN, do: 'price', price: { ...kind, from: DAWN, ...offers[i]! } }),
  );
  const used = spent
    .map(({ daysBefore, second, amount }) => ({ at: MIDNIGHT - daysBefore * DAY + second, amount }))
    .sort((a, b) => a.at - b.at)
    .flatMap(({ at, amount }): PriceAct[] => [
      { at, do: 'plain', act: { after: 0, do: 'grant', amount } },
      { at, do: 'plain', act: { after: 0, do: 'use', exact: BigInt(amount) * 1_000_000n } },
    ]);
  return [...prices, ...used];
}

/** An act as it is done now that the walk has come to where the one before it was done. */
export function actOf(drawn: Drawn, walk: Walk, month: Month): PriceAct {
  const at = secondOf(drawn.when, walk);
  walk.to(at);
  const idOf = (list: ReadonlyArray<{ id: string }>, index: number) => pick(list, index)?.id ?? 'none';
  /** Mostly about what is still open; now and then about what has ended. */
  const openOf = (list: ReadonlyArray<{ id: string; ended?: unknown; endedAt?: number }>, index: number) => {
    const open = list.filter(({ ended, endedAt }) => !ended && endedAt === undefined);
    return idOf(index > 0 && open.length > 0 ? open : list, index);
  };
  switch (drawn.do) {
    case 'plain':
      return { at, do: 'plain', act: drawn.act };
    case 'start': {
      const { kind, pricing, shedOrder, given } = drawn;
      return { at, do: 'start', id: `i${walk.instances.length}`, kind, pricing, shedOrder, given };
    }
    case 'assign': {
      const until = drawn.until && Math.max(at + 1, secondOf(drawn.until, walk));
      return { at, do: 'assign', discount: { basisPoints: drawn.basisPoints, until } };
    }
    case 'clear':
      return { at, do: 'assign', discount: null };
    case 'price':
      return {
        at,
        do: 'price',
        price: { ...drawn.kind, ...drawn.offer, from: secondOf(drawn.from, walk), withdrawn: drawn.withdrawn },
      };
    case 'reserve': {
      const { kind, count, renew } = drawn;
      if (month.seconds === 0) month.seconds = Math.max(1, secondOf(drawn.until, walk) - at);
      const term = SETTINGS[walk.reservations.length % SETTINGS.length]!;
      const seconds = month.seconds * MONTHS[term];
      return { at, do: 'reserve', id: `r${walk.reservations.length}`, kind, term, count, seconds, renew };
    }
    case 'renew':
      return { at, do: 'renew', id: openOf(walk.reservations, drawn.which), renew: drawn.renew };
    case 'hold': {
      const all = drawn.of === 'available' ? walk.available : walk.available - walk.availableAt(walk.second + 1);
      const amount = Math.max(1, Math.floor((all * drawn.percent) / 100));
      return {
        at,
        do: 'hold',
        id: `h${walk.holds.length}`,
        amount,
        until: Math.max(at + 1, secondOf(drawn.until, walk, amount)),
      };
    }
    case 'void':
      return { at, do: 'void', id: openOf(walk.holds, drawn.which) };
    case 'use':
      return { at, do: 'use', exact: drawn.exact, ids: drawn.which.map((index) => openOf(walk.holds, index)) };
    case 'order': {
      const order = new Map<string, number>();
      for (const [i, { id }] of walk.running.entries()) {
        const place = drawn.orders[i % drawn.orders.length];
        if (typeof place === 'number') order.set(id, place);
      }
      return { at, do: 'order', order };
    }
    default: {
      const spot = walk.running.filter(({ pricing, reclaimAt }) => pricing === 'spot' && reclaimAt === undefined);
      return { at, do: 'reclaim', id: idOf(spot, drawn.which), reclaimAt: secondOf(drawn.at, walk) };
    }
  }
}
