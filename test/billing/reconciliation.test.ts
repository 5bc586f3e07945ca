/**
 * Tests the comparison of books with random matching books in which one row is made wrong: exactly that difference is
 * found.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIFFERENCES, type DifferenceClass } from '../../billing/differences.ts';
import { type Micros, micros } from '../../billing/money.ts';
import { compare } from '../../billing/reconciliation/compare.ts';
import { dayToCompare, isProvisional, SETTLING_SECONDS } from '../../billing/reconciliation/day.ts';
import type {
  Comparison,
  LedgerDeposit,
  LedgerRows,
  ProviderPayment,
  ProviderRows,
} from '../../billing/reconciliation/rows.ts';
import { type Day, dayBefore } from '../../billing/time.ts';

const DAY: Day = { name: '2026-03-01', fromSecond: 1_772_323_200, toSecond: 1_772_409_600 };
/** Half an hour after the day, when the Schedule runs. */
const NOW = DAY.toSecond + 1_800;

interface Books {
  ledger: LedgerRows;
  provider: ProviderRows;
}

const other = (amountMicros: Micros): Micros => micros(amountMicros + 10_000);
const present = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('not there');
  return value;
};

interface Shape {
  amountCents: number;
  atSecond: number;
  lateSeconds: number;
  kind: 'saved' | 'page' | 'crypto';
  money: 'stays' | 'refunded' | 'disputed' | 'questioned';
  standing: 'open' | 'won' | 'lost';
}

/** One deposit that was paid and credited, on both sides. */
function paid(books: Books, shape: Shape, n: number): void {
  const { ledger, provider } = books;
  const second = DAY.fromSecond + shape.atSecond;
  const amountMicros = micros(shape.amountCents * 10_000);
  const [depositId, teamId, customerId] = [`dep_${n}`, `team_${n % 3}`, `cus_${n % 3}`];
  const isCrypto = shape.kind === 'crypto';
  const [paymentId, pageId] = [`pi_${n}`, shape.kind === 'page' ? `cs_${n}` : null];
  const creditedSecond = second + shape.lateSeconds;
  const posting = { reference: `deposit/${depositId}`, teamId, amountMicros, second: creditedSecond };
  ledger.deposits.push({
    depositId,
    teamId,
    customerId,
    provider: isCrypto ? 'copperx' : 'stripe',
    status: 'credited',
    amountMicros,
    openedSecond: second - 60,
    closedSecond: creditedSecond,
    providerIds: [isCrypto ? `session_${n}` : (pageId ?? paymentId)],
    postings: [posting],
    corrections: [],
  });
  const row = { depositId, amountMicros, currency: 'usd', second };
  if (isCrypto) {
    const outputId = `0x${n}/0`;
    ledger.outputs.push({ outputId, depositId, teamId, amountMicros, second: creditedSecond });
    provider.outputs.push({ ...row, provider: 'copperx', outputId });
    return;
  }
  const stripe = { ...row, provider: 'stripe' as const };
  const refundedMicros = micros(shape.money === 'refunded' ? amountMicros : 0);
  provider.payments.push({ ...stripe, paymentId, pageId, teamId, customerId, refundedMicros, status: 'succeeded' });
  if (shape.money === 'refunded') {
    const of = { refundId: `ref_${n}`, status: 'succeeded' as const };
    ledger.refunds.push({ ...of, depositId, teamId, providerId: `re_${n}`, amountMicros, openedSecond: second });
    provider.refunds.push({ ...stripe, ...of, providerId: `re_${n}`, paymentId });
  }
  if (shape.money === 'disputed') {
    const of = { providerId: `du_${n}`, status: shape.standing };
    ledger.disputes.push({ ...of, disputeId: `dis_${n}`, depositId, teamId, amountMicros, openedSecond: second });
    provider.disputes.push({ ...stripe, ...of, paymentId });
  }
  if (shape.money === 'questioned')
    provider.disputes.push({ ...stripe, providerId: `du_${n}`, paymentId, status: 'inquiry' });
}

