/**
 * The fault matrix: every kind of payment, at every step, with every fault, on the product's own processes. One run for
 * all cases, since they wait for the same half minutes; each case is a test of its own.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { ALL_CASES, KINDS, nameOf } from '../../simulate/faults/cases.ts';
import { type Outcome, runMatrix } from '../../simulate/faults/matrix.ts';
import { FAULTS, STEPS } from '../../simulate/faults/words.ts';

/** Two minutes and a half on two busy cores; a limit here only says that something hangs. */
const WITHIN_MS = 1_500_000;

let outcomes: Outcome[];
beforeAll(async () => {
  outcomes = await runMatrix(ALL_CASES);
}, WITHIN_MS);

describe('the provider’s payments and the ledger’s deposits agree one to one, and the mails are right', () => {
  describe.each(KINDS)('$name', (kind) => {
    describe.each(STEPS)('%s', (step) => {
      it.each(FAULTS)('%s', (fault) => {
        const outcome = outcomes.find(({ what }) => what.kind === kind && what.step === step && what.fault === fault);
        expect(outcome?.differences).toEqual([]);
      });
    });
  });

  it('in as many cases as the table has cells', () => {
    expect(new Set(outcomes.map(({ what }) => nameOf(what))).size).toBe(KINDS.length * STEPS.length * FAULTS.length);
  });
});
