import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BILLING_STATE, CAUSE, disputeState, lookAtDispute, TEAM_ID, told } from '../../workflows/messages.ts';
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
  it('is opened with what the bank says, its hold is announced, and then the bank is waited for', () =>
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

  it.each(['won', 'lost'] as const)('that is %s is closed so, told by webhook', (outcome) =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen(outcome)) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      await handle.signal(told);
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

  it('is found decided by the poll, though every webhook was lost, and the poll grows slow', () => {
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

  it('that is decided already when it is first heard of is opened and closed', () =>
    play({ fetchDispute: async () => disputeSeen('lost') }, async (scene) => {
      expect(await (await tellDispute(scene)).result()).toMatchObject({ status: 'lost' });
      expect(scene.order('openDispute', 'closeDispute')).toEqual(['openDispute', 'closeDispute']);
    }));

  it('that is only an inquiry holds nothing, until it becomes a dispute', () =>
    play({ fetchDispute: inTurn(disputeSeen('inquiry'), disputeSeen('open')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'inquiry');
      expect(scene.calls('openDispute')).toEqual([]);
      await handle.signal(told);
      await scene.untilState(handle.workflowId, 'open');
      expect(scene.calls('openDispute')).toHaveLength(1);
    }));

  it('that comes to nothing as an inquiry ends without a row', () =>
    play({ fetchDispute: inTurn(disputeSeen('inquiry'), disputeSeen('withdrawn')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'inquiry');
      await handle.signal(told);
      expect(await handle.result()).toBeNull();
      expect(scene.order('openDispute', 'closeDispute', 'watch')).toEqual([]);
    }));

  it('that is withdrawn once it was opened frees the credit', () =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen('withdrawn')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      await handle.signal(told);
      expect(await handle.result()).toMatchObject({ status: 'won' });
    }));

  it('of a deposit that is still to be credited is opened once that has happened', () =>
    play({ openDispute: inTurn(null, null, disputeOf()) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.pass('5 minutes');
      await scene.untilState(handle.workflowId, 'open');
      expect(scene.calls('openDispute')).toHaveLength(3);
      expect(scene.calls('watch')).toHaveLength(1);
    }));

  it('is not closed while a refund of the same money is under way', () =>
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

  it('is decided by no outage', () =>
    play({ fetchDispute: failing(30, disputeSeen('won')) }, async (scene) => {
      expect(await (await tellDispute(scene)).result()).toMatchObject({ status: 'won' });
      expect(scene.calls('closeDispute')).toHaveLength(1);
    }));

  it.each([
    ['lost', 'won'],
    ['won', 'lost'],
  ] as const)('that was %s and is %s a month later is recorded so, though every webhook was lost', (first, then) => {
    const looks = [disputeSeen(first), disputeSeen(first), disputeSeen(first), disputeSeen(first), disputeSeen(then)];
    return play({ fetchDispute: inTurn(...looks) }, async (scene) => {
      expect(await (await tellDispute(scene)).result()).toMatchObject({ status: then });
      expect(scene.calls('closeDispute')).toMatchObject([{ outcome: first }, { outcome: then }]);
      expect(scene.calls('openDispute')).toHaveLength(1);
    });
  });

  it('that is decided again is recorded so at once when an operator looks, also weeks after its workflow has ended', () =>
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

  it('that is open again after a decision is held again, and its next decision is waited for', () =>
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

  it('whose amount changes is recorded with the new amount, while it is open and as it is decided', () =>
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

  it('that becomes a mere question again holds nothing', () =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen('inquiry')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      await handle.signal(told);
      await scene.untilState(handle.workflowId, 'inquiry');
      expect(scene.calls('closeDispute')).toMatchObject([{ outcome: 'won' }]);
    }));

  it('that is over changes nothing when it is told of again', () =>
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

  it('answers an operator by a look that begins after the request, not by the one under way', () => {
    const { look, release } = heldLook(disputeSeen('open'), disputeSeen('won'));
    return play({ fetchDispute: look }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilAsked('fetchDispute');
      const asked = await handle.startUpdate(lookAtDispute, { waitForStage: 'ACCEPTED' });
      release();
      expect(await asked.result()).toMatchObject({ state: 'won' });
    });
  });

  it('is asked about at once when an operator looks', () =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen('won')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      expect(await handle.executeUpdate(lookAtDispute)).toMatchObject({ state: 'won' });
    }));
});