function booksOf(shapes: Shape[]): Books {
  const books: Books = {
    ledger: { deposits: [], strayPostings: [], refunds: [], disputes: [], outputs: [] },
    provider: { payments: [], refunds: [], disputes: [], outputs: [] },
  };
  for (const [n, each] of shapes.entries()) paid(books, each, n);
  return books;
}

const shape = fc.record<Shape>({
  amountCents: fc.integer({ min: 1500, max: 500_000 }),
  atSecond: fc.oneof(fc.integer({ min: 0, max: 86_399 }), fc.constantFrom(0, 86_399)),
  lateSeconds: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 3 * 86_400 })),
  kind: fc.constantFrom('saved', 'page', 'crypto'),
  money: fc.constantFrom('stays', 'stays', 'refunded', 'disputed', 'questioned'),
  standing: fc.constantFrom('open', 'won', 'lost'),
});
/** A payment of each sort stands first, so that there is something to make wrong. */
const FIRST: Shape[] = (
  [
    ['saved', 'stays'],
    ['page', 'stays'],
    ['saved', 'refunded'],
    ['saved', 'disputed'],
    ['crypto', 'stays'],
  ] as const
).map(([kind, money]) => ({ amountCents: 5_000, atSecond: 43_200, lateSeconds: 2, kind, money, standing: 'open' }));
const SAVED = 0;
const PAGE = 1;
const REFUNDED = 2;
const DISPUTED = 3;
const CRYPTO = 4;

const found = ({ differences }: Comparison) => differences.map((each) => [each.class, each.depositId]);
const compared = ({ ledger, provider }: Books): Comparison => compare(DAY, ledger, provider, NOW);

/** What is made wrong, and which deposit it is about. */
const CORRUPTIONS: Record<DifferenceClass, (books: Books, made: Corrupting) => number | null> = {
  charge_without_deposit: ({ ledger }) => {
    ledger.deposits.splice(SAVED, 1);
    return SAVED;
  },
  deposit_without_charge: ({ provider }) => {
    provider.payments.splice(SAVED, 1);
    return SAVED;
  },
  amount_differs: (_, { payment }) => {
    payment.amountMicros = other(payment.amountMicros);
    return SAVED;
  },
  currency_differs: (_, { payment }) => {
    payment.currency = 'eur';
    return SAVED;
  },
  wrong_team: (_, { payment }) => {
    payment.customerId = 'cus_other';
    return SAVED;
  },
  charged_twice: ({ provider }, { payment }) => {
    provider.payments.unshift({ ...payment, paymentId: 'pi_again' });
    return SAVED;
  },
  credited_twice: (_, { deposit }) => {
    deposit.postings.push({ ...present(deposit.postings[0]), reference: 'again' });
    return SAVED;
  },
  credit_differs: (_, { deposit }) => {
    deposit.postings = deposit.postings.map((posting) => ({ ...posting, amountMicros: micros(1) }));
    return SAVED;
  },
  credit_missing: (_, { deposit }) => {
    deposit.postings = [];
    return SAVED;
  },
  credit_without_deposit: ({ ledger }, { deposit }) => {
    ledger.strayPostings.push({
      ...present(deposit.postings[0]),
      reference: 'nobody',
      depositId: null,
      correctedMicros: micros(0),
    });
    return null;
  },
  charged_though_failed: (_, { deposit }) => {
    deposit.status = 'failed';
    deposit.postings = [];
    return SAVED;
  },
  stuck_open: (_, { deposit }) => {
    Object.assign(deposit, { status: 'open', closedSecond: null, postings: [] });
    return SAVED;
  },
  refund_not_in_ledger: ({ ledger }) => {
    ledger.refunds.splice(0, 1);
    return REFUNDED;
  },
  refund_not_at_provider: ({ provider }) => {
    provider.refunds.splice(0, 1);
    return REFUNDED;
  },
  refund_amount_differs: ({ ledger }) => {
    const refund = present(ledger.refunds[0]);
    refund.amountMicros = other(refund.amountMicros);
    return REFUNDED;
  },
  refund_status_differs: ({ provider }) => {
    present(provider.refunds[0]).status = 'failed';
    return REFUNDED;
  },
  dispute_not_in_ledger: ({ ledger }) => {
    ledger.disputes.splice(0, 1);
    return DISPUTED;
  },
  dispute_not_at_provider: ({ provider }) => {
    provider.disputes.splice(0, 1);
    return DISPUTED;
  },
  dispute_amount_differs: ({ provider }) => {
    const dispute = present(provider.disputes[0]);
    dispute.amountMicros = other(dispute.amountMicros);
    return DISPUTED;
  },
  dispute_status_differs: ({ provider }) => {
    present(provider.disputes[0]).status = 'lost';
    return DISPUTED;
  },
  output_not_credited: ({ ledger }) => {
    ledger.outputs.splice(0, 1);
    return CRYPTO;
  },
  credit_without_output: ({ provider }) => {
    provider.outputs.splice(0, 1);
    return CRYPTO;
  },
  output_amount_differs: ({ provider }) => {
    const output = present(provider.outputs[0]);
    output.amountMicros = other(output.amountMicros);
    return CRYPTO;
  },
};
interface Corrupting {
  deposit: LedgerDeposit;
  payment: ProviderPayment;
}

