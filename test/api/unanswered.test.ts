/** What is answered when the database goes away in the middle of a call. */
import { describe, expect, it } from 'vitest';
import type { Call } from '../../api/calls.ts';
import { foundOrAbandoned, readRecorded } from '../../api/unanswered.ts';
import type { ApiWorld } from '../../api/world.ts';
import { BillingError } from '../../billing/errors.ts';

const away = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
/** What the driver says of a connection whose server was killed. */
const broken = () => new Error('Client has encountered a connection error and is not queryable');

/** Reads with the outcomes in turn, `now` milliseconds after the call was received. */
async function readAt(now: number, outcomes: Array<string | Error>): Promise<string> {
  const world = { nowMs: () => now } as ApiWorld;
  const call = { receivedMs: 0, log: { warn() {} } } as unknown as Call;
  return readRecorded(world, call, async () => {
    const outcome = outcomes.shift() ?? 'read once too often';
    if (outcome instanceof Error) throw outcome;
    return outcome;
  });
}

describe('What a call has brought about', () => {
  it('is read again until the database is back: "unavailable" would say that nothing was received', async () => {
    expect(await readAt(1_000, [away(), broken(), 'an instance'])).toBe('an instance');
  });

  it('is answered 503 when the database stays away: it says that the call was recorded, and a repeat finds it', async () => {
    await expect(readAt(9_200, [away(), 'too late'])).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining('the call was recorded'),
    });
  });

  it('is refused at once when it is refused', async () => {
    const refused = new BillingError('not_found', 'no such instance');
    await expect(readAt(0, [refused, 'an instance'])).rejects.toBe(refused);
  });
});

describe('A start that nobody answered, with the database away', () => {
  const at = (now: number) => {
    let tries = 0;
    const $transaction = async () => {
      tries += 1;
      if (tries === 1) throw away();
      return 'an instance';
    };
    const world = { nowMs: () => now, db: { $transaction } } as unknown as ApiWorld;
    const call = { receivedMs: 0, log: { warn() {} } } as unknown as Call;
    return foundOrAbandoned(world, call, { teamId: 't', callId: 'c' }, async () => 'an instance');
  };

  it('is not said to have failed while a worker could still commit it: 7 s to begin, 2 to commit', async () => {
    expect(await at(8_900)).toBe('an instance');
  });

  it('is answered 503 with an unknown outcome when the database stays away: it may have been admitted before', async () => {
    await expect(at(9_000)).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: 'whether the call was recorded cannot be seen just now: send the same again',
    });
  });
});
