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
 * `npm test` plays a tenth of the cells: each kind meets each step, and each fault strikes two or three of them, always
 * another kind at another step.
 */
const isOfTheTenth = ({ kind, step, fault }: Case) =>
  (3 * KINDS.indexOf(kind) + 2 * STEPS.indexOf(step)) % FAULTS.length === FAULTS.indexOf(fault);
const CASES = ofBudget({ test: ALL_CASES.filter(isOfTheTenth), long: ALL_CASES });

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
      ofBudget({ test: KINDS.length * STEPS.length, long: KINDS.length * STEPS.length * FAULTS.length }),
    );
  });

  it('with every pair of a kind and a step, and every fault with as many kinds and steps as there is room for', () => {
    const sizeOf = (nameOfCase: (what: Case) => string) => new Set(CASES.map(nameOfCase)).size;
    const [kinds, steps, faults] = [KINDS.length, STEPS.length, FAULTS.length];
    expect({
      kindsAtSteps: sizeOf(({ kind, step }) => `${kind.name} ${step}`),
      faults: sizeOf(({ fault }) => fault),
      kindsWithFaults: sizeOf(({ kind, fault }) => `${kind.name} ${fault}`),
      stepsWithFaults: sizeOf(({ step, fault }) => `${step} ${fault}`),
    }).toEqual({
      kindsAtSteps: kinds * steps,
      faults,
      kindsWithFaults: Math.min(CASES.length, kinds * faults),
      stepsWithFaults: Math.min(CASES.length, steps * faults),
    });
  });
});