describe('books that match', () => {
  it('have no difference, for any time between a charge and its credit', () => {
    fc.assert(
      fc.property(fc.array(shape, { maxLength: 30 }), (shapes) => {
        const comparison = compared(booksOf(shapes));
        expect(found(comparison)).toEqual([]);
        expect(comparison).toMatchObject({ foreign: [], underWay: 0 });
        const payments = comparison.rows.filter(({ kind }) => kind === 'payment' || kind === 'output');
        expect(payments).toHaveLength(shapes.length);
      }),
    );
  });

  it.each(Object.keys(DIFFERENCES) as DifferenceClass[])(
    'except for one row (%s) have exactly that difference',
    (expected) => {
      fc.assert(
        fc.property(fc.array(shape, { maxLength: 12 }), (shapes) => {
          const books = booksOf([...FIRST, ...shapes]);
          const deposit = present(books.ledger.deposits[SAVED]);
          const payment = present(books.provider.payments[SAVED]);
          const about = CORRUPTIONS[expected](books, { deposit, payment });
          const comparison = compared(books);
          expect(found(comparison)).toEqual([[expected, about === null ? null : `dep_${about}`]]);
          expect(comparison.differences[0]).toMatchObject({ day: DAY.name, ...DIFFERENCES[expected] });
        }),
        { numRuns: 25 },
      );
    },
  );
});

describe('midnight', () => {
  const oneAt = (atSecond: number, lateSeconds: number): Books =>
    booksOf([{ amountCents: 5_000, atSecond, lateSeconds, kind: 'saved', money: 'stays', standing: 'open' }]);
  const next: Day = { name: '2026-03-02', fromSecond: DAY.toSecond, toSecond: DAY.toSecond + 86_400 };

  it('between a charge and its credit causes no difference on either day', () => {
    const { ledger, provider } = oneAt(86_399, 2);
    expect(compare(DAY, ledger, provider, NOW)).toMatchObject({ differences: [], rows: [{ kind: 'payment' }] });
    expect(compare(next, ledger, provider, NOW + 86_400)).toMatchObject({ differences: [], rows: [] });
  });

  it('after a charge without a credit leaves the difference on the day of the charge', () => {
    const { ledger, provider } = oneAt(86_399, 2);
    ledger.deposits = [];
    expect(found(compare(DAY, ledger, provider, NOW))).toEqual([['charge_without_deposit', 'dep_0']]);
    expect(found(compare(next, ledger, provider, NOW + 86_400))).toEqual([]);
  });

  it('during a credit causes no difference until the time limit', () => {
    const books = oneAt(86_399, 2);
    Object.assign(present(books.ledger.deposits[0]), { status: 'open', closedSecond: null, postings: [] });
    const soon = compare(DAY, books.ledger, books.provider, DAY.toSecond + 5);
    expect(soon).toMatchObject({ differences: [], underWay: 1 });
    const later = compare(DAY, books.ledger, books.provider, DAY.toSecond + SETTLING_SECONDS);
    expect(found(later)).toEqual([['stuck_open', 'dep_0']]);
  });
});

