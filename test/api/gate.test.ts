/**
 * Tests the limit of concurrent calls, with service times that the test sets: how many calls are served, which calls,
 * and in what order.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AdaptiveLimit } from '../../api/http/adaptive-limit.ts';
import { CALL_CAPACITY, createGates } from '../../api/http/capacity.ts';
import { Overloaded } from '../../api/http/errors.ts';
import { Gate, type GateRefusal } from '../../api/http/gate.ts';

const refusals: GateRefusal[] = [];
const newGate = (change = {}) => new Gate({ ...CALL_CAPACITY, ...change }, (why) => refusals.push(why));

beforeEach(() => {
  refusals.length = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
type Outcome = 'served' | 'refused';
const outcomeOf = (call: Promise<unknown>): Promise<Outcome> =>
  call.then(
    () => 'served' as const,
    (error) => {
      if (error instanceof Overloaded) return 'refused' as const;
      throw error;
    },
  );
const count = (outcomes: readonly Outcome[], which: Outcome) => outcomes.filter((one) => one === which).length;

/** Offers calls at once, each of which takes `ms`, and plays the time until all have an outcome. */
async function offer(gate: Gate, calls: number, ms: number, team = (index: number) => `team-${index}`) {
  const outcomes = Promise.all(
    Array.from({ length: calls }, (_, index) => outcomeOf(gate.run(team(index), () => pause(ms)))),
  );
  await vi.advanceTimersByTimeAsync(60_000);
  return outcomes;
}

describe('concurrent calls', () => {
  it.each([1, 500, 3_000, 9_000])(
    'are all served when they are 32 and each takes %i ms, in each of five rounds',
    async (ms) => {
      const gate = newGate();
      for (let round = 0; round < 5; round += 1) expect(count(await offer(gate, 32, ms), 'served')).toBe(32);
      expect(refusals).toEqual([]);
    },
  );

  it('are served in no smaller number when more calls are offered', async () => {
    for (const ms of [2, 20, 200, 900, 4_000]) {
      let before = 0;
      for (const offered of [1, 8, 32, 64, 128, 256, 512]) {
        const gate = newGate();
        await offer(gate, 64, ms);
        const served = count(await offer(gate, offered, ms), 'served');
        expect(served, `${offered} calls of ${ms} ms`).toBeGreaterThanOrEqual(before);
        before = served;
      }
    }
  });

  it('never run in a greater number than the limit', async () => {
    const gate = newGate();
    let most = 0;
    let now = 0;
    const work = async () => {
      now += 1;
      most = Math.max(most, now);
      await pause(50);
      now -= 1;
    };
    const calls = Promise.all(Array.from({ length: 200 }, (_, index) => outcomeOf(gate.run(`t${index}`, work))));
    await vi.advanceTimersByTimeAsync(10_000);
    await calls;
    expect(most).toBeGreaterThanOrEqual(CALL_CAPACITY.floor);
    expect(most).toBeLessThanOrEqual(CALL_CAPACITY.floor + 8);
    expect(gate.state).toMatchObject({ running: 0, waiting: 0 });
  });

  it('beyond the queue are refused at once, and their work does not begin', async () => {
    const gate = newGate();
    let begun = 0;
    const work = async () => {
      begun += 1;
      await pause(500);
    };
    const outcomes: Outcome[] = [];
    for (let index = 0; index < 100; index += 1)
      void outcomeOf(gate.run(`t${index}`, work)).then((outcome) => outcomes.push(outcome));
    await vi.advanceTimersByTimeAsync(0);
    expect(outcomes).toEqual(Array(36).fill('refused'));
    expect(begun).toBe(32);
    expect(refusals).toEqual(Array(36).fill('full'));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(begun).toBe(64);
  });

  it('in the queue are refused when they have waited too long', async () => {
    const gate = newGate();
    const outcomes = await offer(gate, 64, 5_000);
    expect([count(outcomes, 'served'), count(outcomes, 'refused')]).toEqual([32, 32]);
    expect(refusals).toEqual(Array(32).fill('waited'));
  });

  it('free their places when they fail, too', async () => {
    const gate = newGate({ floor: 1, ceiling: 1 });
    const fails = gate.run('a', async () => {
      throw new Error('fails');
    });
    await expect(fails).rejects.toThrow('fails');
    expect(await offer(gate, 1, 10)).toEqual(['served']);
    expect(gate.state).toEqual({ running: 0, waiting: 0, limit: 1 });
  });
});

