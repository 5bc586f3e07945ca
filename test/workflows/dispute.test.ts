import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BILLING_STATE, CAUSE, disputeState, lookAtDispute, TEAM_ID, told } from '../../workflows/messages.ts';
import { disputeOf, disputeSeen, tellDispute } from './given.ts';
import { failing, inTurn, type Mocks, openStage, type Scene, type Stage } from './support.ts';

const TIMEOUT = { timeout: 30_000 };
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close(), 30_000);

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

describe('a dispute', TIMEOUT, () => {
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
      const { closeTime } = await handle.describe();
      const days = ((closeTime?.getTime() ?? 0) - beganMs) / (24 * 3600_000);
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

  it('is asked about at once when an operator looks', () =>
    play({ fetchDispute: inTurn(disputeSeen('open'), disputeSeen('won')) }, async (scene) => {
      const handle = await tellDispute(scene);
      await scene.untilState(handle.workflowId, 'open');
      expect(await handle.executeUpdate(lookAtDispute)).toMatchObject({ state: 'won' });
    }));
});
