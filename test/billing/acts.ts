/** What can happen to a team, at random; and how it is done to the book and to the walk, and how the two are compared. */
import fc from 'fast-check';
import { type DisputeStatus, isDisputed } from '../../billing/credited-deposit.ts';
import { asMicros, type Book, policyOf } from './book.ts';
import type { Walk } from './walk.ts';

/** One thing that happens, so many seconds after the one before. */
export type Act = { after: number } & (
  | { do: 'start'; rate: number }
  | { do: 'stop'; which: number; back: number | null }
  | { do: 'reprice'; which: number; rate: number }
  | { do: 'deposit' | 'grant'; amount: number }
  | { do: 'use'; exact: bigint }
  | { do: 'policy'; enabled: boolean; threshold: number; amount: number; cap: number | null }
  | { do: 'outcome'; succeeds: boolean }
  | { do: 'refund'; which: number; amount: number | null }
  | { do: 'found' | 'dispute' | 'disputed_again' | 'claimed'; which: number; amount: number }
  | { do: 'sent_back' | 'sent_again'; which: number }
  | { do: 'decided'; which: number; status: DisputeStatus }
  | { do: 'settle'; which: number }
  | { do: 'look' }
  | { do: 'repeat' }
);

/** From a millionth an hour to ten thousand dollars, by far the most such that credit ends within minutes. */
export const rate = fc.oneof(
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 7_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1_000_000, max: 40_000_000 }) },
  { weight: 5, arbitrary: fc.integer({ min: 40_000_000, max: 2_000_000_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 2_000_000_000, max: 10_000_000_000 }) },
);
export const after = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 41, max: 400 }) },
);
export const dollars = (least: number, most: number) =>
  fc.integer({ min: least * 100, max: most * 100 }).map((cents) => cents * 10_000);
export const which = fc.nat(5);