/** A machine that serves one call after the other, `callMs` each, however many are under way. */
function machine(callMs: number) {
  let before: Promise<void> = Promise.resolve();
  return () => {
    before = before.then(() => pause(callMs));
    return before;
  };
}

/** Offers calls at once to a machine. Returns the outcomes, and the milliseconds until the last call was served. */
async function offerTo(gate: Gate, work: () => Promise<void>, calls: number) {
  const beganMs = performance.now();
  let servedMs = 0;
  const one = async (index: number) => {
    const outcome = await outcomeOf(gate.run(`team-${index}`, work));
    if (outcome === 'served') servedMs = performance.now() - beganMs;
    return outcome;
  };
  const outcomes = Promise.all(Array.from({ length: calls }, (_, index) => one(index)));
  await vi.advanceTimersByTimeAsync(60_000);
  return { outcomes: await outcomes, servedMs };
}

describe('a machine that serves a fixed number of calls a second', () => {
  it.each([
    ['single calls', 1],
    ['a few calls at once', 8],
    ['32 calls at once', 32],
    ['100 calls at once', 100],
    ['512 calls at once', 512],
  ])(
    'is offered 512 calls at once after %s: the surplus is refused at once, and no call waits in vain',
    async (_, at) => {
      for (const callMs of [2, 5, 10]) {
        const gate = newGate();
        const work = machine(callMs);
        for (let round = 0; round < 10; round += 1) await offerTo(gate, work, at);
        refusals.length = 0;
        const { outcomes, servedMs } = await offerTo(gate, work, 512);
        const served = count(outcomes, 'served');
        expect(refusals, `${callMs} ms`).toEqual(Array(512 - served).fill('full'));
        // One second of waiting, and the calls under way.
        expect(served).toBeGreaterThanOrEqual(Math.min(512, Math.floor(1_000 / callMs)));
        expect(servedMs).toBeLessThanOrEqual(2_000);
        expect(servedMs / served).toBeCloseTo(callMs, 6);
      }
    },
  );

  it('is given fewer waiting calls once it stands still', async () => {
    const gate = newGate();
    const quick = machine(2);
    for (let round = 0; round < 3; round += 1) await offerTo(gate, quick, 64);
    const stuck = Array.from({ length: 100 }, (_, index) => outcomeOf(gate.run(`stuck-${index}`, () => pause(30_000))));
    await vi.advanceTimersByTimeAsync(1_500);
    const late = Array.from({ length: 200 }, (_, index) => outcomeOf(gate.run(`late-${index}`, quick)));
    await vi.advanceTimersByTimeAsync(0);
    expect(gate.state.waiting).toBeLessThan(100);
    expect(refusals.filter((why) => why === 'full').length).toBeGreaterThan(100);
    await vi.advanceTimersByTimeAsync(60_000);
    await Promise.all([...stuck, ...late]);
  });
});

