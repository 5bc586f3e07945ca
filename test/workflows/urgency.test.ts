/** Tests the Temporal priorities and fairness keys of the workflows and activities. */
import { describe, expect, it } from 'vitest';
import { startOptions } from '../../workflows/start-options.ts';
import { fairnessKey, priorityAs, priorityOf, URGENCY, type WORKFLOW_URGENCY } from '../../workflows/urgency.ts';

const bytes = (text: string) => Buffer.byteLength(text);

describe('The priority of work', () => {
  it('is the highest for crossings, payments and stop orders, and the lowest for mails and comparisons.', () => {
    const of = (workflow: keyof typeof WORKFLOW_URGENCY) => priorityOf(workflow, 'acme').priorityKey;
    expect([of('balanceWatch'), of('autoTopUp'), of('deposit')]).toEqual([1, 1, 1]);
    expect([of('instance'), of('reservation'), of('refund'), of('dispute')]).toEqual([3, 3, 3, 3]);
    expect([of('notice'), of('reconciliation')]).toEqual([5, 5]);
  });

  it('is one of the five default priorities of Temporal.', () => {
    for (const priorityKey of Object.values(URGENCY)) expect([1, 2, 3, 4, 5]).toContain(priorityKey);
  });

  it('of an activity sets no fairness key, so that the activity keeps the key of its workflow.', () => {
    expect(priorityAs('urgent')).toEqual({ priorityKey: 1 });
  });
});

describe('The fairness key of a team', () => {
  it('is the team’s id.', () => {
    expect(fairnessKey('acme')).toBe('acme');
    expect(fairnessKey('a'.repeat(64))).toBe('a'.repeat(64));
  });

  it.each([
    ['long', 'a'.repeat(65)],
    ['very long', 'team-'.repeat(200)],
    ['of wide letters', '株'.repeat(22)],
    ['of letters in two halves', '🚀'.repeat(17)],
  ])('has at most 64 bytes and is unique for an id that is %s.', (_, id) => {
    expect(bytes(fairnessKey(id))).toBeLessThanOrEqual(64);
    expect(fairnessKey(id)).not.toContain('\uFFFD');
    expect(fairnessKey(id)).toBe(fairnessKey(id));
    expect(fairnessKey(`${id}x`)).not.toBe(fairnessKey(id));
    expect(fairnessKey(`${id}x`)).not.toBe(fairnessKey(`${id}y`));
  });
});

describe('A workflow that the product starts', () => {
  const spec = { id: 'i', teamId: 'acme', gpuType: 'H100', region: 'eu-1' };
  const started = {
    instance: startOptions.instance({ spec } as never, 'req'),
    reservation: startOptions.reservation({ spec } as never, 'req'),
    deposit: startOptions.deposit({ depositId: 'd', teamId: 'acme', kind: 'checkout' }, 'req'),
    refund: startOptions.refund({ refundId: 'r', teamId: 'acme', depositId: 'd' }, 'req'),
    dispute: startOptions.dispute({ disputeId: 'x', teamId: 'acme', depositId: 'd', stripeDisputeId: 'dp' }),
    notice: startOptions.notice({ noticeId: 'n', teamId: 'acme', channel: 'mail' }),
  };

  it.each(Object.entries(started))(
    'has the priority of its kind and the key of its team: %s.',
    (kind, { priority }) => {
      expect(priority).toEqual(priorityOf(kind as keyof typeof WORKFLOW_URGENCY, 'acme'));
    },
  );

  it('is covered by a case here for each kind of workflow.', () => {
    expect(Object.keys(started).sort()).toEqual(Object.keys(startOptions).sort());
  });
});
