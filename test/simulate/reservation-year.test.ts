/**
 * Tests a year of a reservation in skipped time: four terms of three months, a covered instance, and price changes
 * during the year.
 */
import { setTimeout as realTime } from 'node:timers/promises';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { getReservation } from '../../prisma/reservations.ts';
import { createTeam } from '../../prisma/teams.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import type { Engine } from '../../simulate/engine.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { admit, admitReservation, reservationState, workflowId } from '../../workflows/messages.ts';
import { startOptions } from '../../workflows/start-options.ts';
import { useEngine } from '../support/use-engine.ts';
import { dollars } from './charged-team.ts';

const DAY = 86_400;
const gpuType = 'b200';
const region = 'eu';
const teamId = 'acme';
const COUNT = 3;
const ON_DEMAND = 4_000_003;
/** What one costs an hour, reserved for three months, from the middle of each quarter on; no cost is a whole micro. */
const RESERVED = [2_000_011, 2_300_003, 2_111_111, 2_700_007];

let surroundings: Surroundings;
let engine: Engine;
useEngine((started, around) => {
  engine = started;
  ({ surroundings } = around);
});

/** The same day of a month to come, by the calendar of JavaScript and not by ours: none of these days is a 29th, 30th or 31st. */
const monthsLater = (second: number, months: number): number =>
  new Date(second * 1_000).setUTCMonth(new Date(second * 1_000).getUTCMonth() + months) / 1_000;

function list(reserved: number) {
  const each = micros(reserved);
  const reservedMicros = { '1m': each, '3m': each, '6m': each, '12m': each };
  const price = { gpuType, region, onDemandMicros: micros(ON_DEMAND), spotMicros: each, reservedMicros };
  return engine.ledger.changeGpuPrice({ price, effectiveFromSecond: null, actor: 'me', nowSecond: engine.clock.now });
}

const requestOf = (receivedSecond: number) => ({
  receivedSecond,
  callId: `call_${receivedSecond}`,
  notAfterMs: Number.MAX_SAFE_INTEGER,
  settleEveryMs: 40 * DAY * 1_000,
});

async function reserve(id: string): Promise<void> {
  const spec = { id, teamId, gpuType, region, count: COUNT, term: '3m' as const, renew: true, requestHash: id };
  const input = { spec, ...requestOf(engine.clock.now) };
  const admission = await engine.client.workflow.executeUpdateWithStart(admitReservation, {
    args: [{ requestHash: id }],
    startWorkflowOperation: new WithStartWorkflowOperation('reservation', {
      ...startOptions.reservation(input, 'req'),
      workflowIdConflictPolicy: 'USE_EXISTING',
    }),
  });
  expect(admission).toMatchObject({ status: 'admitted', startSecond: engine.clock.now });
}

async function start(id: string): Promise<void> {
  const spec = {
    ...{ id, teamId, gpuType, region, project: null, hourlyMicros: null, shedOrder: null, resumedFrom: null },
    pricing: 'reserved' as const,
    requestHash: id,
  };
  const input = { spec, rateMicrosPerHour: micros(ON_DEMAND), ...requestOf(engine.clock.now) };
  const admission = await engine.client.workflow.executeUpdateWithStart(admit, {
    args: [{ requestHash: id }],
    startWorkflowOperation: new WithStartWorkflowOperation('instance', {
      ...startOptions.instance(input, 'req'),
      workflowIdConflictPolicy: 'USE_EXISTING',
    }),
  });
  expect(admission).toMatchObject({ status: 'admitted', rateMicrosPerHour: 0 });
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await isSo()); looks += 1) {
    if (looks > 1_500) throw new Error(`it did not come about: ${what}`);
    await realTime(20);
  }
}