describe('the calls of one team', () => {
  it('are refused before the calls of a team with fewer calls, and take turns with them', async () => {
    const gate = newGate({ floor: 4, ceiling: 4, leastWaiting: 8, mostWaiting: 8, longestWaitMs: 60_000 });
    const order: string[] = [];
    const call = (team: string) =>
      outcomeOf(
        gate.run(team, async () => {
          order.push(team);
          await pause(100);
        }),
      );
    const flood = Array.from({ length: 100 }, () => call('a'));
    const others = ['b', 'c', 'b'].map(call);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await Promise.all(others)).toEqual(['served', 'served', 'served']);
    expect(count(await Promise.all(flood), 'served')).toBe(4 + 8 - 3);
    expect(order.slice(0, 6)).toEqual(['a', 'a', 'a', 'a', 'b', 'c']);
    expect(order.lastIndexOf('b')).toBeLessThanOrEqual(8);
    expect(refusals.filter((why) => why === 'displaced')).toHaveLength(3);
  });

  it('cannot displace each other, nor the calls of a team with as many calls', async () => {
    const gate = newGate({ floor: 1, ceiling: 1, leastWaiting: 2, mostWaiting: 2, longestWaitMs: 60_000 });
    const calls = ['a', 'a', 'b', 'a', 'b', 'c'].map((team) => outcomeOf(gate.run(team, () => pause(10))));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await Promise.all(calls)).toEqual(['served', 'served', 'served', 'refused', 'refused', 'refused']);
  });

  it('that would find no place are refused before their body is read', async () => {
    const gate = newGate({ floor: 1, ceiling: 1, leastWaiting: 2, mostWaiting: 2, longestWaitMs: 60_000 });
    const calls = ['a', 'a', 'a'].map((team) => gate.run(team, () => pause(10)));
    expect(() => gate.mustHaveRoomFor('a')).toThrow(Overloaded);
    expect(() => gate.mustHaveRoomFor('b')).not.toThrow();
    expect(() => gate.mustHaveRoomFor(undefined)).not.toThrow();
    const b = gate.run('b', () => pause(10));
    expect(() => gate.mustHaveRoomFor(undefined)).toThrow(Overloaded);
    const outcomes = Promise.all([...calls, b].map(outcomeOf));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await outcomes).toEqual(['served', 'served', 'refused', 'served']);
  });

  it('whose caller has disconnected leave the queue, and their work does not begin', async () => {
    const gate = newGate({ floor: 1, ceiling: 1 });
    const first = gate.run('a', () => pause(100));
    const gone = new AbortController();
    const work = vi.fn(async () => {});
    const second = outcomeOf(gate.run('a', work, gone.signal));
    gone.abort();
    expect(gate.state.waiting).toBe(0);
    expect(await second).toBe('refused');
    expect(await outcomeOf(gate.run('a', work, gone.signal))).toBe('refused');
    await vi.advanceTimersByTimeAsync(100);
    await first;
    expect(work).not.toHaveBeenCalled();
    expect(refusals).toEqual(['gone', 'gone']);
  });
});

describe('the limit', () => {
  const SETTINGS = { floor: 32, ceiling: 64, targetMs: 1_000 };
  /** Serves a window of calls. */
  const serve = (limit: AdaptiveLimit, ms: number, isFull: boolean) => {
    if (isFull) limit.noteFull();
    for (let call = 0; call < 32; call += 1) limit.noteServed(ms, performance.now());
  };

  it('grows while calls wait and are served quickly, up to its ceiling', () => {
    const limit = new AdaptiveLimit(SETTINGS);
    serve(limit, 100, true);
    expect(limit.value).toBe(36);
    for (let window = 0; window < 20; window += 1) serve(limit, 100, true);
    expect(limit.value).toBe(64);
  });

  it('stays unchanged while no call waits, or while calls are served neither quickly nor slowly', () => {
    const limit = new AdaptiveLimit(SETTINGS);
    serve(limit, 100, false);
    serve(limit, 700, true);
    expect(limit.value).toBe(32);
    expect(limit.meanMs).toBe(700);
  });

  it('shrinks while calls are served slowly, down to its floor', () => {
    const limit = new AdaptiveLimit(SETTINGS);
    for (let window = 0; window < 20; window += 1) serve(limit, 100, true);
    serve(limit, 1_500, true);
    expect(limit.value).toBe(48);
    for (let window = 0; window < 20; window += 1) serve(limit, 30_000, true);
    expect(limit.value).toBe(32);
  });
});

it('calls of each kind have separate places', async () => {
  const gates = createGates(CALL_CAPACITY, () => {});
  const flood = Promise.all(Array.from({ length: 200 }, () => outcomeOf(gates.writes.run('a', () => pause(500)))));
  const reads = Promise.all(Array.from({ length: 32 }, () => outcomeOf(gates.reads.run('a', () => pause(10)))));
  await vi.advanceTimersByTimeAsync(10);
  expect(count(await reads, 'served')).toBe(32);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(count(await flood, 'served')).toBe(64);
});
