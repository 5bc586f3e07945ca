/** Tests the answer of a call when the database becomes unavailable after the call was recorded. */
import { describe, expect, it } from 'vitest';
import { readRecorded } from '../../api/engine/recorded.ts';
import type { Call } from '../../api/http/calls.ts';
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

describe('The result of a recorded call', () => {
  it('is read again until the database is available, because "unavailable" would say that nothing was received', async () => {
    expect(await readAt(1_000, [away(), broken(), 'an instance'])).toBe('an instance');
  });

  it('is answered as unknown when the database stays unavailable: the call was recorded, and a repeat finds it', async () => {
    await expect(readAt(9_200, [away(), 'too late'])).rejects.toMatchObject({
      code: 'outcome_unknown',
      message: expect.stringContaining('the call was recorded'),
    });
  });

  it('is refused at once when the read is refused', async () => {
    const refused = new BillingError('not_found', 'no such instance');
    await expect(readAt(0, [refused, 'an instance'])).rejects.toBe(refused);
  });
});
