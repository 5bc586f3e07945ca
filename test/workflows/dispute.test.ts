/** Tests the workflow of a dispute: opening, holding credit, later decisions of the bank, polls and lost webhooks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BILLING_STATE, CAUSE, disputeState, lookAtDispute, TEAM_ID, wakeUp } from '../../workflows/messages.ts';
import { disputeOf, disputeSeen, lookAtDisputeOf, tellDispute } from './given.ts';
import { failing, heldLook, inTurn, type Mocks, openStage, type Scene, type Stage } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

/** A ledger that opens and closes what it is asked to, and a bank that has not decided, but for what is said. */
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>) =>
  stage.play(
    {
      findDisputeOrder: async () => null,
      fetchDispute: async () => disputeSeen('open'),
      openDispute: async () => disputeOf(),
      closeDispute: async ({ outcome }) => disputeOf({ status: outcome }),
      ...mocks,
    },
    story,
  );

describe('a dispute', () => {
  it('is opened with the bank’s reason, announces its hold, and then waits for the bank', () =>
    play({}, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      expect(scene.order()).toEqual(['findDisputeOrder', 'fetchDispute', 'openDispute', 'watch']);
      expect(scene.calls('openDispute')).toMatchObject([
        {
          disputeId: scene.id('disp'),
          depositId: scene.id('dep'),
          stripeDisputeId: 'du_1',
          amountMicros: 100_000_000,
          reason: 'fraudulent',
        },
      ]);
      expect(await handle.query(disputeState)).toEqual({
        disputeId: scene.id('disp'),
        state: 'open',
        heldMicros: 60_000_000,
      });
      expect(await scene.attribute(handle.workflowId, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(handle.workflowId, CAUSE)).toBe('du_1');
    }));

  it.each(['won', 'lost'] as const)('that is %s is closed with that result when the webhook arrives', (outcome) =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen(outcome)) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      await handle.signal(wakeUp);
      expect(await handle.result()).toMatchObject({ status: outcome });
      expect(scene.calls('closeDispute')).toMatchObject([{ disputeId: scene.id('disp'), outcome }]);
      expect(await scene.attribute(handle.workflowId, BILLING_STATE)).toBe(outcome);
      expect(scene.order('openDispute', 'watch', 'closeDispute')).toEqual([
        'openDispute',
        'watch',
        'closeDispute',
        'watch',
      ]);
    }),
  );

  it('is closed by a poll when every webhook is lost, and the polls grow slower', () => {
    const waiting = Array.from({ length: 20 }, () => disputeSeen('open'));
    return play({ fetchDispute: inTurn(...waiting, disputeSeen('lost')) }, async (scene) => {
      const handle = await tellDispute(scene);
      const beganMs = await scene.nowMs();
      expect(await handle.result()).toMatchObject({ status: 'lost' });
      const decidedMs = scene.calls('closeDispute')[0]!.nowSecond * 1000;
      const days = (decidedMs - beganMs) / (24 * 3600_000);
      expect(days).toBeGreaterThan(9);
      expect(days).toBeLessThan(12);
    });
  });

  it('that is already decided at its first read is opened and closed', () =>
    play({ fetchDispute: async () => disputeSeen('lost') }, async (scene) => {
      expect(await (await tellDispute(scene)).result()).toMatchObject({ status: 'lost' });
      expect(scene.order('openDispute', 'closeDispute')).toEqual(['openDispute', 'closeDispute']);
    }));

  it('that is only an inquiry holds nothing until it becomes a dispute', () =>
    play({ fetchDispute: inTurn(disputeSeen('inquiry'), disputeSeen('open')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'inquiry');
      expect(scene.calls('openDispute')).toEqual([]);
      await handle.signal(wakeUp);
      await scene.untilState(handle.workflowId, 'open');
      expect(scene.calls('openDispute')).toHaveLength(1);
    }));

  it('that is withdrawn as an inquiry ends without a row', () =>
    play({ fetchDispute: inTurn(disputeSeen('inquiry'), disputeSeen('withdrawn')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'inquiry');
      await handle.signal(wakeUp);
      expect(await handle.result()).toBeNull();
      expect(scene.order('openDispute', 'closeDispute', 'watch')).toEqual([]);
    }));

  it('that is withdrawn after it was opened releases the credit', () =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen('withdrawn')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      await handle.signal(wakeUp);
      expect(await handle.result()).toMatchObject({ status: 'won' });
    }));

  it('of a deposit that is not yet credited is opened after the credit', () =>
    play({ openDispute: inTurn(null, null, disputeOf()) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.pass('5 minutes');
      await scene.untilState(handle.workflowId, 'open');
      expect(scene.calls('openDispute')).toHaveLength(3);
      expect(scene.calls('watch')).toHaveLength(1);
    }));

  it('is closed only after a pending refund of the same deposit ends', () =>
    play(
      {
        fetchDispute: async () => disputeSeen('lost'),
        closeDispute: inTurn(disputeOf(), disputeOf({ status: 'lost' })),
      },
      async (scene) => {
        const handle = await tellDispute(scene);
        await scene.untilAsked('closeDispute');
        expect(await handle.result()).toMatchObject({ status: 'lost' });
        expect(scene.calls('closeDispute')).toHaveLength(2);
        expect(scene.calls('openDispute')).toHaveLength(1);
      },
    ));

  it('is not decided by an outage', () =>
    play({ fetchDispute: failing(30, disputeSeen('won')) }, async (scene) => {
      expect(await (await tellDispute(scene)).result()).toMatchObject({ status: 'won' });
      expect(scene.calls('closeDispute')).toHaveLength(1);
    }));

  it.each([
    ['lost', 'won'],
    ['won', 'lost'],
  ] as const)(
    'that was %s and is %s a month later is recorded with the later result when every webhook is lost',
    (first, then) => {
      const looks = [disputeSeen(first), disputeSeen(first), disputeSeen(first), disputeSeen(first), disputeSeen(then)];
      return play({ fetchDispute: inTurn(...looks) }, async (scene) => {
        expect(await (await tellDispute(scene)).result()).toMatchObject({ status: then });
        expect(scene.calls('closeDispute')).toMatchObject([{ outcome: first }, { outcome: then }]);
        expect(scene.calls('openDispute')).toHaveLength(1);
      });
    },
  );

  it('that is decided again is recorded at once by an operator’s refresh, even weeks after its workflow has ended', () =>
    play(
      {
        findDisputeOrder: inTurn(null, disputeOf({ status: 'lost' })),
        fetchDispute: inTurn(...Array.from({ length: 8 }, () => disputeSeen('lost')), disputeSeen('won')),
      },
      async (scene) => {
        const first = await tellDispute(scene);
        await first.result();
        const state = await lookAtDisputeOf(scene);
        expect(state).toMatchObject({ state: 'won' });
        expect(scene.calls('closeDispute').at(-1)).toMatchObject({ outcome: 'won' });
      },
    ));

  it('that is reopened after a decision is held again, and its next decision is awaited', () =>
    play(
      {
        fetchDispute: inTurn(disputeSeen('lost'), disputeSeen('open'), disputeSeen('open'), disputeSeen('won')),
        changeDispute: async () => disputeOf(),
      },
      async (scene) => {
        expect(await (await tellDispute(scene)).result()).toMatchObject({ status: 'won' });
        expect(scene.order('openDispute', 'closeDispute', 'changeDispute')).toEqual([
          'openDispute',
          'closeDispute',
          'changeDispute',
          'closeDispute',
        ]);
      },
    ));

  it('whose amount changes is recorded with the new amount, both while it is open and at the decision', () =>
    play(
      {
        fetchDispute: inTurn(disputeSeen('open'), disputeSeen('open', 20), disputeSeen('lost', 30)),
        changeDispute: async ({ amountMicros }) => disputeOf({ amountMicros }),
        closeDispute: async ({ outcome, amountMicros }) => disputeOf({ status: outcome, amountMicros: amountMicros! }),
      },
      async (scene) => {
        expect(await (await tellDispute(scene)).result()).toMatchObject({ status: 'lost', amountMicros: 30_000_000 });
        expect(scene.calls('changeDispute')).toMatchObject([{ amountMicros: 20_000_000 }]);
        expect(scene.calls('closeDispute')).toMatchObject([{ outcome: 'lost', amountMicros: 30_000_000 }]);
      },
    ));

  it('that becomes an inquiry again holds nothing', () =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen('inquiry')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      await handle.signal(wakeUp);
      await scene.untilState(handle.workflowId, 'inquiry');
      expect(scene.calls('closeDispute')).toMatchObject([{ outcome: 'won' }]);
    }));

  it('that is closed changes nothing when its webhook is repeated', () =>
    play(
      {
        findDisputeOrder: async () => disputeOf({ status: 'lost' }),
        fetchDispute: async () => disputeSeen('lost'),
        closeDispute: async () => disputeOf({ status: 'lost' }),
      },
      async (scene) => {
        expect(await (await tellDispute(scene)).result()).toMatchObject({ status: 'lost' });
        expect(scene.calls('openDispute')).toEqual([]);
      },
    ));

  it('answers an operator’s refresh from a provider request that starts after it, not from the request in progress', () => {
    const { look, release } = heldLook(disputeSeen('open'), disputeSeen('won'));
    return play({ fetchDispute: look }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilAsked('fetchDispute');
      const asked = await handle.startUpdate(lookAtDispute, { waitForStage: 'ACCEPTED' });
      release();
      expect(await asked.result()).toMatchObject({ state: 'won' });
    });
  });

  it('is read from the provider at once for an operator’s refresh', () =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen('won')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      expect(await handle.executeUpdate(lookAtDispute)).toMatchObject({ state: 'won' });
    }));
});
