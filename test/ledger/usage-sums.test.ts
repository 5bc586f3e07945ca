/** Tests that sums of usage agree with the ledger, for random facts, ranges, groupings and time zones. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readUsageSums } from '../../api/views/usage-sums.ts';
import { parseDollars } from '../../billing/money.ts';
import { GROUPED_BY, type GroupedBy } from '../../billing/usage-groups.ts';
import { ofBudget } from '../support/budget.ts';
import { type Desk, type Office, openOffice, SETTINGS, usageEvent } from './desk.ts';

/** A week before the clocks of Berlin go back. */
const START = Date.parse('2026-10-18T00:00:00Z') / 1000;
const ZONES = [
  ...['Pacific/Pago_Pago', 'Asia/Kolkata', 'Asia/Kathmandu', 'Pacific/Kiritimati', 'Europe/Berlin', 'UTC'],
];
const HOURLIES = ['0.000007', '1', '2.490001', '36.123456'];
const MODELS = ['model-a', 'model-b'];
const PROJECTS = ['vision', null];

let office: Office;
let one: Desk;
let teams = 0;
beforeAll(async () => {
  office = await openOffice();
  one = office.one;
});
afterAll(() => office?.close());

/** Mostly around hours, sometimes days: a list of these crosses the change of the clocks. */
const wait = fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 2 * 86_400 }));
const fact = fc.record({
  wait,
  kind: fc.constantFrom('start', 'stop', 'stop back', 'settle', 'tokens', 'tokens', 'tokens', 'reserve'),
  pick: fc.nat({ max: 1000 }),
});
type Fact = { wait: number; kind: string; pick: number };

interface Ran {
  id: string;
  rate: bigint;
  start: number;
  end: number | null;
  /** When the end was recorded. */
  recorded: number | null;
}

const of = <T>(list: readonly T[], pick: number): T => list[pick % list.length] as T;

/** Records the facts. Answers the instances, the reservations and the second of the last fact. */
async function play(teamId: string, facts: readonly Fact[]): Promise<{ ran: Ran[]; reserved: Ran[]; last: number }> {
  const [ran, reserved]: [Ran[], Ran[]] = [[], []];
  let second = START;
  for (const [index, { wait: waited, kind, pick }] of facts.entries()) {
    second += waited;
    const id = `${teamId}-${index}`;
    const running = ran.filter(({ end }) => end === null);
    const some = running.length > 0 ? of(running, pick) : undefined;
    if (kind === 'start') {
      const hourly = of(HOURLIES, pick);
      await one.start({ teamId, id, hourly, at: second });
      ran.push({ id, rate: BigInt(parseDollars(hourly)), start: second, end: null, recorded: null });
    } else if (kind === 'reserve') {
      const gpuType = 'reserved-gpu';
      const { rateMicrosPerHour } = (await one.reserve({ teamId, id, gpuType, at: second })) as {
        rateMicrosPerHour: number;
      };
      reserved.push({ id, rate: BigInt(rateMicrosPerHour), start: second, end: null, recorded: null });
    } else if (kind === 'tokens') {
      const events = [0, 1].map((n) =>
        usageEvent(teamId, `${id}-${n}`, pick * 7 + n, { model: of(MODELS, pick + n), project: of(PROJECTS, pick) }),
      );
      await one.useAll(events, second);
    } else if (some && kind === 'settle') await one.settle(some.id, second);
    else if (some) {
      const backTo = kind === 'stop back' ? Math.max(some.start, second - (pick % 5_000)) : second;
      await one.stop(some.id, second, { backTo });
      [some.end, some.recorded] = [backTo, second];
    }
  }
  return { ran, reserved, last: second };
}

const cost = ({ rate, start }: Ran, second: number): bigint =>
  second <= start ? 0n : (rate * BigInt(second - start)) / 3600n;

