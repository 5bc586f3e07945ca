/**
 * Tests how a balance watch announces recorded facts: in batches of limited size, with each kind of announcement
 * independent of the others.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Outlook } from '../../ledger/team.ts';
import { wakeUp } from '../../workflows/messages.ts';
import { outlook, tellTeam } from './given.ts';
import { failing, heldBack, inTurn, type Mocks, openStage, type Scene, type Stage } from './support.ts';

const TIMEOUT = { timeout: 60_000 };
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close(), 30_000);
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>) => stage.play(mocks, story);

const quiet = (change: Partial<Outlook> = {}) => {
  const { exhaustions: _, ...rest } = outlook(change);
  return { ended: null, ...rest };
};
const NOTICES = [
  { noticeId: 'notice_a', teamId: 'team', channel: 'mail' as const },
  { noticeId: 'notice_b', teamId: 'team', channel: 'event' as const },
];
const idsOf = (count: number) => Array.from({ length: count }, (_, i) => `inst_${i}`);

/** A ledger with one exhaustion: it answers the next piece of the instances that are not marked yet. */
function exhaustionOf(ids: string[], most = 100) {
  let signalled = 0;
  let announced = false;
  const mocks = {
    lookAhead: async () => {
      const instanceIds = ids.slice(signalled, signalled + most);
      return quiet(announced ? {} : { ended: { of: 'exhaustion', number: 1, from: signalled, instanceIds } });
    },
    markTold: async ({ ended }: Parameters<NonNullable<Mocks['markTold']>>[0]) => {
      if (ended) signalled = Math.max(signalled, ended.signalled);
      announced = signalled >= ids.length;
    },
  };
  return { mocks, isAnnounced: () => announced };
}

