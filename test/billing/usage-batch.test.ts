/** Tests batches of usage events: charges, ids, limits and holds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, emptyAccount } from '../../billing/account.ts';
import { type Micros, micros, parseDollars } from '../../billing/money.ts';
import { chargesOf, chargeWithRemainder } from '../../billing/tokens.ts';
import { decideUsage, type UsageEvent, type UsageGiven, type UsageResult } from '../../billing/usage-batch.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';

/** At a dollar a million, a token costs a micro. */
const DOLLAR_A_MILLION = { inputMicrosPerMillion: parseDollars('1'), outputMicrosPerMillion: parseDollars('1') };
const NOW = 1_800_000_000;

const event = (eventId: string, inputTokens: number, change: Partial<UsageEvent> = {}): UsageEvent => ({
  teamId: 'team',
  eventId,
  model: 'm',
  project: null,
  inputTokens,
  outputTokens: 0,
  atSecond: null,
  holdId: null,
  price: DOLLAR_A_MILLION,
  ...change,
});

const account = (credit: string, change: Partial<Account> = {}): Account => ({
  ...emptyAccount('team', NOW),
  postedMicros: parseDollars(credit),
  ...change,
});

const given = (of: Account, change: Partial<UsageGiven> = {}): UsageGiven => ({
  account: of,
  settings: SETTINGS,
  knownEvents: new Map(),
  holds: new Map(),
  nowSecond: NOW,
  ...change,
});

const chargeOf = (result: UsageResult): Micros => ('chargeMicros' in result ? result.chargeMicros : micros(0));
const sum = (charges: readonly number[]): number => charges.reduce((total, charge) => total + charge, 0);
const postedBy = (effects: ReturnType<typeof decideUsage>['outcome']['effects']): number =>
  sum(
    effects.map((effect) =>
      effect.kind === 'transfer' && effect.transfer.code !== 'owed_collected' ? effect.transfer.amountMicros : 0,
    ),
  );

