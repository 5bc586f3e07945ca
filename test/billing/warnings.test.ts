/** Tests the warnings about auto top-up policies that are too small. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { topUpWarnings } from '../../billing/warnings.ts';
import { asMicros, dollars, policyOf, SETTINGS } from './book.ts';

const codes = (threshold: string, amount: string, burn: string) =>
  topUpWarnings(policyOf(threshold, amount), dollars(burn), SETTINGS).map(({ code }) => code);

// A cooldown of 300 s and 10 s for the charge: at $360 an hour a cent in a tenth of a second, $31 and $30.
describe('the warnings of a policy', () => {
  it.each([
    ['none where both are just enough', '31', '30', '360', []],
    ['the threshold, a cent too low', '30.99', '30', '360', ['threshold_too_low']],
    ['the amount, a cent too small', '31', '29.99', '360', ['amount_too_small']],
    ['both, by a micro of the burn', '31', '30', '360.000001', ['threshold_too_low', 'amount_too_small']],
    ['none where nothing runs', '5', '15', '0', []],
  ])('are %s', (_, threshold, amount, burn, expected) => expect(codes(threshold, amount, burn)).toEqual(expected));

  it('are none without a policy, or for a policy that is off', () => {
    expect(topUpWarnings(null, dollars('9000'), SETTINGS)).toEqual([]);
    expect(topUpWarnings(policyOf('5', '15', { enabled: false }), dollars('9000'), SETTINGS)).toEqual([]);
  });

  it('name the sufficient values', () => {
    expect(topUpWarnings(policyOf('30', '20'), dollars('360.000001'), SETTINGS)).toEqual([
      {
        code: 'threshold_too_low',
        message:
          'At $360.00 an hour, $31.01 is used in the 310 s that can pass until the next charge is credited, more than the threshold of $30.00: set it to $31.01 or more.',
      },
      {
        code: 'amount_too_small',
        message:
          'At $360.00 an hour, $30.01 is used in the 300 s from one charge to the next, more than the amount of $20.00: set it to $30.01 or more.',
      },
    ]);
  });

  it('recommend no values outside the limits', () => {
    for (const { message } of topUpWarnings(policyOf('500', '5000'), dollars('100000'), SETTINGS)) {
      expect(message).toContain('keep more credit, or run less');
      expect(message).not.toContain('set it to');
    }
  });

  it('disappear when the recommended values are set', () => {
    const cents = (most: number) => fc.integer({ min: 500, max: most }).map((amount) => asMicros(amount * 10_000));
    const burn = fc.integer({ min: 1, max: 9_000_000_000 }).map(asMicros);
    fc.assert(
      fc.property(cents(50_000), cents(500_000), burn, (thresholdMicros, amountMicros, rate) => {
        const policy = policyOf('5', '15', { thresholdMicros, amountMicros });
        const needs = topUpWarnings(policy, rate, SETTINGS).flatMap(({ code, message }) => {
          const said = /set it to \$([\d,]+\.\d\d) or more/.exec(message)?.[1];
          return said === undefined ? [] : [[code, dollars(said.replaceAll(',', ''))] as const];
        });
        const set = { ...policy };
        for (const [code, needed] of needs)
          set[code === 'amount_too_small' ? 'amountMicros' : 'thresholdMicros'] = needed;
        expect(topUpWarnings(set, rate, SETTINGS).filter(({ message }) => message.includes('set it to'))).toEqual([]);
      }),
    );
  });
});
