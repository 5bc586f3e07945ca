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

  it('is answered as unknown when the database stays away: the call was recorded, and a repeat finds it', async () => {
    await expect(readAt(9_200, [away(), 'too late'])).rejects.toMatchObject({
      code: 'outcome_unknown',
      message: expect.stringContaining('the call was recorded'),
    });
  });

  it('is refused at once when it is refused', async () => {
    const refused = new BillingError('not_found', 'no such instance');
    await expect(readAt(0, [refused, 'an instance'])).rejects.toBe(refused);
  });
});

describe('A start that nobody answered, with the database away', () => {
  /** Looks `now` milliseconds after the call was received, with the outcomes in turn; null: there is no instance. */
  function lookAt(now: number, outcomes: Array<Error | string | null>): Promise<string | null> {
    const $transaction = async () => {
      const outcome = outcomes.shift();
      if (outcome === undefined) throw new Error('looked once too often');
      if (outcome instanceof Error) throw outcome;
      return outcome;
    };
    const world = { nowMs: () => now, db: { $transaction } } as unknown as ApiWorld;
    const call = { receivedMs: 0, log: { warn() {} } } as unknown as Call;
    return foundOrAbandoned(world, call, { teamId: 't', callId: 'c' }, async () => 'an instance');
  }

  it('is looked for again while a worker could still commit it: 7 s to begin, 2 to commit', async () => {
    expect(await lookAt(8_900, [away(), broken(), 'an instance'])).toBe('an instance');
  });

  it('has come to nothing when a look finds nothing after the last commit of a worker', async () => {
    expect(await lookAt(9_000, [away(), null])).toBeNull();
  });

  it('is answered as unknown when the database stays away: a worker may have admitted it', async () => {
    await expect(lookAt(9_200, [away(), 'too late'])).rejects.toMatchObject({ code: 'outcome_unknown' });
  });
});