describe('A watch that finds ended instances', TIMEOUT, () => {
  it('signals the workflow of each instance once, batch by batch, until the row is marked announced.', () => {
    const ids = idsOf(250);
    const { mocks, isAnnounced } = exhaustionOf(ids);
    return play(mocks, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.until('the row is announced', isAnnounced);
      expect([...scene.calls('instance')].sort()).toEqual([...ids].sort());
      expect(scene.calls('markTold').map(({ ended }) => ended?.signalled)).toEqual([100, 200, 250]);
    });
  });

  it('resumes after the last signalled instance when a signal fails, and signals at most a few instances twice.', () => {
    const ids = idsOf(200);
    const { mocks, isAnnounced } = exhaustionOf(ids);
    let signals = 0;
    const instance = async () => {
      signals += 1;
      if (signals === 70 || signals === 150) throw new Error('the server is busy');
    };
    return play({ ...mocks, instance }, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.until('the row is announced', isAnnounced);
      expect(new Set(scene.calls('instance'))).toEqual(new Set(ids));
      // A failure repeats no more than the calls that were under way with it.
      expect(signals).toBeLessThanOrEqual(200 + 2 * 20);
      const marks = scene.calls('markTold').map(({ ended }) => ended?.signalled ?? 0);
      expect(marks).toEqual([...marks].sort((a, b) => a - b));
    });
  });

  it('starts the mail and the event when the signals of instances fail, and keeps reading the ledger.', () => {
    const ended = { of: 'exhaustion' as const, number: 1, from: 0, instanceIds: ['inst_a'] };
    const lookAhead = inTurn(quiet({ ended, notices: NOTICES }), quiet({ ended }));
    const instance = async () => {
      throw new Error('this signal is never accepted');
    };
    return play({ lookAhead, instance }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('notice', 2);
      await scene.untilAsked('markTold');
      expect(scene.calls('markTold')).toMatchObject([{ noticeIds: ['notice_a', 'notice_b'] }]);
      await scene.pass('5 seconds');
      await handle.signal(wakeUp);
      await scene.untilAsked('lookAhead', 3);
      // The row is not marked: what was not signalled is signalled later.
      expect(scene.calls('markTold')).toHaveLength(1);
    });
  });

  it('signals the workflows while the start of a mail fails.', () => {
    const held = heldBack(undefined);
    const { mocks, isAnnounced } = exhaustionOf(['inst_a', 'inst_b']);
    const lookAhead = async () => ({ ...(await mocks.lookAhead()), notices: NOTICES.slice(0, 1) });
    return play({ ...mocks, lookAhead, notice: held.answer }, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.until('the row is announced', isAnnounced);
      expect(scene.calls('instance')).toEqual(['inst_a', 'inst_b']);
      held.release();
    });
  });

  it('orders the unconfirmed machines of a batch to stop before it signals the workflows of the batch.', () => {
    const ended = {
      of: 'exhaustion' as const,
      number: 1,
      from: 0,
      instanceIds: idsOf(3),
      machineIds: ['inst_0', 'inst_2'],
    };
    return play({ lookAhead: inTurn(quiet({ ended }), quiet()), terminateMachines: async () => {} }, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('markTold');
      expect(scene.order('terminateMachines', 'instance', 'markTold')).toEqual([
        'terminateMachines',
        ...['instance', 'instance', 'instance'],
        'markTold',
      ]);
      expect(scene.calls('terminateMachines')).toMatchObject([{ instanceIds: ['inst_0', 'inst_2'] }]);
    });
  });

  it('gives up a stop order that fails for a minute and signals the workflows, which order their own machines to stop.', () => {
    const ended = { of: 'exhaustion' as const, number: 1, from: 0, instanceIds: idsOf(2), machineIds: idsOf(2) };
    let isMarked = false;
    const mocks: Mocks = {
      lookAhead: async () => quiet(isMarked ? {} : { ended }),
      markTold: async () => {
        isMarked = true;
      },
      terminateMachines: failing(1_000, undefined),
    };
    return play(mocks, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.pass('2 minutes');
      await scene.untilAsked('markTold');
      expect(scene.calls('terminateMachines').length).toBeGreaterThan(3);
      expect(scene.calls('instance')).toEqual(idsOf(2));
    });
  });

  it('keeps reading the ledger while machines are ordered to stop, and handles the batch once.', () => {
    const ended = { of: 'exhaustion' as const, number: 1, from: 0, instanceIds: idsOf(2), machineIds: idsOf(2) };
    const held = heldBack(undefined);
    const lookAhead = inTurn(quiet({ ended }), quiet({ ended, attemptDepositId: 'dep_1' }), quiet());
    return play({ lookAhead, terminateMachines: held.answer }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('terminateMachines');
      await handle.signal(wakeUp);
      await scene.untilAsked('autoTopUp');
      expect(scene.calls('instance')).toEqual([]);
      held.release();
      await scene.untilAsked('markTold');
      expect(scene.calls('terminateMachines')).toHaveLength(1);
      expect(scene.calls('instance')).toEqual(idsOf(2));
    });
  });

  it('orders no stop when an earlier release answered the read or every machine is confirmed.', () => {
    const piece = { of: 'exhaustion' as const, number: 1, from: 0, instanceIds: idsOf(1) };
    const lookAhead = inTurn(quiet({ ended: piece }), quiet({ ended: { ...piece, machineIds: [] } }), quiet());
    return play({ lookAhead, terminateMachines: async () => {} }, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('markTold', 2);
      expect(scene.calls('terminateMachines')).toEqual([]);
    });
  });

  it('marks an exhaustion that ended no instance as announced.', () => {
    const { mocks, isAnnounced } = exhaustionOf([]);
    return play(mocks, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.until('the row is announced', isAnnounced);
      expect(scene.calls('instance')).toEqual([]);
    });
  });

  it('wakes auto top-up beside the instances, once for each charge, and again after a failure.', () => {
    const { mocks, isAnnounced } = exhaustionOf(idsOf(3));
    const lookAhead = async () => ({ ...(await mocks.lookAhead()), attemptDepositId: 'dep_1' });
    return play({ ...mocks, lookAhead, autoTopUp: failing(4, undefined) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.until('the row is announced', isAnnounced);
      await scene.pass('10 seconds');
      await scene.untilAsked('autoTopUp', 5);
      await handle.signal(wakeUp);
      await scene.quiet(handle);
      expect(scene.calls('autoTopUp')).toHaveLength(5);
    });
  });

  it('reads the ledger again at once after a full batch of notices, and not after a smaller batch.', () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ ...NOTICES[0], noticeId: `notice_${i}` })) as typeof NOTICES;
    return play(
      { lookAhead: inTurn(quiet({ notices: many }), quiet({ notices: NOTICES }), quiet()) },
      async (scene) => {
        const handle = await tellTeam(scene, 'balanceWatch');
        await scene.untilAsked('markTold', 2);
        await scene.quiet(handle);
        expect(scene.calls('notice')).toHaveLength(102);
        expect(scene.calls('lookAhead')).toHaveLength(2);
      },
    );
  });
});
