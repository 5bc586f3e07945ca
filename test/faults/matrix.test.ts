/**
 * Runs the fault matrix: every kind of payment, at every step, with every fault, on the product's own processes. One
 * run plays all cases, because they share waiting times, and each case is a test.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { ALL_CASES, type Case, KINDS, nameOf } from '../../simulate/faults/cases.ts';
import { type Outcome, runMatrix } from '../../simulate/faults/matrix.ts';
import { FAULTS, STEPS } from '../../simulate/faults/words.ts';
import { ofBudget } from '../support/budget.ts';

/** Says only that something hangs. */
const WITHIN_MS = 1_500_000;

/**
 * `npm test` plays a fifth of the cells: each kind meets each step twice and each fault once, and each step meets each fault
 * at least once.
 */
const isInEveryPair = ({ kind, step, fault }: Case) =>
  (KINDS.indexOf(kind) + STEPS.indexOf(step) + FAULTS.indexOf(fault)) % STEPS.length === 0;
const CASES = ofBudget({ test: ALL_CASES.filter(isInEveryPair), long: ALL_CASES });

let outcomes: Outcome[];
beforeAll(async () => {
  outcomes = await runMatrix(CASES);
}, WITHIN_MS);

describe('the provider’s payments and the ledger’s deposits agree one to one, and the mails are correct', () => {
  describe.each(KINDS)('$name', (kind) => {
    describe.each(STEPS)('%s', (step) => {
      it.each(CASES.filter((what) => what.kind === kind && what.step === step))('$fault', (what) => {
        expect(outcomes.find((outcome) => outcome.what === what)?.differences).toEqual([]);
      });
    });
  });

  it('in as many cases as the table has cells', () => {
    expect(new Set(outcomes.map(({ what }) => nameOf(what))).size).toBe(
      ofBudget({ test: KINDS.length * FAULTS.length, long: KINDS.length * STEPS.length * FAULTS.length }),
    );
  });

  it('with every pair of a kind, a step and a fault among the cases', () => {
    const pairs = CASES.flatMap(({ kind: { name }, step, fault }) => [
      `${name} ${step}`,
      `${name} ${fault}`,
      `${step} ${fault}`,
    ]);
    const [kinds, steps, faults] = [KINDS.length, STEPS.length, FAULTS.length];
    expect(new Set(pairs).size).toBe(kinds * steps + kinds * faults + steps * faults);
  });
});