it('a reservation of a year has four terms, each at the price of its first second, with two reminders and an exact bill', async () => {
  const { clock, db, ledger, client, wake } = engine;
  await createTeam(db, { id: teamId, name: 'Acme', email: 'acme@teams.example' }, clock.second(0));
  // The day of a month that every month has, so that the calendar of the test need not know about month ends.
  const today = new Date(clock.now * 1_000).getUTCDate();
  await clock.goTo(today > 27 ? 5 * DAY : 0);
  const begun = clock.now;
  const terms = [0, 3, 6, 9, 12].map((months) => monthsLater(begun, months));
  const goTo = (second: number) => clock.goTo(clock.offset(second));

  const credit = 100_000;
  const grant = { teamId, grantId: 'g', amountMicros: dollars(credit), note: 'a year', nowSecond: begun };
  await ledger.grant(grant, 'test');
  await list(RESERVED[0] as number);
  await reserve('year');
  await goTo(begun + 12_345);
  await start('covered');

  for (const quarter of [1, 2, 3]) {
    await goTo((terms[quarter] as number) - 30 * DAY);
    await list(RESERVED[quarter] as number);
    await goTo((terms[quarter] as number) + 30);
    await until(`term ${quarter + 1}`, async () => (await db.reservationTerm.count()) === quarter + 1);
  }
  // The list goes on changing, which moves no term; and nobody wants a fifth.
  await list(2_600_000);
  await goTo((terms[4] as number) - 20 * DAY);
  await ledger.setRenewal({ reservationId: 'year', renew: false, nowSecond: clock.now }, 'test');
  await wake.watch(teamId);
  await goTo((terms[4] as number) + 10 * DAY + 7);
  const stopped = clock.now;
  const receipt = await ledger.stopInstance(
    { instanceId: 'covered', reason: 'stopped', nowSecond: stopped, platformAsked: true },
    'test',
  );
  await Promise.all([wake.instance('covered'), wake.watch(teamId)]);

  // By the words of the rules: each term is floor(rate × seconds / 3600), and the instance pays from the end of the last.
  const termCosts = RESERVED.map((each, i) => {
    const seconds = BigInt((terms[i + 1] as number) - (terms[i] as number));
    return (BigInt(each) * BigInt(COUNT) * seconds) / 3_600n;
  });
  const reservationCost = termCosts.reduce((sum, cost) => sum + cost, 0n);
  const instanceCost = (BigInt(ON_DEMAND) * BigInt(stopped - (terms[4] as number))) / 3_600n;

  const result = await client.workflow.getHandle(workflowId.reservation('year')).result();
  expect(result).toEqual({
    reservationId: 'year',
    teamId,
    startSecond: begun,
    endSecond: terms[4],
    terms: 4,
    costMicros: Number(reservationCost),
    how: 'ended',
  });
  const rows = await db.reservationTerm.findMany({ orderBy: { termNumber: 'asc' } });
  expect(rows.map((row) => [Number(row.startSecond), Number(row.closedSecond), row.rateMicrosPerHour])).toEqual(
    RESERVED.map((each, i) => [terms[i], terms[i + 1], BigInt(each * COUNT)]),
  );
  expect(rows.map(({ postedMicros }) => postedMicros)).toEqual(termCosts);
  expect(receipt).toMatchObject({ startSecond: begun + 12_345, endSecond: stopped, costMicros: Number(instanceCost) });
  const segments = await db.segment.findMany({ orderBy: { segment: 'asc' } });
  expect(
    segments.map(({ coveredBy, startSecond, endSecond }) => [coveredBy, Number(startSecond), Number(endSecond)]),
  ).toEqual([
    ['year', begun + 12_345, terms[4]],
    [null, terms[4], stopped],
  ]);

  // The ledger says the same, by its rows alone.
  const transfers = await db.transfer.findMany();
  const sumOf = (code: string) =>
    transfers.filter((row) => row.code === code).reduce((sum, row) => sum + row.amountMicros, 0n);
  expect(sumOf('reservation_usage')).toBe(reservationCost);
  expect(sumOf('instance_usage')).toBe(instanceCost);
  const { postedMicros } = await db.account.findUniqueOrThrow({ where: { teamId } });
  expect(postedMicros).toBe(BigInt(credit) * 1_000_000n - reservationCost - instanceCost);
  expect(await trialBalance(db)).toMatchObject({ balanced: true });

  // Each reminder once, a week and a day before each end, in its very second; each end once; and all of them mailed.
  const mails = async () => (await noticesOf(db, teamId)).filter(({ kind }) => kind.startsWith('reservation_'));
  await until('all mails', async () => (await mails()).every(({ sentSecond }) => sentSecond !== null));
  const ends = terms.slice(1);
  expect((await mails()).map(({ kind, second, data }) => [kind, second, data.days ?? data.how])).toEqual(
    ends.flatMap((end, i) => [
      ['reservation_ending', end - 7 * DAY, 7],
      ['reservation_ending', end - DAY, 1],
      ['reservation_ended', end, i === 3 ? 'ended' : 'renewed'],
    ]),
  );
  const subjects = surroundings.inbox.messages().map(({ subject }) => subject);
  expect(subjects.filter((subject) => subject.includes('ends in'))).toHaveLength(2);
  expect(subjects.filter((subject) => subject.includes('is renewed in'))).toHaveLength(6);
  expect(subjects.filter((subject) => subject.includes('was renewed ('))).toHaveLength(3);
  expect(subjects.filter((subject) => subject.includes('has ended ('))).toHaveLength(1);
  expect((await getReservation(db, 'year')).endedSecond).toBe(terms[4]);
  expect(await client.workflow.getHandle(workflowId.reservation('year')).query(reservationState)).toMatchObject({
    state: 'ended',
    costMicros: Number(reservationCost),
  });
});
