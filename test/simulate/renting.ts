/** Teams that rent from the price list in skipped time, in one line a fact; and how what they got is read. */
import { setTimeout as realTime } from 'node:timers/promises';
import { nextCrossing } from '../../billing/crossings.ts';
import { micros, parseDollars } from '../../billing/money.ts';
import type { GpuPrice, Pricing } from '../../billing/prices.ts';
import type { StartedInstance } from '../../ledger/starting.ts';
import { readAccount } from '../../prisma/accounts.ts';
import { getInstance, type Instance } from '../../prisma/instances.ts';
import { segmentsOf } from '../../prisma/segments.ts';
import { createTeam } from '../../prisma/teams.ts';
import type { Engine } from '../../simulate/engine.ts';
import { SCENARIO_SETTINGS } from '../../simulate/simulate.ts';
import { inputOfStarted, startInstanceWorkflow } from '../../workflows/signals.ts';

export const HOUR = 3_600;
export const PAIR = { gpuType: 'story-gpu', region: 'story-1' };

/** A list price whose reserved terms are 30 to 50 % below its on-demand price. */
export function priceOf(onDemand: string, spot: string, effectiveSecond: number): GpuPrice {
  const onDemandMicros = parseDollars(onDemand);
  const share = (percent: number) => micros((BigInt(onDemandMicros) * BigInt(percent)) / 100n);
  return {
    ...PAIR,
    effectiveSecond,
    onDemandMicros,
    spotMicros: parseDollars(spot),
    reservedMicros: { '1m': share(70), '3m': share(65), '6m': share(60), '12m': share(50) },
    withdrawn: false,
  };
}

export async function aTeam({ db, ledger, clock }: Engine, teamId: string, credit: string): Promise<void> {
  await createTeam(db, { id: teamId, name: teamId, email: `${teamId}@teams.example` }, clock.second(0));
  const grant = { teamId, grantId: `grant-${teamId}`, amountMicros: parseDollars(credit), note: 'to begin with' };
  await ledger.grant({ ...grant, nowSecond: clock.now }, 'test');
}

/** As an operator does it: from a second on, or at once; the watches that it concerns are woken. */
export async function changePrice(
  { ledger, wake, clock }: Engine,
  price: GpuPrice,
  from: number | null,
): Promise<void> {
  const change = { price, effectiveFromSecond: from, actor: 'platform', nowSecond: clock.now };
  const { teamIds } = await ledger.changeGpuPrice(change);
  for (const teamId of teamIds) await wake.watch(teamId);
}

interface StartOrder {
  teamId: string;
  id: string;
  pricing?: Pricing;
  hourly?: string;
  shedOrder?: number;
}

/** Records a start, as the api does before it starts the workflow. */
export function recordStart({ ledger, clock }: Engine, order: StartOrder): Promise<StartedInstance> {
  const { teamId, id, pricing = 'on_demand', hourly, shedOrder } = order;
  const hourlyMicros = hourly === undefined ? null : parseDollars(hourly);
  const spec = { id, teamId, project: null, ...PAIR, pricing, hourlyMicros, shedOrder: shedOrder ?? null };
  const whole = { ...spec, resumedFrom: null, requestHash: JSON.stringify(order) };
  return ledger.startInstance({ spec: whole, receivedSecond: clock.now }, 'test');
}

/** Starts an instance as the api does. */
export async function start(engine: Engine, order: StartOrder): Promise<Instance> {
  const started = await recordStart(engine, order);
  await startInstanceWorkflow(engine.client, inputOfStarted(started, 6 * HOUR * 1000), 'test');
  await engine.wake.watch(order.teamId);
  return started.instance;
}

/** Waits, in real time, until the watch has recorded and handed on whatever the clock has brought a team. */
export async function untilQuiet({ db, clock, wake }: Engine, teamId: string): Promise<void> {
  // A look at changed rates may be put off: it is made now.
  await wake.watch(teamId);
  for (let looks = 0; looks < 1500; looks += 1) {
    const next = nextCrossing(await readAccount(db, teamId, { throughSecond: clock.now }), SCENARIO_SETTINGS);
    const unsent = await db.notice.count({ where: { teamId, sentSecond: null } });
    if ((next === null || next.second > clock.now) && unsent === 0) return;
    await realTime(20);
  }
  throw new Error(`${teamId} does not come to rest`);
}

/** Where an instance ended, and why; its segments by what each cost an hour. */
export async function sawOf({ db, clock }: Engine, id: string) {
  const { endSecond, reason } = await getInstance(db, id);
  const segments = (await segmentsOf(db, [id])).map(
    ({ rateMicrosPerHour, startSecond, endSecond: to, postedMicros, priced }) => ({
      rate: Number(rateMicrosPerHour),
      from: clock.offset(startSecond),
      to: to === null ? null : clock.offset(to),
      posted: Number(postedMicros),
      priced,
    }),
  );
  return { endedAt: endSecond === null ? null : clock.offset(endSecond), reason, segments };
}

/** The cost of a stretch by the words of the rules, apart from the product. */
export const costOf = (rate: number, seconds: number): number => Number((BigInt(rate) * BigInt(seconds)) / 3_600n);