const USED = ['instance_usage', 'reservation_usage', 'token_usage', 'owed_usage'];
async function rows(teamId: string, from: number, to: number): Promise<{ tokens: bigint; meters: bigint }> {
  const all = await one.db.transfer.findMany({ where: { teamId, second: { gte: from, lt: to } } });
  const sum = (codes: string[]) =>
    all.reduce((total, row) => total + (codes.includes(row.code) ? row.amountMicros : 0n), 0n);
  return { tokens: sum(USED.slice(2)), meters: sum(USED.slice(0, 2)) - sum(['instance_correction']) };
}

const micros = (dollars: string) => BigInt(dollars.replace('.', ''));

it('sums of any range and grouping re-add to its total, and the total agrees with the ledger', async () => {
  await one.list('reserved-gpu', '2.000002', START - 1);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fact, { minLength: 3, maxLength: 25 }),
      fc.tuple(fc.nat({ max: 1_000_000 }), fc.nat({ max: 1_000_000 })),
      fc.uniqueArray(fc.constantFrom(...GROUPED_BY), { minLength: 1, maxLength: 2 }),
      fc.constantFrom(...ZONES),
      async (facts, [a, b], by, timeZone) => {
        teams += 1;
        const teamId = await one.team(`summed-${teams}`, undefined);
        await one.grant(teamId, `${teamId}-credit`, '1000000', START);
        const { ran, reserved, last } = await play(teamId, facts);
        const now = last + 1;
        const length = now - START;
        const [from, to] = [START + (Math.min(a, b) % length), START + 1 + (Math.max(a, b) % length)].sort(
          (x, y) => x - y,
        ) as [number, number];
        const read = (grouping: readonly GroupedBy[], more: object) =>
          readUsageSums(one.db, SETTINGS, { teamId, nowSecond: now }, { by: grouping, timeZone, ...more });

        const sums = await read(by, { fromSecond: from, toSecond: to + 1 });
        const total = micros(sums.total);
        expect(sums.data.reduce((sum, group) => sum + micros(group.cost), 0n)).toBe(total);
        expect((await read(['month'], { fromSecond: from, toSecond: to + 1 })).total).toBe(sums.total);

        // Ledger rows in the range, what is accrued and not posted at its ends, and corrections recorded later.
        const meters = [...ran, ...reserved];
        const known = ({ end, recorded }: Ran, second: number) =>
          end !== null && recorded !== null && recorded < second ? Math.min(end, second) : second;
        const accrued = async (second: number) =>
          meters.reduce((sum, each) => sum + cost(each, known(each, second)), 0n) -
          (await rows(teamId, 0, second)).meters;
        const corrected = (second: number) =>
          meters.reduce(
            (sum, each) => sum + cost(each, Math.min(each.end ?? second, second)) - cost(each, known(each, second)),
            0n,
          );
        const { tokens, meters: posted } = await rows(teamId, from, to + 1);
        const [before, after] = [await accrued(from), await accrued(to + 1)];
        expect(before >= 0n && after >= 0n).toBe(true);
        expect(total).toBe(tokens + posted + after - before + corrected(to + 1) - corrected(from));

        // Over all time, with every meter ended and posted but the reservations, which run.
        for (const { id, end } of ran) if (end === null) await one.stop(id, now);
        for (const { id } of reserved) await one.settleReservation(id, now);
        const whole = await rows(teamId, 0, now + 1);
        expect(micros((await read(['instance'], {})).total)).toBe(whole.tokens + whole.meters);
      },
    ),
    { numRuns: ofBudget({ test: 10, long: 300 }) },
  );
});

it('token sums by the quarter hour are the sums of the events', async () => {
  const rollup = await one.db.$queryRaw<Array<{ same: boolean }>>`
    SELECT NOT EXISTS (
      (SELECT team_id, second - second % 900, model, COALESCE(project, ''), COUNT(*), SUM(input_tokens)::numeric, SUM(output_tokens)::numeric, SUM(charge_micros)::bigint
       FROM usage_events GROUP BY 1, 2, 3, 4
       EXCEPT SELECT team_id, quarter_second, model, project, events, input_tokens, output_tokens, charge_micros FROM token_quarters)
    ) AND (SELECT SUM(events) FROM token_quarters) = (SELECT COUNT(*) FROM usage_events) AS same`;
  expect(rollup).toEqual([{ same: true }]);
});
