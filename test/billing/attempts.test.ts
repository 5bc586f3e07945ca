/** Tests when auto top-up opens a charge: threshold, cooldown, failures and the monthly cap. */
import { describe, expect, it } from 'vitest';
import { topUpOutlook } from '../../billing/crossings.ts';
import { Book, dollars, policyOf, SETTINGS } from './book.ts';

/** $36 an hour is a cent a second. */
const CENT_A_SECOND = '36';
const POLICY = policyOf('10', '20');
const JANUARY = Date.parse('2026-01-01T00:00:00Z') / 1000;
const FEBRUARY = Date.parse('2026-02-01T00:00:00Z') / 1000;

const times = (book: Book) => book.attempts.map(({ at }) => at);

describe('a charge is opened', () => {
  it.each([
    ['at once when the policy is switched on below the threshold', '9.999999', POLICY, [5]],
    ['not at the threshold itself', '10', POLICY, []],
    ['not above it', '10.000001', POLICY, []],
    ['not by a policy that is off', '9', { ...POLICY, enabled: false }, []],
    ['when the cap just fits it', '9', { ...POLICY, monthlyCapMicros: dollars('20') }, [5]],
    ['not when the cap is a micro too small', '9', { ...POLICY, monthlyCapMicros: dollars('19.999999') }, []],
    ['also without a card, which then fails safely', '9', { ...POLICY, paymentMethodId: null }, [5]],
  ])('%s', (_, balance, policy, expected) => {
    const book = new Book().deposit(balance, 0).policy(policy, 5);
    expect(times(book)).toEqual(expected);
  });

  it('at the first second below the threshold, however late the account is read', () => {
    // $10.05 at a cent a second: $10.00 after 5 s is not below, $9.99 after 6 s is.
    for (const lateness of [0, 1, 59]) {
      const book = new Book().deposit('10.05', 0).policy(POLICY, 0).start('i', CENT_A_SECOND, 0);
      expect(times(book.look(5))).toEqual([]);
      expect(times(book.look(6 + lateness))).toEqual([6]);
    }
  });

  it('by usage that brings the balance below the threshold, at its second, and not by usage that leaves it at the threshold', () => {
    const book = new Book().deposit('30', 0).policy(POLICY, 0);
    expect(times(book.use('20', 7))).toEqual([]);
    expect(times(book.use('0.000001', 8))).toEqual([8]);
  });

  it('by a higher price of a running instance', () => {
    const book = new Book().deposit('20', 0).policy(POLICY, 0).start('i', CENT_A_SECOND, 0);
    book.reprice('i', '3600', 100); // $19 left, now a dollar a second
    expect(times(book.look(109))).toEqual([]);
    expect(times(book.look(110))).toEqual([110]);
  });

  it('not during another charge, and with a new number each time', () => {
    const book = new Book().deposit('9', 0).policy(POLICY, 0).use('5', 400).look(2000);
    expect(times(book)).toEqual([0]);
    expect(topUpOutlook(book.account, SETTINGS)).toEqual({ state: 'charging' });
    book.succeed(2000).use('20', 2001);
    expect(times(book)).toEqual([0, 2001]);
    expect(book.account.attempt).toMatchObject({ number: 2, depositId: 'dep_t_top_up_2' });
  });

  it('not for a threshold that was lowered in time, and at once for a raised threshold', () => {
    const book = new Book().deposit('12', 0).policy(POLICY, 0).start('i', CENT_A_SECOND, 0);
    book.policy(policyOf('5', '20'), 150);
    expect(times(book.look(500))).toEqual([]);
    expect(times(book.policy(policyOf('50', '20'), 501))).toEqual([501]);
  });
});

describe('the cooldown', () => {
  it('lasts from one charge to the next, and at its end the balance is checked again without a wake', () => {
    const book = new Book().deposit('9', 0).policy(POLICY, 0).succeed(1).use('25', 2);
    expect(topUpOutlook(book.account, SETTINGS)).toEqual({
      state: 'cooling_down',
      dueSecond: 300,
      cooldownUntilSecond: 300,
    });
    expect(times(book.look(299))).toEqual([0]);
    expect(times(book.look(300))).toEqual([0, 300]);
  });

  it('begins with the attempt, and not with its outcome', () => {
    const book = new Book().deposit('9', 0).policy(POLICY, 0).succeed(250).use('25', 251);
    expect(times(book.look(1000))).toEqual([0, 300]);
  });

  it('begins with a failed attempt too, whether or not the policy was off in between', () => {
    const book = new Book().deposit('9', 0).policy(POLICY, 0).fail(10);
    expect(book.account.policy?.enabled).toBe(false);
    expect(times(book.look(250).policy(POLICY, 250))).toEqual([0]);
    expect(times(book.look(300))).toEqual([0, 300]);
  });

  it('opens no charge at its end when the balance has risen', () => {
    const book = new Book().deposit('9', 0).policy(POLICY, 0).succeed(1).use('25', 2).deposit('20', 299).look(5000);
    expect(times(book)).toEqual([0]);
  });

  it('does not delay the end of credit', () => {
    const book = new Book().deposit('9', 0).policy(POLICY, 0).succeed(1).start('i', '3600', 2).look(400);
    expect(book.exhaustions).toMatchObject([{ second: 31 }]);
    expect(times(book)).toEqual([0, 300]);
  });
});