export const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ after, do: fc.constant('start' as const), rate }) },
  {
    weight: 3,
    arbitrary: fc.record({
      after,
      do: fc.constant('stop' as const),
      which,
      back: fc.option(fc.integer({ min: -2, max: 300 })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ after, do: fc.constant('reprice' as const), which, rate }) },
  {
    weight: 3,
    arbitrary: fc.record({ after, do: fc.constantFrom('deposit' as const, 'grant' as const), amount: dollars(1, 60) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      after,
      do: fc.constant('use' as const),
      exact: fc.oneof(fc.bigInt({ min: 0n, max: 3_000_000n }), fc.bigInt({ min: 0n, max: 40_000_000_000_000n })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      after,
      do: fc.constant('policy' as const),
      enabled: fc.boolean(),
      threshold: dollars(5, 40),
      amount: dollars(15, 60),
      cap: fc.option(dollars(60, 200)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ after, do: fc.constant('outcome' as const), succeeds: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ after, do: fc.constant('refund' as const), which, amount: fc.option(dollars(0, 70)) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      after,
      do: fc.constantFrom('found' as const, 'dispute' as const, 'disputed_again' as const, 'claimed' as const),
      which,
      amount: dollars(1, 70),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ after, do: fc.constantFrom('sent_back' as const, 'sent_again' as const), which }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      after,
      do: fc.constant('decided' as const),
      which,
      status: fc.constantFrom<DisputeStatus>('open', 'won', 'won', 'lost', 'lost'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ after, do: fc.constant('settle' as const), which }) },
  { weight: 2, arbitrary: fc.record({ after, do: fc.constant('look' as const) }) },
  { weight: 1, arbitrary: fc.record({ after, do: fc.constant('repeat' as const) }) },
);
export const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

/** Does to the book what an act says; acts about nothing change nothing. */
export function keep(book: Book, doing: Act, second: number, instanceIds: string[]): 'done' | 'refused' {
  const instanceOf = (index: number) => instanceIds[index % Math.max(1, instanceIds.length)] ?? 'none';
  try {
    switch (doing.do) {
      case 'start':
        book.start(`i${instanceIds.length}`, asMicros(doing.rate), second);
        break;
      case 'stop':
        book.stop(instanceOf(doing.which), second, doing.back === null ? {} : { backTo: second - doing.back });
        break;
      case 'reprice':
        book.reprice(instanceOf(doing.which), asMicros(doing.rate), second);
        break;
      case 'deposit':
        book.deposit(asMicros(doing.amount), second);
        break;
      case 'grant':
        book.grant(asMicros(doing.amount), second);
        break;
      case 'use':
        book.use(doing.exact, second);
        break;
      case 'policy':
        book.policy(
          policyOf('0', '0', {
            enabled: doing.enabled,
            thresholdMicros: asMicros(doing.threshold),
            amountMicros: asMicros(doing.amount),
            monthlyCapMicros: doing.cap === null ? null : asMicros(doing.cap),
          }),
          second,
        );
        break;
      case 'outcome':
        book.look(second);
        if (book.account.attempt) doing.succeeds ? book.succeed(second) : book.fail(second);
        break;
      case 'refund': {
        const deposit = pick(book.deposits, doing.which);
        if (deposit) book.refund(deposit, doing.amount === null ? null : asMicros(doing.amount), second);
        break;
      }
      case 'found': {
        const deposit = pick(book.deposits, doing.which);
        const left = deposit && deposit.creditedMicros - deposit.refundedMicros;
        if (deposit && left) book.found(deposit, asMicros(Math.min(doing.amount, left)), second);
        break;
      }
      case 'sent_back': {
        const refund = pick(
          book.refunds.filter(({ returned }) => !returned),
          doing.which,
        );
        if (refund) book.sendBack(refund, second);
        break;
      }
      case 'dispute': {
        const deposit = pick(book.deposits, doing.which);
        if (deposit && !isDisputed(deposit)) book.dispute(deposit, asMicros(doing.amount), second);
        break;
      }
      case 'sent_again': {
        const refund = pick(
          book.refunds.filter(({ returned }) => returned),
          doing.which,
        );
        const deposit = book.deposits.find(({ depositId }) => depositId === refund?.depositId);
        if (refund && deposit && deposit.refundedMicros + refund.amountMicros <= deposit.creditedMicros)
          book.sendAgain(refund, second);
        break;
      }
      case 'disputed_again': {
        const deposit = pick(book.deposits, doing.which);
        if (deposit) book.dispute(deposit, asMicros(doing.amount), second);
        break;
      }
      case 'decided': {
        const dispute = pick(book.disputes, doing.which);
        if (dispute) book.decide(dispute.disputeId, doing.status, second);
        break;
      }
      case 'claimed': {
        const dispute = pick(book.disputes, doing.which);
        if (dispute) book.claim(dispute.disputeId, asMicros(doing.amount), second);
        break;
      }
      case 'settle':
        book.settle(instanceOf(doing.which), second);
        break;
      default:
        book.look(second);
    }
    return 'done';
  } catch (error) {
    if ((error as Error).name !== 'BillingError') throw error;
    return 'refused';
  }
}

/** Does the same to the walk. Settling and looking are no facts. */
export function walkOn(walk: Walk, doing: Act, second: number, instanceIds: string[]): 'done' | 'refused' {
  const instanceOf = (index: number) => instanceIds[index % Math.max(1, instanceIds.length)] ?? 'none';
  const answer = (done: boolean) => (done ? 'done' : 'refused');
  walk.to(second);
  if (doing.do === 'start') return answer(walk.start(`i${instanceIds.length}`, doing.rate));
  if (doing.do === 'stop')
    return answer(walk.stop(instanceOf(doing.which), doing.back === null ? null : second - doing.back));
  if (doing.do === 'reprice') return answer(walk.reprice(instanceOf(doing.which), doing.rate));
  if (doing.do === 'deposit') walk.payIn(doing.amount);
  if (doing.do === 'grant') walk.receive(doing.amount);
  if (doing.do === 'refund') {
    const deposit = pick(walk.deposits, doing.which);
    if (deposit) return answer(walk.refund(deposit, doing.amount));
  }
  if (doing.do === 'found') {
    const deposit = pick(walk.deposits, doing.which);
    if (deposit && deposit.refunded < deposit.paid)
      walk.found(deposit, Math.min(doing.amount, deposit.paid - deposit.refunded));
  }
  if (doing.do === 'dispute') {
    const deposit = pick(walk.deposits, doing.which);
    const isDisputed = walk.disputes.some((dispute) => dispute.deposit === deposit && dispute.status !== 'won');
    if (deposit && !isDisputed) walk.dispute(deposit, doing.amount);
  }
  if (doing.do === 'disputed_again') {
    const deposit = pick(walk.deposits, doing.which);
    if (deposit) walk.dispute(deposit, doing.amount);
  }
  if (doing.do === 'sent_again') {
    const refund = pick(
      walk.refunds.filter(({ returned }) => returned),
      doing.which,
    );
    if (refund && refund.deposit.refunded + refund.amount <= refund.deposit.paid) walk.sendAgain(refund);
  }
  if (doing.do === 'sent_back') {
    const refund = pick(
      walk.refunds.filter(({ returned }) => !returned),
      doing.which,
    );
    if (refund) walk.sendBack(refund);
  }
  if (doing.do === 'decided') {
    const dispute = pick(walk.disputes, doing.which);
    if (dispute) walk.decide(dispute, doing.status);
  }
  if (doing.do === 'claimed') {
    const dispute = pick(walk.disputes, doing.which);
    if (dispute) walk.claim(dispute, doing.amount);
  }
  if (doing.do === 'use') walk.use(doing.exact);
  if (doing.do === 'policy') walk.setPolicy(doing);
  if (doing.do === 'outcome') doing.succeeds ? walk.succeed() : walk.fail();
  return 'done';
}

export const ofBook = (book: Book) => {
  const { account } = book;
  return {
    available: book.spendable as number,
    owed: account.owedMicros as number,
    held: account.heldMicros as number,
    remainder: account.remainderMillionths,
    standsAt: account.standsAtSecond,
    policyOn: account.policy?.enabled ?? false,
    inFlight: account.attempt && { at: account.attempt.openedSecond, amount: account.attempt.amountMicros as number },
    attempts: book.attempts.map(({ at }) => at),
    toppedUp: account.toppedUp.micros as number,
    lows: book.lows,
    exhaustions: book.exhaustions.map(({ second, instanceIds }) => ({ second, instanceIds: [...instanceIds].sort() })),
    ends: Object.fromEntries([...book.instances].map(([id, { endSecond, reason }]) => [id, [endSecond, reason]])),
  };
};

export const ofWalk = (walk: Walk) => ({
  available: walk.available,
  owed: walk.owed,
  held: walk.held,
  remainder: Number(walk.usedExact % 1_000_000n),
  standsAt: walk.standsAt,
  policyOn: walk.policy?.enabled ?? false,
  inFlight: walk.inFlight,
  attempts: walk.attempts,
  toppedUp: walk.toppedUp,
  lows: walk.lows,
  exhaustions: walk.exhaustions.map(({ second, instanceIds }) => ({ second, instanceIds: [...instanceIds].sort() })),
  ends: Object.fromEntries(walk.instances.map(({ id, endedAt, reason }) => [id, [endedAt, reason]])),
});

/** For a message that names an act. */
export const withBigInt = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
