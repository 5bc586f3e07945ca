/** Tests the number of charges of a card that begins to decline, over a month in skipped time. */
import { describe, expect, it } from 'vitest';
import type { Surroundings } from '../../simulate/surroundings.ts';
import type { Scenario } from '../oracle/oracle.ts';
import { useSurroundings } from '../support/use-engine.ts';
import { run } from './support.ts';

let surroundings: Surroundings;
useSurroundings((shared) => {
  surroundings = shared;
});

const DAY = 86_400;

/** An instance at $60 a day; each charge lasts for less than two days, so that a card could be tried again and again. */
const aMonthWith = (more: Scenario['events']): Scenario => ({
  startAt: '2026-03-01T00:00:00Z',
  until: 31 * DAY,
  teams: {
    acme: { deposit: '100.00', card: { declinesAfter: 3 }, autoTopUp: { threshold: '20.00', amount: '100.00' } },
  },
  events: [{ at: 0, do: 'start', team: 'acme', instance: 'a', hourly: '2.50' }, ...more],
});

/** What the provider saw of the scenario's team, by its own books. */
async function attemptsIn(scenario: Scenario): Promise<string[]> {
  await run(surroundings, scenario);
  const { control } = surroundings.stripe;
  const customer = control.customers().at(-1)?.id;
  return control
    .charges()
    .filter((charge) => charge.customer === customer)
    .map(({ status }) => status);
}

describe('a month of a card that begins to decline', () => {
  it('has one attempt after the last success, which no timer, settlement or wake repeats', async () => {
    expect(await attemptsIn(aMonthWith([]))).toEqual(['succeeded', 'succeeded', 'succeeded', 'failed']);
  });

  it('has one more attempt for each time that a person switches auto top-up on again', async () => {
    const again = [10, 20].map((day) => ({ at: day * DAY, do: 'autoTopUp' as const, team: 'acme', enabled: true }));
    const attempts = await attemptsIn(aMonthWith(again));
    expect(attempts).toEqual(['succeeded', 'succeeded', 'succeeded', 'failed', 'failed', 'failed']);
  });

  it('has no further attempt while auto top-up stays off, however low the balance falls between deposits by hand', async () => {
    const byHand = [12, 14, 16].flatMap((day) => [
      { at: day * DAY, do: 'deposit' as const, team: 'acme', amount: '15.00' },
      { at: day * DAY + 1, do: 'start' as const, team: 'acme', instance: `b${day}`, hourly: '1.00' },
    ]);
    expect(await attemptsIn(aMonthWith(byHand))).toEqual(['succeeded', 'succeeded', 'succeeded', 'failed']);
  });
});