describe('a failed charge', () => {
  it('switches the policy off and restores the room in the cap', () => {
    const book = new Book().deposit('9', 0).policy({ ...POLICY, monthlyCapMicros: dollars('20') }, 0);
    expect(book.account.toppedUp.micros).toBe(20_000_000);
    book.fail(3);
    expect(book.account.toppedUp.micros).toBe(0);
    expect(topUpOutlook(book.account, SETTINGS)).toEqual({ state: 'off' });
    expect(times(book.look(10_000))).toEqual([0]);
  });

  it('is recorded once, and a failure without an attempt in progress is refused', () => {
    const book = new Book().deposit('9', 0).policy(POLICY, 0).fail(3);
    const before = book.account;
    expect(() => book.fail(4)).toThrow('no attempt is in flight');
    expect(book.account).toBe(before);
  });
});

describe('a monthly cap', () => {
  const capped = (cap: string) => ({ ...POLICY, monthlyCapMicros: dollars(cap) });

  it('counts captured and pending charges, and leaves the policy on when it is reached', () => {
    const book = new Book(SETTINGS, JANUARY).deposit('9', JANUARY);
    book.policy(capped('40'), JANUARY).succeed(JANUARY + 1);
    book
      .use('25', JANUARY + 2)
      .look(JANUARY + 300)
      .succeed(JANUARY + 301)
      .use('20', JANUARY + 302);
    expect(book.account.toppedUp.micros).toBe(40_000_000);
    expect(topUpOutlook(book.account, SETTINGS)).toEqual({ state: 'capped', dueSecond: FEBRUARY });
    expect(book.account.policy?.enabled).toBe(true);
    expect(times(book.look(FEBRUARY - 1))).toEqual([JANUARY, JANUARY + 300]);
    expect(times(book.look(FEBRUARY))).toEqual([JANUARY, JANUARY + 300, FEBRUARY]);
    expect(book.account.toppedUp).toEqual({ monthStartSecond: FEBRUARY, micros: 20_000_000 });
  });

  it('of the next month does not count a charge that was opened in the old month and fails in the new month', () => {
    const eve = FEBRUARY - 10;
    const book = new Book(SETTINGS, eve).deposit('9', eve);
    book
      .policy(capped('20'), eve)
      .fail(FEBRUARY + 5)
      .policy(capped('20'), FEBRUARY + 6);
    expect(times(book.look(FEBRUARY + 1000))).toEqual([eve, eve + 300]);
    expect(book.account.toppedUp).toEqual({ monthStartSecond: FEBRUARY, micros: 20_000_000 });
  });

  it('has room again in the next month when the cooldown ends after its first second', () => {
    const eve = FEBRUARY - 10;
    const book = new Book(SETTINGS, eve).deposit('9', eve);
    book
      .policy(capped('20'), eve)
      .succeed(eve + 1)
      .use('25', eve + 2);
    expect(topUpOutlook(book.account, SETTINGS)).toEqual({ state: 'capped', dueSecond: eve + 300 });
    expect(times(book.look(FEBRUARY + 1000))).toEqual([eve, eve + 300]);
  });

  it('that is raised opens the blocked charge at once', () => {
    const book = new Book(SETTINGS, JANUARY).deposit('9', JANUARY);
    book
      .policy(capped('20'), JANUARY)
      .succeed(JANUARY + 1)
      .use('25', JANUARY + 400);
    expect(times(book)).toEqual([JANUARY]);
    book.policy(capped('40'), JANUARY + 500);
    expect(times(book)).toEqual([JANUARY, JANUARY + 500]);
  });

  it('is announced when it leaves no room for another charge, before it blocks a charge', () => {
    const book = new Book(SETTINGS, JANUARY).deposit('9', JANUARY).policy(capped('59.99'), JANUARY);
    expect(book.capped).toEqual([]);
    book.succeed(JANUARY + 1).use('25', JANUARY + 2);
    expect(book.capped).toEqual([]);
    book.look(JANUARY + 300).succeed(JANUARY + 301);
    // $24 are left and nothing is due: it would be due below $10, and would then not fit.
    expect(book.capped).toEqual([{ at: JANUARY + 301, cap: dollars('59.99') }]);
    expect(topUpOutlook(book.account, SETTINGS)).toEqual({ state: 'capped', dueSecond: null });
  });

  it('is announced at once when a policy without room is enabled, and not when the policy is off', () => {
    const book = new Book(SETTINGS, JANUARY)
      .deposit('9', JANUARY)
      .policy(capped('60'), JANUARY)
      .succeed(JANUARY + 1);
    book.policy({ ...capped('20'), enabled: false }, JANUARY + 2);
    expect(book.capped).toEqual([]);
    book.policy(capped('20'), JANUARY + 3);
    expect(book.capped).toEqual([{ at: JANUARY + 3, cap: dollars('20') }]);
  });

  it('is not announced during a charge, which may fail and restore the room', () => {
    const book = new Book(SETTINGS, JANUARY).deposit('9', JANUARY).policy(capped('20'), JANUARY);
    book.look(JANUARY + 10).policy(capped('21'), JANUARY + 11);
    expect(book.capped).toEqual([]);
    book.fail(JANUARY + 12);
    expect([book.capped, book.account.toppedUp.micros]).toEqual([[], 0]);
  });

  it('is not announced after a charge that is confirmed in a month with room', () => {
    const book = new Book(SETTINGS, FEBRUARY - 1).deposit('9', FEBRUARY - 1).policy(capped('20'), FEBRUARY - 1);
    book.succeed(FEBRUARY);
    expect(book.capped).toEqual([]);
  });
});
