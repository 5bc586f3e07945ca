/** Computes every worked example of docs/money-rules.md again by the code that bills. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Account, type BillingSettings, emptyAccount, spendableMicros } from '../../billing/account.ts';
import { nextCrossing } from '../../billing/crossings.ts';
import { coinUnitsToMicrosFloor, cryptoStatus } from '../../billing/crypto.ts';
import { discountedMicros } from '../../billing/discounts.ts';
import { recordDispute } from '../../billing/disputes.ts';
import {
  advance,
  assignDiscount,
  creditDeposit,
  failAttempt,
  grantCredit,
  recordUsage,
  setPolicy,
} from '../../billing/facts.ts';
import { revokeGrant } from '../../billing/grants.ts';
import { holdMicrosFor, placeHold } from '../../billing/holds.ts';
import { settleInstance, startInstance, stopInstance } from '../../billing/instances.ts';
import { formatDollars, formatForPeople, type Micros, micros, parseDollars, subtract } from '../../billing/money.ts';
import { requestRefund } from '../../billing/money-back.ts';
import { openReservation } from '../../billing/reservations.ts';
import { exhaustionSecond } from '../../billing/runway.ts';
import { NOTHING_SPENT, setAlerts } from '../../billing/setting-alerts.ts';
import { addMonths, formatSecond } from '../../billing/time.ts';
import { tokensCost } from '../../billing/tokens.ts';
import { checkPolicy, TOP_UP_LIMITS } from '../../billing/top-up.ts';
import { costMicros } from '../../billing/usage.ts';
import { readConfig } from '../../process/config.ts';
import { givenOrder } from '../billing/pure-run.ts';
import { COMPLETE_ENVIRONMENT } from '../support/environment.ts';

/** The page in one line, without its quote marks, so that a sentence may break anywhere. */
const page = readFileSync(new URL('../../docs/money-rules.md', import.meta.url), 'utf8')
  .replace(/\n> ?/g, ' ')
  .replace(/\s+/g, ' ');
const says = (sentence: string) => expect(page).toContain(sentence);

const config = readConfig(COMPLETE_ENVIRONMENT);
const crypto = readConfig({ ...COMPLETE_ENVIRONMENT, COPPERX_API_KEY: 'x', COPPERX_WEBHOOK_SECRET: 'x' }).crypto;
const settings: BillingSettings = config.billingSettings;
const NOON = Date.UTC(2026, 2, 1, 12) / 1000;
const clock = (second: number) => formatSecond(second).slice(11, 19);
const dollars = (amount: Micros) => `$${formatDollars(amount)}`;

const paidIn = (amount: string) => deposit(emptyAccount('acme', NOON), amount, NOON);
const deposit = (account: Account, amount: string, second: number, depositId = `dep_${second}`) =>
  creditDeposit(account, settings, { depositId, amountMicros: parseDollars(amount) }, second).account;
const start = (account: Account, instanceId: string, hourly: string) =>
  startInstance(account, settings, givenOrder(instanceId, parseDollars(hourly)), NOON).account;
const topUp = (account: Account, threshold: string, amount: string) => {
  const policy = {
    enabled: true,
    thresholdMicros: parseDollars(threshold),
    amountMicros: parseDollars(amount),
    paymentMethodId: 'pm_1',
    monthlyCapMicros: null,
  };
  checkPolicy(policy);
  return setPolicy(account, settings, policy, NOON).account;
};
const cost = (hourly: string, seconds: number) => dollars(costMicros(parseDollars(hourly), seconds));