describe('settled and unrelated rows:', () => {
  it('a refunded surplus charge is no difference, nor is its refund without a row in the ledger', () => {
    const books = booksOf(FIRST);
    const payment = present(books.provider.payments[SAVED]);
    const surplus = { ...payment, paymentId: 'pi_again', refundedMicros: payment.amountMicros };
    books.provider.payments.push(surplus);
    const { provider, depositId, amountMicros, currency, second } = payment;
    const refund = { provider, depositId, amountMicros, currency, second, providerId: 're_again', refundId: null };
    books.provider.refunds.push({ ...refund, paymentId: 'pi_again', status: 'succeeded' });
    expect(found(compared(books))).toEqual([]);
  });

  it('a refund of the credited payment without a row is a difference', () => {
    const books = booksOf(FIRST);
    const { provider, depositId, amountMicros, currency, second, paymentId } = present(books.provider.payments[SAVED]);
    const refund = { provider, depositId, amountMicros, currency, second, providerId: 're_x', refundId: null };
    books.provider.refunds.push({ ...refund, paymentId, status: 'succeeded' });
    expect(found(compared(books))).toEqual([['refund_not_in_ledger', 'dep_0']]);
  });

  it('an unrelated payment on the same account is no difference, and is listed separately', () => {
    const books = booksOf(FIRST);
    const payment = present(books.provider.payments[SAVED]);
    books.provider.payments.push({ ...payment, paymentId: 'pi_theirs', depositId: null, teamId: null });
    const comparison = compared(books);
    expect(found(comparison)).toEqual([]);
    expect(comparison.foreign).toMatchObject([{ kind: 'payment', providerId: 'pi_theirs' }]);
  });

  it('a payment without its metadata is still identified by its id', () => {
    const books = booksOf(FIRST);
    for (const payment of books.provider.payments) Object.assign(payment, { depositId: null, teamId: null });
    expect(compared(books)).toMatchObject({ differences: [], foreign: [] });
  });

  it('a deposit with an open page is no difference, and with an expired page it is stuck', () => {
    const books = booksOf(FIRST);
    const page = present(books.ledger.deposits[PAGE]);
    const payment = present(books.provider.payments[PAGE]);
    Object.assign(page, { status: 'open', closedSecond: null, postings: [] });
    payment.status = 'open';
    expect(found(compared(books))).toEqual([]);
    payment.status = 'failed';
    expect(found(compared(books))).toEqual([['stuck_open', 'dep_1']]);
  });
});

describe('a day', () => {
  it('can be compared from its first second on, and provisionally until its last', () => {
    expect(dayToCompare('2026-03-01', DAY.toSecond)).toEqual(DAY);
    expect(dayToCompare('2026-03-01', DAY.fromSecond)).toEqual(DAY);
    const made = (madeSecond: number) => isProvisional({ day: '2026-03-01', madeSecond });
    expect([DAY.fromSecond, DAY.toSecond - 1, DAY.toSecond].map(made)).toEqual([true, true, false]);
    expect(dayBefore(NOW)).toBe('2026-03-01');
    expect(dayBefore(DAY.toSecond - 1)).toBe('2026-02-28');
  });

  it.each(['2026-3-1', '2026-02-30', '2026-13-01', '', 'today', '0026-03-01', '2026-03-01T00:00:00Z'])(
    'cannot be %j',
    (name) => {
      expect(() => dayToCompare(name, NOW)).toThrow(expect.objectContaining({ code: 'invalid_request', param: 'day' }));
    },
  );

  it('cannot be compared before it begins', () => {
    expect(() => dayToCompare('2026-03-01', DAY.fromSecond - 1)).toThrow(/has not begun yet/);
    expect(() => dayToCompare('2026-03-03', NOW)).toThrow(expect.objectContaining({ param: 'day' }));
  });
});