describe('the charges of the events of a batch', () => {
  const exact = fc.oneof(fc.bigInt({ min: 0n, max: 3_000_000n }), fc.bigInt({ min: 0n, max: 10n ** 16n }));

  it('add up to the posted amount, in any order', () => {
    fc.assert(
      fc.property(
        fc.array(exact, { maxLength: 40 }).chain((costs) =>
          fc.record({
            costs: fc.constant(costs),
            shuffled: fc.shuffledSubarray(costs, { minLength: costs.length }),
            remainder: fc.integer({ min: 0, max: 999_999 }),
          }),
        ),
        ({ costs, shuffled, remainder }) => {
          const total = costs.reduce((all, cost) => all + cost, 0n);
          const { chargeMicros } = chargeWithRemainder(total, remainder);
          expect(sum(chargesOf(costs, remainder))).toBe(chargeMicros);
          expect(sum(chargesOf(shuffled, remainder))).toBe(chargeMicros);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('have the same sum for any order, batches and repeats of the events', () => {
    const price = fc.record({
      inputMicrosPerMillion: fc.integer({ min: 0, max: 75_000_000 }).map(micros),
      outputMicrosPerMillion: fc.integer({ min: 0, max: 75_000_000 }).map(micros),
    });
    const tokens = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 10 ** 7 }));
    const said = fc.record({ price, inputTokens: tokens, outputTokens: tokens });
    const story = fc.array(said, { minLength: 1, maxLength: 25 }).chain((all) =>
      fc.record({
        order: fc.shuffledSubarray(
          all.map((of, index) => event(`e${index}`, of.inputTokens, of)),
          { minLength: all.length },
        ),
        cuts: fc.array(fc.integer({ min: 1, max: all.length }), { maxLength: 6 }),
        repeats: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(story, ({ order, cuts, repeats }) => {
        const whole = decideUsage(order, given(account('1000')));
        const sizes = [...cuts];
        const known = new Map();
        let now = account('1000');
        let posted = 0;
        const charges = new Map<string, number>();
        for (let from = 0; from < order.length; ) {
          const until = Math.min(order.length, from + (sizes.shift() ?? order.length));
          const batch = repeats ? [...order.slice(0, until), ...order.slice(from, until)] : order.slice(from, until);
          const { results, rows, outcome } = decideUsage(batch, given(now, { knownEvents: known }));
          batch.forEach(({ eventId }, index) => {
            const charge = chargeOf(results[index] as UsageResult);
            // A duplicate tells what was posted the first time.
            expect(charges.get(eventId) ?? charge).toBe(charge);
            charges.set(eventId, charge);
          });
          for (const row of rows) known.set(row.event.eventId, row);
          posted += postedBy(outcome.effects);
          now = outcome.account;
          from = until;
        }
        const exactly = whole.rows.reduce((total, { cost }) => total + cost, 0n);
        expect(posted).toBe(Number(exactly / 1_000_000n));
        expect(sum([...charges.values()])).toBe(posted);
        expect(now).toEqual(whole.outcome.account);
      }),
      { numRuns: 300 },
    );
  });
});

describe('an id', () => {
  const decided = (events: UsageEvent[], change: Partial<UsageGiven> = {}) =>
    decideUsage(events, given(account('50'), change)).results;

  it('that occurs twice in a batch is accepted once, and is a duplicate with the same body', () => {
    const results = decided([event('a', 5), event('a', 5), event('b', 1)]);
    expect(results.map(({ status }) => status)).toEqual(['accepted', 'duplicate', 'accepted']);
    expect(results.map(chargeOf)).toEqual([5, 5, 1]);
  });

  it.each<[string, Partial<UsageEvent>]>([
    ['model', { model: 'n' }],
    ['project', { project: 'p' }],
    ['input', { inputTokens: 6 }],
    ['output', { outputTokens: 1 }],
    ['time', { atSecond: NOW }],
    ['hold', { holdId: 'h' }],
  ])('with another %s is a conflict, in the batch and after it', (_, change) => {
    expect(decided([event('a', 5), event('a', 5, change)])[1]).toEqual({ status: 'conflict' });
    const known = new Map([['a', { event: event('a', 5), chargeMicros: micros(5) }]]);
    expect(decided([event('a', 5, change)], { knownEvents: known })).toEqual([{ status: 'conflict' }]);
    expect(decided([event('a', 5)], { knownEvents: known })).toEqual([{ status: 'duplicate', chargeMicros: 5 }]);
  });

  it('is the same event at another price, and keeps its charge', () => {
    const known = new Map([['a', { event: event('a', 5), chargeMicros: micros(5) }]]);
    const dearer = { inputMicrosPerMillion: parseDollars('9'), outputMicrosPerMillion: parseDollars('9') };
    expect(decided([event('a', 5, { price: dearer })], { knownEvents: known })).toEqual([
      { status: 'duplicate', chargeMicros: 5 },
    ]);
  });
});

describe('a batch', () => {
  it('is one fact, named by the first event that it accepts', () => {
    const known = new Map([['a', { event: event('a', 1), chargeMicros: micros(1) }]]);
    const { outcome, rows } = decideUsage(
      [event('a', 1), event('b', 2), event('c', 3)],
      given(account('50'), { knownEvents: known }),
    );
    expect(rows.map((row) => row.event.eventId)).toEqual(['b', 'c']);
    expect(outcome.effects).toMatchObject([
      { kind: 'transfer', transfer: { reference: 'usage/team/b', amountMicros: 5 } },
    ]);
  });

  it('without new events changes nothing', () => {
    const known = new Map([['a', { event: event('a', 1), chargeMicros: micros(1) }]]);
    const of = account('50');
    expect(decideUsage([event('a', 1)], given(of, { knownEvents: known })).outcome).toEqual({
      account: of,
      effects: [],
    });
  });

  it('beyond the credit is owed, and never refused', () => {
    const { outcome } = decideUsage([event('a', 7_000_000), event('b', 5_000_000)], given(account('10')));
    expect(outcome.account).toMatchObject({ postedMicros: 0, owedMicros: 2_000_000 });
  });

  it('has an event above the largest amount as invalid, and its other events as accepted', () => {
    const most = { inputMicrosPerMillion: micros(1_000_000_000), outputMicrosPerMillion: micros(1_000_000_000) };
    const events = Array.from({ length: 8 }, (_, index) =>
      event(`e${index}`, 10 ** 12, { outputTokens: 10 ** 12, price: most }),
    );
    const { results, outcome } = decideUsage([...events, event('small', 7)], given(account('0')));
    expect(results.map(({ status }) => status)).toEqual([
      ...Array(4).fill('accepted'),
      ...Array(4).fill('invalid'),
      'accepted',
    ]);
    expect(results[5]).toMatchObject({ code: 'amount_out_of_range' });
    expect(outcome.account.owedMicros).toBe(8 * 10 ** 15 + 7);
  });
});

describe('a hold that an event names', () => {
  const held = (change: object = {}) => ({
    ...{ holdId: 'h', teamId: 'team', amountMicros: parseDollars('4'), expiresSecond: NOW + 60, status: 'pending' },
    ...change,
  });
  const holding = () =>
    account('5', {
      heldMicros: parseDollars('4'),
      holdExpiries: [{ second: NOW + 60, micros: parseDollars('4') }],
    });

  it('is released by the first event that names it, and pays for the usage', () => {
    const events = [event('a', 3_000_000, { holdId: 'h' }), event('b', 1_000_000, { holdId: 'h' })];
    const { settled, outcome } = decideUsage(events, given(holding(), { holds: new Map([['h', held()]]) }));
    expect(settled).toEqual([{ holdId: 'h', settledBy: 'a' }]);
    expect(outcome.account).toMatchObject({ heldMicros: 0, postedMicros: 1_000_000, owedMicros: 0, holdExpiries: [] });
  });

  it.each(['settled', 'voided', 'expired'])(
    'and that is already %s stays unchanged, and the usage is charged',
    (status) => {
      const holds = new Map([['h', held({ status })]]);
      const { settled, results, outcome } = decideUsage(
        [event('a', 1, { holdId: 'h' })],
        given(account('5'), { holds }),
      );
      expect(settled).toEqual([]);
      expect(results).toEqual([{ status: 'accepted', chargeMicros: 1 }]);
      expect(outcome.account.postedMicros).toBe(4_999_999);
    },
  );

  it('is released together with a thousand others in a moment, however many more the team has', () => {
    const second = (index: number) => NOW + 60 + index;
    const all = Array.from({ length: 20_000 }, (_, index) => ({ second: second(index), micros: micros(4) }));
    const holds = new Map(
      Array.from({ length: 1_000 }, (_, index) => [
        `h${index}`,
        held({ holdId: `h${index}`, amountMicros: micros(4), expiresSecond: second(index) }),
      ]),
    );
    const events = [...holds.keys()].map((holdId) => event(holdId, 3, { holdId }));
    const holdingAll = account('5', { heldMicros: micros(80_000), holdExpiries: all });
    const startedMs = performance.now();
    const { settled, outcome } = decideUsage(events, given(holdingAll, { holds }));
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(settled).toHaveLength(1_000);
    expect(outcome.account).toMatchObject({ heldMicros: 76_000, postedMicros: 4_997_000 });
    expect(outcome.account.holdExpiries).toEqual(all.slice(1_000));
  });

  it('of another team, or unknown, makes the event invalid, as if the hold did not exist', () => {
    const holds = new Map([['h', held({ teamId: 'other' })]]);
    const events = [event('a', 1, { holdId: 'h' }), event('b', 1, { holdId: 'none' }), event('c', 1)];
    const { results, rows } = decideUsage(events, given(account('5'), { holds }));
    expect(results.slice(0, 2)).toMatchObject([
      { status: 'invalid', code: 'not_found', param: 'hold' },
      { status: 'invalid', code: 'not_found', param: 'hold' },
    ]);
    expect(rows.map((row) => row.event.eventId)).toEqual(['c']);
  });
});