describe('docs/money-rules.md', () => {
  it('takes a reversed grant from credit first', () => {
    const granted = grantCredit(
      emptyAccount('acme', NOON),
      settings,
      { grantId: 'g', amountMicros: parseDollars('20') },
      NOON,
    );
    const cost = BigInt(parseDollars('15')) * 1_000_000n;
    const used = recordUsage(granted.account, settings, { eventId: 'e', cost }, NOON).account;
    const { account, creditMicros } = revokeGrant(
      used,
      settings,
      { grantId: 'g', amountMicros: parseDollars('20') },
      NOON,
    );
    says(
      `You were granted $20.00 and used $15.00 of it; the grant is taken back: ${formatForPeople(creditMicros)} leaves your credit and ${formatForPeople(account.owedMicros)} is owed.`,
    );
  });

  it('has the default limits', () => {
    const { minMicros, maxMicros } = config.deposits;
    expect([minMicros, maxMicros]).toEqual([parseDollars('15'), parseDollars('5000')]);
    says('from $15 to $5,000 at a time');
    expect(settings.minStartMicros).toBe(parseDollars('3'));
    says('at least **$3.00** is available');
    expect(Object.values(TOP_UP_LIMITS)).toEqual(['5', '500', '15', '5000'].map(parseDollars));
    says('a threshold ($5 to $500), an amount ($15 to $5,000)');
    expect(settings).toMatchObject({ cooldownSeconds: 300, graceSeconds: 60, lowLevelMicros: parseDollars('10') });
    says('From one attempt to the next, 300 seconds pass');
    says('at most 60 seconds past X');
  });

  it('admits a start with three dollars, and refuses it with a millionth less', () => {
    expect(start(paidIn('3'), 'a', '1').meters).toHaveLength(1);
    expect(() => start(paidIn('2.999999'), 'a', '1')).toThrow(
      '$3.00 of credit is needed, and $2.99 is available: add $0.01 or more.',
    );
  });

  it('has the right cost of an instance', () => {
    says(`| $2.49 | 11 seconds | ${cost('2.49', 11)} |`);
    says(`| $2.49 | 1 hour | ${cost('2.49', 3600)} |`);
    says(`| $2.49 | 1 h 30 min 7 s | ${cost('2.49', 5407)} |`);
    says(`1,801 seconds at $2.49 are ${cost('2.49', 1801)}, and the next 1,799 at $1.99 are ${cost('1.99', 1799)}`);
  });

  it('has the right amount returned after a stop in the past', () => {
    const settled = settleInstance(start(paidIn('15'), 'a', '2.49'), settings, 'a', NOON + 3600).account;
    const stop = { instanceId: 'a', reason: 'stopped' as const, closedSegments: [], atSecond: NOON + 3000 };
    const back = stopInstance(settled, settings, stop, NOON + 3600).account.postedMicros - settled.postedMicros;
    says(`it cost ${cost('2.49', 3000)}, and ${dollars(micros(back))} comes back`);
  });

  it('has the right second at which credit runs out', () => {
    const running = start(start(start(paidIn('15'), 'a', '2.49'), 'b', '1.99'), 'c', '0.79');
    const last = exhaustionSecond(running) as number;
    const costs = running.meters.map((meter) => dollars(costMicros(meter.rateMicrosPerHour, last - NOON)));
    const left = advance(running, settings, last + 86_400).account.postedMicros;
    says(`At ${clock(last)} they have cost ${costs[0]}, ${costs[1]} and ${costs[2]}, and ${dollars(left)} is left`);
    says(`so X is ${clock(last)}`);
  });

  it('has the right order in which instances end', () => {
    const inOrder = (account: Account, instanceId: string, hourly: string, shedOrder: number | null) =>
      startInstance(account, settings, { ...givenOrder(instanceId, parseDollars(hourly)), shedOrder }, NOON).account;
    const running = inOrder(inOrder(inOrder(paidIn('15'), 'render', '7200', 1), 'train', '3.6', 2), 'web', '1.8', null);
    const ends = advance(running, settings, NOON + 86_400).effects.flatMap((effect) =>
      effect.kind === 'instance_ended' ? [[effect.instanceId, clock(effect.endSecond)]] : [],
    );
    const [render, train, web] = ends;
    expect([render?.[0], train?.[0], web?.[0]]).toEqual(['render', 'train', 'web']);
    says(`\`render\` ends at ${render?.[1]}, \`train\` at ${train?.[1]}, \`web\` at ${web?.[1]}.`);
  });

  it('has the right discounts, and the default tiers', () => {
    says(`$2.49 less 5 % is ${dollars(discountedMicros(parseDollars('2.49'), 500))}`);
    for (const { spendMicros, basisPoints } of settings.volumeTiers)
      says(`| ${formatForPeople(spendMicros).replace('.00', '')} | ${basisPoints / 100} % |`);
    const untilTwelve = { basisPoints: 1_000, untilSecond: NOON };
    const atTen = creditDeposit(
      emptyAccount('acme', NOON - 7_200),
      { ...settings, volumeTiers: [] },
      { depositId: 'd', amountMicros: parseDollars('100') },
      NOON - 7_200,
    ).account;
    const assigned = assignDiscount(atTen, settings, untilTwelve, NOON - 7_200).account;
    const listed = { ...givenOrder('a', parseDollars('3')), given: false };
    const running = startInstance(assigned, { ...settings, volumeTiers: [] }, listed, NOON - 7_200).account;
    const later = advance(running, { ...settings, volumeTiers: [] }, NOON + 1).account;
    says(`To 12:00:00 it costs ${dollars(subtract(parseDollars('100'), later.postedMicros))}`);
    expect(later.meters[0]?.rateMicrosPerHour).toBe(parseDollars('3'));
  });

  it('has the right instance that a reservation covers', () => {
    const reserved = openReservation(
      paidIn('100'),
      settings,
      {
        reservationId: 'r',
        gpuType: 'any',
        region: 'anywhere',
        count: 1,
        term: '1m',
        renew: false,
        unitMicrosPerHour: parseDollars('1'),
      },
      NOON,
    ).account;
    const flat = { ...settings, volumeTiers: [] };
    const listed = (instanceId: string, hourly: string) => ({
      ...givenOrder(instanceId, parseDollars(hourly)),
      given: false,
    });
    const rates = (account: Account) =>
      Object.fromEntries(account.meters.map((meter) => [meter.instanceId, meter.rateMicrosPerHour]));
    const first = startInstance(reserved, flat, listed('a', '2.49'), NOON).account;
    expect(rates(first)).toEqual({ a: 0 });
    const second = startInstance(first, flat, listed('b', '3.99'), NOON + 10).account;
    expect(rates(second)).toEqual({ a: 2_490_000, b: 0 });
    const stop = { instanceId: 'b', reason: 'stopped' as const, closedSegments: [] };
    expect(rates(stopInstance(second, flat, stop, NOON + 20).account)).toEqual({ a: 0 });
    expect(formatSecond(addMonths(Date.UTC(2027, 0, 31) / 1000, 1))).toBe('2027-02-28T00:00:00Z');
    expect(formatSecond(addMonths(Date.UTC(2027, 0, 31) / 1000, 2))).toBe('2027-03-31T00:00:00Z');
    says('(31 January and a month is 28 February; renewed, the next month ends on 31 March)');
  });

  it('has the right amounts that a hold sets aside and releases', () => {
    const price = { inputMicrosPerMillion: parseDollars('0.15'), outputMicrosPerMillion: parseDollars('0.6') };
    const amountMicros = holdMicrosFor(tokensCost(price, 8_000, 2_000));
    const held = placeHold(paidIn('15'), settings, { amountMicros, ttlSeconds: 60 }, NOON).account;
    says(`${dollars(held.heldMicros)} is held`);
    const hold = { holdId: 'h', amountMicros, expiresSecond: NOON + 60 };
    const usage = { eventId: 'e', cost: tokensCost(price, 5_000, 500), holds: [hold] };
    const used = recordUsage(held, settings, usage, NOON + 10).account;
    expect(used.heldMicros).toBe(0);
    const charged = subtract(parseDollars('15'), used.postedMicros);
    says(`${dollars(charged)} is charged, and ${dollars(subtract(amountMicros, charged))} is free again`);
  });

  it('has the right seconds at which the card is charged', () => {
    const running = topUp(start(paidIn('25'), 'a', '2.49'), '20', '50');
    const due = nextCrossing(running, settings)?.second as number;
    const at = (second: number) => `At ${clock(second)} there is ${dollars(spendableMicros(running, second))}`;
    says(`${at(due - 1)} available. ${at(due)}: the card is charged`);
  });

  it('has the right end of credit for a burn that top-ups cannot cover', () => {
    let account = topUp(start(paidIn('30'), 'a', '240'), '20', '15');
    const charged: string[] = [];
    for (let next = nextCrossing(account, settings); next?.what === 'top_up'; next = nextCrossing(account, settings)) {
      account = advance(account, settings, next.second).account;
      charged.push((next.second - NOON).toLocaleString('en'));
      account = deposit(account, '15', next.second, account.attempt?.depositId);
    }
    const end = nextCrossing(account, settings);
    expect(end?.what).toBe('exhaustion');
    const seconds = (end?.second as number) - NOON;
    says(`charged after ${charged.slice(0, -1).join(', ')} and ${charged.at(-1)} seconds`);
    says(
      `After ${seconds.toLocaleString('en')} seconds the $${30 + 15 * charged.length}.00 are used up to the last cent`,
    );
    expect(advance(account, settings, end?.second as number).account.postedMicros).toBe(0);
  });

  it('has the right result of a charge in flight at the end of credit', () => {
    const running = topUp(start(paidIn('15'), 'a', '36'), '5', '15');
    expect(nextCrossing(running, settings)?.second).toBe(NOON + 1001);
    const waiting = advance(running, settings, NOON + 1520).account;
    expect(waiting.standsAtSecond).toBe(NOON + 1500);
    says('The charge begins after 1,001 seconds; X is after 1,500. The bank takes until 1,520.');

    const depositId = waiting.attempt?.depositId as string;
    const yes = deposit(waiting, '15', NOON + 1520, depositId);
    says(`the instance ran on, and ${dollars(spendableMicros(yes, NOON + 1520))} is available`);
    const no = failAttempt(waiting, settings, depositId, NOON + 1520);
    expect(no.effects).toContainEqual(expect.objectContaining({ kind: 'instance_ended', endSecond: NOON + 1500 }));
    expect(no.account.policy?.enabled).toBe(false);
  });

  it('has the right second of the low-balance mail', () => {
    const low = advance(start(paidIn('11'), 'a', '36'), settings, NOON + 200);
    expect(low.effects).toContainEqual(expect.objectContaining({ kind: 'low', second: NOON + 101 }));
    expect(deposit(low.account, '1.99', NOON + 200).lowArmed).toBe(false);
    expect(deposit(low.account, '2', NOON + 200).lowArmed).toBe(true);
    says('no second one until you have been at $11.00 or more again');
  });

  it('has the right refund, and the right dispute of a partly used deposit', () => {
    const used = (account: Account, cost: string) =>
      recordUsage(account, settings, { eventId: 'e', cost: BigInt(parseDollars(cost)) * 1_000_000n }, NOON).account;
    const of = (credited: string) => ({
      depositId: `dep_${NOON}`,
      creditedMicros: parseDollars(credited),
      refundedMicros: micros(0),
      disputes: [],
    });
    const after = requestRefund(
      used(paidIn('100'), '30.000001'),
      settings,
      { refundId: 'r', deposit: of('100'), amountMicros: null },
      NOON,
    );
    says(
      `$30.000001 of it is used. $${formatDollars(after.amountMicros).slice(0, -4)} can be refunded. Refunded, ${dollars(spendableMicros(after.account, NOON))} is left`,
    );
    const claim = { disputeId: 'd', claimedMicros: parseDollars('50') };
    const opened = { deposit: of('50'), standing: { ...claim, status: 'open' as const } };
    const held = recordDispute(used(paidIn('50'), '30'), settings, opened, NOON).account;
    expect([held.heldMicros, spendableMicros(held, NOON)]).toEqual([parseDollars('20'), 0]);
    says('$20.00 is held and $0.00 is available');
    const open = { ...opened.standing, takenMicros: micros(0), turn: 0, lostReference: null };
    const decided = { deposit: { ...of('50'), disputes: [open] }, standing: { ...claim, status: 'lost' as const } };
    const lost = recordDispute(held, settings, decided, NOON).account;
    expect([lost.postedMicros, lost.owedMicros]).toEqual([0, parseDollars('30')]);
    says('Lost, the $20.00 is gone and $30.00 is owed');
    const paid = deposit(lost, '100', NOON + 1);
    expect([spendableMicros(paid, NOON + 1), paid.owedMicros]).toEqual([parseDollars('70'), 0]);
    says('You pay in $100.00; $70.00 is available and nothing is owed');
  });

  it('has the right cost of tokens and the right owed amount', () => {
    const price = { inputMicrosPerMillion: parseDollars('0.15'), outputMicrosPerMillion: parseDollars('0.60') };
    const use = (account: Account, input: number, output: number, eventId: string) =>
      recordUsage(account, settings, { eventId, cost: tokensCost(price, input, output) }, NOON).account;
    let account = paidIn('15');
    const charges = Array.from({ length: 10 }, (_, i) => {
      const before = account.postedMicros;
      account = use(account, 1234, 567, `e${i}`);
      return dollars(micros(before - account.postedMicros));
    });
    expect(charges.slice(0, 3)).toEqual(['$0.000525', '$0.000525', '$0.000525']);
    says(`The first is charged as ${charges[0]}`);
    says(
      `the fourth is charged as ${charges[3]}. Ten of them come to ${dollars(micros(15_000_000 - account.postedMicros))}`,
    );

    const owing = use(paidIn('15'), 80_000_000, 10_000_000, 'big');
    expect([owing.postedMicros, owing.owedMicros]).toEqual([0, parseDollars('3')]);
    const after = deposit(owing, '50', NOON + 1);
    expect([after.postedMicros, after.owedMicros]).toEqual([parseDollars('47'), 0]);
    says('your balance is $0.00 and $3.00 is owed. You pay in $50.00; $47.00 is available and nothing is owed.');
  });

  it('ends instances at the last second within a budget', () => {
    const budget = { project: 'p', period: 'day', action: 'stop', amountMicros: parseDollars('40') } as const;
    const alerts = { budgets: [budget], lowLevelsMicros: null, burnLimitMicros: null, spendOf: () => NOTHING_SPENT };
    let account = setAlerts(paidIn('100'), settings, alerts, NOON).account;
    for (const [id, hourly] of [
      ['a', '2.49'],
      ['b', '9.96'],
    ] as const)
      account = startInstance(account, settings, givenOrder(id, parseDollars(hourly), 'p'), NOON).account;
    const { effects } = advance(account, settings, NOON + 86_000);
    const [end, other] = effects.flatMap((effect) => (effect.kind === 'instance_ended' ? [effect.endSecond] : []));
    expect(end).toBe(other);
    const spent = (second: number) =>
      dollars(
        micros(costMicros(parseDollars('2.49'), second - NOON) + costMicros(parseDollars('9.96'), second - NOON)),
      );
    says(
      `At ${clock(end ?? 0)} they have cost ${spent(end ?? 0)}; one second more would make it ${spent((end ?? 0) + 1)}`,
    );
    says(`Both end at ${clock(end ?? 0)}.`);
  });

  it('has the right credit for a crypto deposit', () => {
    says(`(${crypto?.confirmations} blocks, unless it says otherwise)`);
    const asked = parseDollars('100');
    const state = (received: string) =>
      cryptoStatus({ expectedMicros: asked, receivedMicros: parseDollars(received), expired: false });
    expect([state('60'), state('100'), state('150')]).toEqual(['pending', 'succeeded', 'succeeded']);
    says('send 60: $60.00 is credited, and the page stays open for the rest');
    says('Sent 150 at once, $150.00 is credited');
    says(`60.12345678 coins are ${dollars(coinUnitsToMicrosFloor('6012345678'))}`);
  });
});
