/** Tests forecasts against the real engine: the engine does what a forecast assumed, with the same result to the micro. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyAccount } from '../../billing/account.ts';
import { creditDeposit, setPolicy } from '../../billing/facts.ts';
import { type Assumed, forecastLine } from '../../billing/forecast-line.ts';
import { startInstance } from '../../billing/instances.ts';
import { formatDollars, parseDollars } from '../../billing/money.ts';
import { NOTHING_SPENT, setAlerts } from '../../billing/setting-alerts.ts';
import { readScenario } from '../../simulate/scenario.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';
import { simulate } from '../../simulate/simulate.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { policyOf } from '../billing/book.ts';
import { givenOrder } from '../billing/pure-run.ts';
import { shareSurroundings } from '../support/surroundings.ts';

let surroundings: Surroundings;
beforeAll(async () => {
  surroundings = await shareSurroundings();
});
afterAll(() => surroundings.stop());

const START_AT = '2026-03-01T00:00:00Z';
const BASE = Date.parse(START_AT) / 1_000;
const UNTIL = 2_500;
const TERMS = { project: 'x', period: 'day', action: 'stop' } as const;

/** The team at second 100: $25 of credit, a policy, a budget and an instance. */
function teamAt100() {
  const deposit = { depositId: 'd', amountMicros: parseDollars('25') };
  let account = creditDeposit(emptyAccount('t', BASE), SETTINGS, deposit, BASE).account;
  account = setPolicy(account, SETTINGS, policyOf('10', '15'), BASE).account;
  const budgets = [{ ...TERMS, amountMicros: parseDollars('6.5') }];
  const alerts = { budgets, lowLevelsMicros: null, burnLimitMicros: null, spendOf: () => NOTHING_SPENT };
  account = setAlerts(account, SETTINGS, alerts, BASE + 2).account;
  return startInstance(account, SETTINGS, givenOrder('a', parseDollars('60')), BASE + 5).account;
}

/** Another instance starts at second 100. */
const assumed: Assumed = {
  stopIds: [],
  depositMicros: null,
  policy: null,
  starts: [givenOrder('b', parseDollars('121.234567'), 'x')],
  cardFails: false,
  untilSecond: BASE + UNTIL,
};

describe('a forecast', () => {
  it.each([
    ['whose card is charged', false],
    ['whose card fails at once', true],
  ])('of a team %s comes true', async (_, cardFails) => {
    const account = teamAt100();
    const before = structuredClone(account);
    const { crossings, runsOutSecond } = forecastLine(account, SETTINGS, { ...assumed, cardFails }, BASE + 100);
    expect(account).toEqual(before);
    const foretold = (what: string) =>
      crossings.filter((crossing) => crossing.what === what).map(({ second }) => second - BASE);

    const scenario = readScenario({
      startAt: START_AT,
      until: UNTIL,
      teams: {
        acme: {
          deposit: '25',
          autoTopUp: { threshold: '10', amount: '15' },
          ...(cardFails && { card: { declinesAfter: 0 } }),
        },
      },
      events: [
        { at: 2, do: 'budget', team: 'acme', ...TERMS, amount: '6.5' },
        { at: 5, do: 'start', team: 'acme', instance: 'a', hourly: '60' },
        { at: 100, do: 'start', team: 'acme', instance: 'b', hourly: '121.234567', project: 'x' },
      ],
    });
    const { teams, instances } = await simulate(surroundings, scenario);
    const { deposits = [], emails = [], balance } = teams.acme ?? {};
    const charges = (status: string) =>
      deposits.filter((one) => one.label === 'Auto Top-Up' && one.status === status).map(({ at }) => at);
    const mailed = (kind: string) => emails.filter((mail) => mail.kind === kind).map(({ at }) => at);
    expect(foretold('top_up')).toEqual(charges('succeeded'));
    expect(foretold('top_up_failed')).toEqual(charges('failed'));
    expect(foretold('budget_met')).toEqual(mailed('budget_met'));
    expect(foretold('exhausted')).toEqual(mailed('credits_exhausted'));
    expect(foretold('budget_met')).toEqual([instances.b?.endedAt]);
    expect(charges(cardFails ? 'failed' : 'succeeded').length).toBeGreaterThan(0);
    if (cardFails) {
      expect(runsOutSecond).toBe(BASE + (instances.a?.endedAt ?? 0));
      expect(formatDollars(crossings.at(-1)?.balanceMicros ?? parseDollars('0'))).toBe(balance);
    } else expect(runsOutSecond).toBeNull();
  });
});
