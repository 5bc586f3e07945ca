/** Tests the worker’s log. */
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { createWorkerLogger } from '../../worker/log.ts';

/** The lines that are written, as they are read. */
function logged(write: (log: ReturnType<typeof createWorkerLogger>) => void): Array<Record<string, unknown>> {
  const lines: string[] = [];
  write(createWorkerLogger('info', { write: (line) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line));
}

describe('the worker’s log', () => {
  // As Temporal's SDK tells of them.
  it('contains the reason of a failed activity', () => {
    const error = new RangeError('not a whole, safe number of micros: 9008000001504000');
    expect(logged((log) => log.warn({ activityType: 'admitInstance', error }, 'Activity failed'))).toMatchObject([
      {
        msg: 'Activity failed',
        process: 'worker',
        activityType: 'admitInstance',
        error: { name: 'RangeError', message: error.message, stack: expect.stringContaining('log.test.ts') },
      },
    ]);
    const failure = ApplicationFailure.create({ message: 'mail_unavailable', cause: new Error('ECONNREFUSED') });
    expect(logged((log) => log.warn({ error: failure }, 'Activity failed'))).toMatchObject([
      { error: { message: 'mail_unavailable', cause: { message: 'ECONNREFUSED' } } },
    ]);
  });

  it('contains no addresses or secrets', () => {
    const error = new Error('no mailbox jane@acme.example for bk_platform_abcdefgh');
    const text = JSON.stringify(logged((log) => log.warn({ error, err: error }, 'Activity failed')));
    expect(text).toContain('[address]');
    expect(text).not.toMatch(/jane@|bk_platform/);
  });
});
