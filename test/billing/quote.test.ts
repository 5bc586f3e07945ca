/** Tests quotes: price, runway, covers, next charge and warnings. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, emptyAccount } from '../../billing/account.ts';
import { advance, assignDiscount, grantCredit, setPolicy } from '../../billing/facts.ts';
import { placeHold } from '../../billing/holds.ts';
import { startInstance } from '../../billing/instances.ts';
import type { Micros } from '../../billing/money.ts';
import { PRICINGS } from '../../billing/prices.ts';
import { type QuoteOrder, quoteStarts } from '../../billing/quote.ts';
import type { ReservationMeter } from '../../billing/reservation-meter.ts';
import { asMicros, dollars, policyOf, SETTINGS } from './book.ts';

const T: typeof SETTINGS = { ...SETTINGS, volumeTiers: [{ spendMicros: dollars('50'), basisPoints: 500 }] };
const rich = (amount: string): Account =>
  grantCredit({ ...emptyAccount('t', 0), spentByDay: new Map() }, T, { grantId: 'g', amountMicros: dollars(amount) }, 0)
    .account;
const listed = (hourly: string, change: Partial<QuoteOrder> = {}): QuoteOrder => ({
  pricing: 'on_demand',
  gpuType: 'gpu',
  region: 'eu',
  listMicrosPerHour: dollars(hourly),
  given: false,
  count: 1,
  ...change,
});
const reservation = (count: number): ReservationMeter => ({
  reservationId: 'r',
  termNumber: 1,
  reservedSecond: 0,
  gpuType: 'gpu',
  region: 'eu',
  count,
  term: '1m',
  rateMicrosPerHour: asMicros(count * 1_000_000),
  startSecond: 0,
  endSecond: 2_678_400,
  renew: false,
  postedMicros: asMicros(0),
});

describe('a quote', () => {
  it('shows the cost of the instances, and how long credit lasts with them', () => {
    expect(quoteStarts(rich('100'), T, listed('36', { count: 2 }), 10)).toEqual({
      hourlyMicros: dollars('36'),
      totalMicrosPerHour: dollars('72'),
      coveredCount: 0,
      discountBasisPoints: 0,
      burnMicrosPerHour: dollars('72'),
      runsOutSecond: 10 + 5_000,
      nextTopUpSecond: null,
      warnings: [],
    });
  });

  it('includes the running instances, and the team’s discount', () => {
    const discounted = assignDiscount(rich('100'), T, { basisPoints: 2_500, untilSecond: null }, 0).account;
    const running = startInstance(discounted, T, { ...listed('36'), instanceId: 'i', shedOrder: null }, 0).account;
    expect(quoteStarts(running, T, listed('36'), 0)).toMatchObject({
      hourlyMicros: dollars('27'),
      discountBasisPoints: 2_500,
      burnMicrosPerHour: dollars('54'),
    });
    expect(quoteStarts(running, T, listed('36', { given: true }), 0)).toMatchObject({
      hourlyMicros: dollars('36'),
      discountBasisPoints: 0,
    });
  });

  it('shows how many instances reservations would cover', () => {
    const account = { ...rich('1000'), reservations: [reservation(2)] };
    expect(quoteStarts(account, T, listed('36', { count: 2 }), 0)).toMatchObject({
      hourlyMicros: 0,
      totalMicrosPerHour: 0,
      coveredCount: 2,
      burnMicrosPerHour: dollars('2'),
    });
    expect(quoteStarts(account, T, listed('36', { count: 3 }), 0)).toMatchObject({
      hourlyMicros: dollars('36'),
      totalMicrosPerHour: dollars('36'),
      coveredCount: 2,
    });
  });

  it('is refused for reserved instances without a cover', () => {
    const account = { ...rich('1000'), reservations: [reservation(2)] };
    const reserved = (count: number) => quoteStarts(account, T, listed('36', { pricing: 'reserved', count }), 0);
    expect(reserved(2).coveredCount).toBe(2);
    expect(() => reserved(3)).toThrow(expect.objectContaining({ code: 'no_reservation', param: 'pricing' }));
  });

  it('shows the second of the next charge, and the amounts that the policy is too small for', () => {
    const account = setPolicy(rich('100'), T, policyOf('30', '20'), 0).account;
    const quoted = quoteStarts(account, T, listed('360'), 0);
    expect(quoted.nextTopUpSecond).toBe(701);
    expect(quoted.warnings.map(({ code }) => code)).toEqual(['threshold_too_low', 'amount_too_small']);
  });

  it('warns when the start would be refused, with the missing amount', () => {
    expect(quoteStarts(rich('2.991'), T, listed('36'), 0)).toMatchObject({
      runsOutSecond: 299,
      warnings: [
        {
          code: 'insufficient_credit',
          message: '$3.00 of credit is needed, and $2.99 is available: add $0.01 or more.',
        },
      ],
    });
    const open = advance(
      startInstance(
        setPolicy(rich('20'), T, policyOf('5', '15'), 0).account,
        T,
        { ...listed('3600'), instanceId: 'i', shedOrder: null },
        0,
      ).account,
      T,
      30,
    ).account;
    expect(quoteStarts(open, T, listed('36'), 30)).toMatchObject({
      runsOutSecond: open.standsAtSecond,
      warnings: [{ code: 'insufficient_credit' }, { code: 'threshold_too_low' }, { code: 'amount_too_small' }],
    });
  });

  it('of a burst without a paid second says so', () => {
    expect(quoteStarts(rich('5'), T, listed('36', { count: 1_000 }), 7)).toMatchObject({ runsOutSecond: 7 });
  });

  it('changes nothing', () => {
    const account = { ...rich('100'), reservations: [reservation(1)] };
    const before = structuredClone(account);
    quoteStarts(account, T, listed('36', { count: 3 }), 5);
    expect(account).toEqual(before);
  });

  it('of a thousand instances beside a thousand is answered too', () => {
    let account: Account = { ...rich('100000'), reservations: [reservation(500)] };
    for (let i = 0; i < 1_000; i += 1)
      account.meters.push({
        instanceId: `i${i}`,
        segment: 1,
        priced: { ...listed('2'), discountBasisPoints: 0, discountKind: null, coveredBy: null },
        rateMicrosPerHour: dollars('2'),
        startSecond: 0,
        instanceStartSecond: 0,
        postedMicros: asMicros(0),
        shedOrder: null,
        reclaimSecond: null,
      });
    account = advance(account, T, 0).account;
    const quoted = quoteStarts(account, T, listed('0.5', { count: 1_000 }), 0);
    expect(quoted).toMatchObject({ coveredCount: 0 });
    expect(quoted.runsOutSecond).not.toBeNull();
  });
});

describe('any quote', () => {
  const micros = (least: number, most: number) => fc.integer({ min: least, max: most }).map(asMicros);
  const asked = fc.record({
    pricing: fc.constantFrom(...PRICINGS),
    rate: micros(1_000_000, 4_000_000_000),
    given: fc.boolean(),
    count: fc.integer({ min: 1, max: 5 }),
  });
  const team = fc.record({
    credit: micros(3_000_000, 400_000_000),
    running: fc.array(asked, { maxLength: 3 }),
    reserved: fc.integer({ min: 0, max: 3 }),
    discount: fc.option(
      fc.record({
        basisPoints: fc.integer({ min: 1, max: 10_000 }),
        until: fc.option(fc.integer({ min: 1, max: 90_000 })),
      }),
    ),
    hold: fc.option(fc.record({ amount: micros(1, 3_000_000), ttl: fc.integer({ min: 1, max: 90_000 }) })),
  });

  it('proves right when the instances are started in sequence without further facts', () => {
    fc.assert(
      fc.property(team, asked, ({ credit, running, reserved, discount, hold }, quoted) => {
        let account: Account = {
          ...grantCredit(
            { ...emptyAccount('t', 0), spentByDay: new Map() },
            T,
            { grantId: 'g', amountMicros: credit },
            0,
          ).account,
          reservations: reserved > 0 ? [reservation(reserved)] : [],
        };
        let names = 0;
        // Of a burst that ends in its own second, those who start later find another team.
        let lastsNoSecond = false;
        const startOne = ({
          rate,
          count: _,
          ...order
        }: { rate: Micros; count: number } & Pick<QuoteOrder, 'pricing' | 'given'>) => {
          names += 1;
          // Instances of one second and one price are covered in the order of their ids, which no quote can know.
          const instanceId = `i${String(names).padStart(3, '0')}`;
          const price = { gpuType: 'gpu', region: 'eu', listMicrosPerHour: rate, shedOrder: null };
          const outcome = startInstance(account, T, { ...order, ...price, instanceId }, 0);
          lastsNoSecond ||= outcome.effects.some(({ kind }) => kind === 'exhausted');
          account = outcome.account;
          return instanceId;
        };
        if (discount)
          account = assignDiscount(
            account,
            T,
            { basisPoints: discount.basisPoints, untilSecond: discount.until },
            0,
          ).account;
        if (hold && account.postedMicros > hold.amount + 3_000_000)
          account = placeHold(account, T, { amountMicros: hold.amount, ttlSeconds: hold.ttl }, 0).account;
        for (const each of running)
          for (let i = 0; i < each.count; i += 1)
            try {
              startOne(each);
            } catch (error) {
              if ((error as Error).name !== 'BillingError') throw error;
            }

        const order = { ...quoted, gpuType: 'gpu', region: 'eu', listMicrosPerHour: quoted.rate };
        let quote: ReturnType<typeof quoteStarts> | null = null;
        try {
          quote = quoteStarts(account, T, order, 0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'no_reservation' });
        }
        let refused = false;
        const ids: string[] = [];
        try {
          for (let i = 0; i < quoted.count; i += 1) ids.push(startOne(quoted));
        } catch (error) {
          expect(error).toMatchObject({ code: 'no_reservation' });
          refused = true;
        }
        if (lastsNoSecond) return;
        expect(refused).toBe(quote === null);
        if (!quote) return;
        const { meters, reservations } = account;
        const rates = meters.filter(({ instanceId }) => ids.includes(instanceId));
        expect(rates.reduce((sum, { rateMicrosPerHour }) => sum + rateMicrosPerHour, 0)).toBe(quote.totalMicrosPerHour);
        expect(rates.filter(({ priced }) => priced.coveredBy !== null)).toHaveLength(quote.coveredCount);
        expect([...meters, ...reservations].reduce((sum, each) => sum + each.rateMicrosPerHour, 0)).toBe(
          quote.burnMicrosPerHour,
        );
        const ends = advance(account, T, 3_000_000).effects.flatMap((effect) =>
          effect.kind === 'exhausted' ? [effect.second] : [],
        );
        if (ends.length > 0) expect(ends[0]).toBe(quote.runsOutSecond);
      }),
      { numRuns: 500 },
    );
  });
});
