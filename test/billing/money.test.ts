/** Tests amounts of money: parsing, formatting, limits and division. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  add,
  formatDollars,
  formatForPeople,
  formatInFull,
  fromCents,
  isWholeCents,
  micros,
  mulDivFloor,
  mulDivHalfUp,
  parseDollars,
  subtract,
  toCents,
} from '../../billing/money.ts';

describe('an amount of dollars', () => {
  it.each([
    ['0', 0],
    ['0.000001', 1],
    ['0.1', 100_000],
    ['2.49', 2_490_000],
    ['2.490000', 2_490_000],
    ['15', 15_000_000],
    ['5000.00', 5_000_000_000],
    ['999999999.999999', 999_999_999_999_999],
    ['9007199254.740991', Number.MAX_SAFE_INTEGER],
  ])('is read from %j', (text, expected) => {
    expect(parseDollars(text)).toBe(expected);
  });

  it.each([
    ...['', ' ', '1 ', ' 1', '+1', '-1', '-0', '1e3', '1E3', '1.', '.5', '01', '00', '0x10', '1,000', '1_000'],
    ...['1.0000001', '0.0000000', '$1', 'NaN', 'Infinity', '１', '1\n', '1.5.0', '12345678901', '9007199254.740992'],
    ...['9999999999', '9999999999.999999'],
  ])('cannot be read from the string %j', (text) => {
    expect(() => parseDollars(text)).toThrow(expect.objectContaining({ code: 'invalid_amount' }));
  });

  it('cannot be read from a value other than a string', () => {
    for (const value of [1, 2.49, 1n, null, undefined, true, ['1'], { amount: '1' }, Number.NaN])
      expect(() => parseDollars(value)).toThrow(expect.objectContaining({ code: 'invalid_amount' }));
  });

  it('is written with six places and read back as the same amount', () => {
    expect(formatDollars(micros(0))).toBe('0.000000');
    expect(formatDollars(micros(1))).toBe('0.000001');
    expect(formatDollars(micros(2_490_000))).toBe('2.490000');
    expect(formatDollars(micros(-1))).toBe('-0.000001');
    expect(formatDollars(-12_345_678n)).toBe('-12.345678');
    fc.assert(
      fc.property(fc.maxSafeNat(), (amount) => parseDollars(formatDollars(micros(amount))) === amount),
      { numRuns: 2000 },
    );
  });

  it('is written for people in cents, rounded down', () => {
    expect(formatForPeople(micros(2_499_999))).toBe('$2.49');
    expect(formatForPeople(micros(1_234_567_890_000))).toBe('$1,234,567.89');
    expect(formatForPeople(micros(100_000_000))).toBe('$100.00');
    expect(formatForPeople(micros(10_000))).toBe('$0.01');
    expect(formatForPeople(micros(0))).toBe('$0.00');
    expect(formatForPeople(micros(-250_000))).toBe('-$0.25');
    expect(formatForPeople(9_007_199_254_740_993_000_000n)).toBe('$9,007,199,254,740,993.00');
  });

  it('below a cent is written for people in full', () => {
    expect(formatForPeople(micros(1))).toBe('$0.000001');
    expect(formatForPeople(micros(10))).toBe('$0.00001');
    expect(formatForPeople(micros(9_999))).toBe('$0.009999');
    expect(formatForPeople(micros(-10))).toBe('-$0.00001');
  });

  it('as a rate is written in full, with two decimals or more', () => {
    expect(formatInFull(micros(2_490_000))).toBe('$2.49');
    expect(formatInFull(micros(2_303_250))).toBe('$2.30325');
    expect(formatInFull(micros(3_000_000))).toBe('$3.00');
    expect(formatInFull(micros(3_100_000))).toBe('$3.10');
    expect(formatInFull(micros(1_000_000_000_001))).toBe('$1,000,000.000001');
  });

  const amounts = fc.oneof(
    fc.integer({ min: -20_000, max: 20_000 }),
    fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
  );
  const readBack = (text: string): bigint => {
    const [, sign, digits = ''] = /^(-?)\$([\d,]+\.\d{2,6})$/.exec(text) ?? [];
    const [whole = '', fraction = ''] = digits.replaceAll(',', '').split('.');
    return BigInt(`${sign}${whole}${fraction.padEnd(6, '0')}`);
  };

  it('above zero is never written as zero, and is less than a cent from the written amount', () => {
    fc.assert(
      fc.property(amounts, (amount) => {
        const written = readBack(formatForPeople(micros(amount)));
        if (amount !== 0) expect(written).not.toBe(0n);
        const lost = amount < 0 ? written - BigInt(amount) : BigInt(amount) - written;
        expect(lost >= 0n && lost < 10_000n).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('in full is read back as the same amount', () => {
    fc.assert(
      fc.property(amounts, (amount) => {
        expect(readBack(formatInFull(micros(amount)))).toBe(BigInt(amount));
      }),
      { numRuns: 2000 },
    );
  });

  it('is converted to cents for a card charge, and refused with a fraction of a cent', () => {
    expect(toCents(parseDollars('15.01'))).toBe(1501);
    expect(fromCents(1501)).toBe(15_010_000);
    expect(isWholeCents(parseDollars('15.001'))).toBe(false);
    expect(() => toCents(parseDollars('15.001'))).toThrow(RangeError);
  });
});

describe('micros', () => {
  it.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2n ** 53n, -(2n ** 53n)])('cannot be %s', (value) => {
    expect(() => micros(value)).toThrow(RangeError);
  });

  it('cannot leave the safe integers by a sum or a difference', () => {
    const most = micros(Number.MAX_SAFE_INTEGER);
    expect(add(most, micros(-1))).toBe(Number.MAX_SAFE_INTEGER - 1);
    expect(() => add(most, micros(1))).toThrow(RangeError);
    expect(() => subtract(micros(-Number.MAX_SAFE_INTEGER), micros(1))).toThrow(RangeError);
  });
});

describe('a division of money', () => {
  it.each([
    [1n, 1n, 3600n, 0n, 0n],
    [1n, 1799n, 3600n, 0n, 0n],
    [1n, 1800n, 3600n, 0n, 1n],
    [1n, 3599n, 3600n, 0n, 1n],
    [1n, 3600n, 3600n, 1n, 1n],
    [7n, 1n, 2n, 3n, 4n],
    [5n, 1n, 3n, 1n, 2n],
    [4n, 1n, 3n, 1n, 1n],
    [10n ** 30n, 10n ** 30n + 1n, 10n ** 30n, 10n ** 30n + 1n, 10n ** 30n + 1n],
    [3n * 10n ** 40n + 1n, 1n, 2n, 15n * 10n ** 39n, 15n * 10n ** 39n + 1n],
  ])('%d × %d / %d is %d rounded down and %d rounded half up', (a, b, divisor, down, halfUp) => {
    expect(mulDivFloor(a, b, divisor)).toBe(down);
    expect(mulDivHalfUp(a, b, divisor)).toBe(halfUp);
  });

  it('differs by less than one, or by at most a half, at any size', () => {
    const nat = fc.bigInt({ min: 0n, max: 10n ** 60n });
    fc.assert(
      fc.property(nat, nat, fc.bigInt({ min: 1n, max: 10n ** 30n }), (a, b, divisor) => {
        const down = mulDivFloor(a, b, divisor);
        const halfUp = mulDivHalfUp(a, b, divisor);
        expect(down * divisor <= a * b && a * b < (down + 1n) * divisor).toBe(true);
        // (halfUp − ½) × divisor ≤ a × b < (halfUp + ½) × divisor
        expect((2n * halfUp - 1n) * divisor <= 2n * a * b && 2n * a * b < (2n * halfUp + 1n) * divisor).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
