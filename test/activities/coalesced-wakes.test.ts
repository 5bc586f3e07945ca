/** Tests which wakes of a team share a signal, with a clock that the test sets and a counter of signals. */
import { beforeEach, expect, it } from 'vitest';
import { coalesced } from '../../activities/coalesced-wakes.ts';

let nowMs: number;
let signals: string[];
let fails: boolean;
let tell: ReturnType<typeof coalesced>;

beforeEach(() => {
  nowMs = 1_000;
  signals = [];
  fails = false;
  const signal = (what: string) => async (teamId: string) => {
    signals.push(`${what} ${teamId} ${nowMs}`);
    if (fails) throw new Error('Temporal is away');
  };
  tell = coalesced({ watch: signal('watch'), watchSoon: signal('watchSoon') }, () => nowMs);
});

it('The first wake after a quiet second is sent at once.', async () => {
  await tell.watch('a');
  expect(signals).toEqual(['watch a 1000']);
});

it('A thousand wakes of one team in a second send two signals: one at once, and one for a read within a second.', async () => {
  await Promise.all(Array.from({ length: 1_000 }, () => tell.watch('a')));
  expect(signals).toEqual(['watch a 1000', 'watchSoon a 1000']);
});

it('A wake in each of three thousand milliseconds sends one signal in 900 ms after the first.', async () => {
  for (; nowMs < 4_000; nowMs += 1) await tell.watch('a');
  expect(signals).toHaveLength(1 + Math.ceil(2_999 / 900));
  expect(signals.slice(1).every((signal) => signal.startsWith('watchSoon'))).toBe(true);
});

it('A wake shares only a signal that covers it: never the first signal, and never a read that may come too early.', async () => {
  await tell.watch('a');
  nowMs += 10;
  await tell.watch('a');
  nowMs += 899;
  await tell.watch('a');
  nowMs += 1;
  await tell.watch('a');
  nowMs += 1_000;
  await tell.watch('a');
  expect(signals).toEqual(['watch a 1000', 'watchSoon a 1010', 'watchSoon a 1910', 'watch a 2910']);
});

it('Urgent and other wakes share the same signals.', async () => {
  await tell.watchSoon('a');
  nowMs += 500;
  await Promise.all([tell.watch('a'), tell.watchSoon('a')]);
  expect(signals).toEqual(['watchSoon a 1000']);
});

it('Wakes of different teams never share a signal.', async () => {
  await Promise.all(['a', 'b', 'c'].map((teamId) => tell.watch(teamId)));
  expect(signals).toEqual(['watch a 1000', 'watch b 1000', 'watch c 1000']);
});

it('A signal that fails rejects every wake that shares it, and covers no wake that comes after the failure.', async () => {
  fails = true;
  const shared = [tell.watchSoon('a'), tell.watchSoon('a')];
  expect((await Promise.allSettled(shared)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(signals).toHaveLength(1);
  fails = false;
  await tell.watchSoon('a');
  expect(signals).toEqual(['watchSoon a 1000', 'watchSoon a 1000']);
});

it('A wake that fails at once is followed by a wake at once.', async () => {
  fails = true;
  await expect(tell.watch('a')).rejects.toThrow('Temporal is away');
  fails = false;
  await tell.watch('a');
  expect(signals).toEqual(['watch a 1000', 'watch a 1000']);
});
