import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAUSE, lookAtRefund, TEAM_ID, told } from '../../workflows/messages.ts';
import { startOptions } from '../../workflows/telling.ts';
import { refundInput, refundOf, refundSeen, requestRefund, tellRefund } from './given.ts';
import {
  failing,
  heldBack,
  heldLook,
  inTurn,
  type Mocks,
  nearly,
  openStage,
  type Scene,
  type Stage,
} from './support.ts';

const DAY = 24 * 3600;
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

/** A ledger that takes what is asked and a provider that sends it at once, but for what is said. */
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>) =>
  stage.play(
    {
      requestRefund: async ({ refundId }) => ({ status: 'taken', order: refundOf({ refundId }) }),
      findRefundOrder: async () => null,
      bookRefund: async ({ refundId, stripeRefundId }) => refundOf({ refundId, stripeRefundId, origin: 'provider' }),
      createRefund: async () => refundSeen('succeeded'),
      fetchRefund: async () => refundSeen('succeeded'),
      closeRefund: async ({ refundId, outcome }) => refundOf({ refundId, status: outcome, stripeRefundId: 're_1' }),
      ...mocks,
    },
    story,
  );

describe('a refund that an operator asks for', () => {
  it('takes the credit, has it announced, asks the provider, keeps its id, and closes, in this order', () =>
    play({}, async (scene) => {
      const { answer, handle } = await requestRefund(scene);
      expect(answer).toEqual({ status: 'succeeded' });
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(scene.order()).toEqual(['requestRefund', 'watch', 'createRefund', 'noteRefund', 'closeRefund', 'watch']);
      const refundId = scene.id('ref');
      expect(scene.calls('requestRefund')).toMatchObject([refundInput(scene).order ?? {}]);
      expect(scene.calls('noteRefund')).toEqual([{ refundId, stripeRefundId: 're_1' }]);
      expect(scene.calls('closeRefund')).toMatchObject([{ refundId, outcome: 'succeeded', failureCode: null }]);
      expect(await scene.attribute(handle.workflowId, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(handle.workflowId, CAUSE)).toBe('req_1');
    }));

  it('that the ledger refuses asks the provider nothing, and says why', () => {
    const refusal = { code: 'not_refundable', message: 'nothing is left' } as const;
    return play({ requestRefund: async () => ({ status: 'refused', refusal }) }, async (scene) => {
      const { answer, handle } = await requestRefund(scene);
      expect(answer).toEqual({ status: 'refused', refusal });
      expect(await handle.result()).toBeNull();
      expect(scene.order()).toEqual(['requestRefund']);
    });
  });

  it('that comes to run after its caller was answered 503 does nothing', () =>
    play({ requestRefund: async () => ({ status: 'too_late' }) }, async (scene) => {
      const { answer, handle } = await requestRefund(scene);
      expect(answer).toEqual({ status: 'too_late' });
      expect(await handle.result()).toBeNull();
      expect(scene.order()).toEqual(['requestRefund']);
    }));

  it('that the provider refuses gives the credit back', () =>
    play(
      {
        createRefund: async () => ({ status: 'failed', stripeRefundId: null, failureCode: 'charge_disputed' }),
        closeRefund: async ({ refundId, outcome }) => refundOf({ refundId, status: outcome }),
      },
      async (scene) => {
        const { answer, handle } = await requestRefund(scene);
        expect(answer).toEqual({ status: 'failed' });
        expect(await handle.result()).toMatchObject({ status: 'failed' });
        expect(scene.calls('closeRefund')).toMatchObject([{ outcome: 'failed', failureCode: 'charge_disputed' }]);
        expect(scene.calls('noteRefund')).toEqual([]);
      },
    ));

  it('that failed and is sent after all is closed anew, and so is one that is on its way again', () =>
    play(
      {
        createRefund: async () => refundSeen('pending'),
        fetchRefund: inTurn(
          refundSeen('failed'),
          refundSeen('pending'),
          refundSeen('pending'),
          refundSeen('succeeded'),
        ),
      },
      async (scene) => {
        const { handle } = await requestRefund(scene);
        expect(await handle.result()).toMatchObject({ status: 'succeeded' });
        expect(scene.calls('closeRefund')).toMatchObject([
          { outcome: 'failed' },
          { outcome: 'pending' },
          { outcome: 'succeeded' },
        ]);
      },
    ));

  it('that failed is closed anew by a run that is started long after its own has ended', () =>
    play({ findRefundOrder: async () => refundOf({ status: 'failed', stripeRefundId: 're_1' }) }, async (scene) => {
      const handle = await tellRefund(scene);
      expect(await handle.result()).toMatchObject({ status: 'succeeded' });
      expect(scene.calls('closeRefund')).toMatchObject([{ outcome: 'succeeded' }]);
      expect(scene.calls('createRefund')).toEqual([]);
    }));

  it('is decided by no outage, however long: it is asked again until the outcome is known', () =>
    play({ createRefund: failing(40, refundSeen('succeeded')) }, async (scene) => {
      const { answer, handle } = await requestRefund(scene, 5_000);
      expect(answer).toEqual({ status: 'pending' });
      expect(scene.calls('closeRefund')).toEqual([]);
      await scene.pass('1 hour');
      await scene.untilAsked('closeRefund');
      expect(scene.calls('createRefund')).toHaveLength(41);
      expect(scene.calls('closeRefund')).toMatchObject([{ outcome: 'succeeded' }]);
      await scene.quiet(handle);
    }));

  it('asked for twice at once is one, and both hear the same', () => {
    const provider = heldBack(refundSeen('succeeded'));
    return play({ createRefund: provider.answer }, async (scene) => {
      const both = [requestRefund(scene), requestRefund(scene)];
      await scene.untilAsked('createRefund');
      provider.release();
      expect((await Promise.all(both)).map(({ answer }) => answer.status)).toEqual(['succeeded', 'succeeded']);
      expect(scene.calls('requestRefund')).toHaveLength(1);
      expect(scene.calls('createRefund')).toHaveLength(1);
    });
  });

  it('asked for again after its end asks the provider to send nothing again', () =>
    play(
      {
        requestRefund: async ({ refundId }) => ({
          status: 'taken',
          order: refundOf({ refundId, status: 'failed', stripeRefundId: null }),
        }),
      },
      async (scene) => {
        const { answer, handle } = await requestRefund(scene);
        expect(answer).toEqual({ status: 'failed' });
        expect(await handle.result()).toMatchObject({ status: 'failed' });
        expect(scene.order('createRefund', 'closeRefund')).toEqual([]);
      },
    ));
});

describe('a refund that is on its way', () => {
  const pending = { createRefund: async () => refundSeen('pending') };

  it('is closed as soon as a webhook tells of it', () => {
    const fetchRefund = inTurn(refundSeen('pending'), refundSeen('succeeded'));
    return play({ ...pending, fetchRefund }, async (scene) => {
      const { answer, handle } = await requestRefund(scene, 1_000);
      expect(answer).toEqual({ status: 'pending' });
      await scene.untilAsked('fetchRefund');
      await handle.signal(told);
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(scene.calls('closeRefund')).toHaveLength(1);
    });
  });

  it('is found closed by the poll, though every webhook was lost', () => {
    const fetchRefund = inTurn(refundSeen('pending'), refundSeen('pending'), refundSeen('succeeded'));
    return play({ ...pending, fetchRefund }, async (scene) => {
      await requestRefund(scene, 1_000);
      await scene.pass('2 minutes');
      await scene.untilAsked('closeRefund');
    });
  });

  it('answers an operator by a look that begins after the request, and by its record', () => {
    const { look, release } = heldLook(refundSeen('pending'), refundSeen('succeeded'));
    return play({ ...pending, fetchRefund: look }, async (scene) => {
      const { handle } = await requestRefund(scene, 1_000);
      await scene.untilAsked('fetchRefund');
      const asked = await handle.startUpdate(lookAtRefund, { waitForStage: 'ACCEPTED' });
      release();
      expect(await asked.result()).toMatchObject({ status: 'succeeded' });
      expect(scene.calls('closeRefund')).toHaveLength(1);
    });
  });

  it('is asked about at once when an operator looks', () => {
    const fetchRefund = inTurn(refundSeen('pending'), refundSeen('succeeded'));
    return play({ ...pending, fetchRefund }, async (scene) => {
      const { handle } = await requestRefund(scene, 1_000);
      await scene.untilAsked('fetchRefund');
      await handle.executeUpdate(lookAtRefund);
      await scene.untilAsked('closeRefund');
    });
  });
});

describe('a refund that succeeded', () => {
  it('and that the bank sends back is credit again, told by webhook', () => {
    const fetchRefund = inTurn(refundSeen('succeeded'), refundSeen('succeeded'), refundSeen('failed'));
    return play({ fetchRefund }, async (scene) => {
      const { handle } = await requestRefund(scene);
      await scene.pass('3 days');
      await scene.untilAsked('fetchRefund', 2);
      await scene.quiet(handle);
      await handle.signal(told);
      expect(await handle.result()).toMatchObject({ status: 'failed' });
      expect(scene.calls('closeRefund')).toMatchObject([
        { outcome: 'succeeded' },
        { outcome: 'failed', failureCode: 'expired_or_canceled_card' },
      ]);
      expect(scene.order('watch')).toHaveLength(3);
    });
  });

  it('is looked at after 1, 2, 4, 8, 16 and 32 days, and no later however much it is told', () =>
    play({}, async (scene) => {
      const { handle } = await requestRefund(scene);
      const at = Math.floor((await scene.nowMs()) / 1000);
      const looks: number[] = [];
      for (const days of [1, 2, 4]) {
        await scene.passTo(at + days * DAY + 60);
        looks.push(scene.calls('fetchRefund').length);
      }
      for (let times = 4; times < 8; times += 1) {
        await handle.signal(told);
        await scene.untilAsked('fetchRefund', times);
        await scene.quiet(handle);
      }
      expect(looks).toEqual([1, 2, 3]);
      await handle.result();
      expect(scene.calls('fetchRefund')).toHaveLength(7 + 3);
      const { closeTime } = await handle.describe();
      const closedSecond = Math.floor((closeTime?.getTime() ?? 0) / 1000);
      expect(nearly(scene, [at + 32 * DAY], [closedSecond])).toEqual([at + 32 * DAY]);
    }));

  it('is closed by a run that a late webhook starts, long after its own has ended', () => {
    const fetchRefund = inTurn(refundSeen('failed'));
    const order = refundOf({ status: 'succeeded', stripeRefundId: 're_1' });
    return play({ fetchRefund, findRefundOrder: async () => order }, async (scene) => {
      const handle = await tellRefund(scene);
      expect(await handle.result()).toMatchObject({ status: 'failed' });
      expect(scene.calls('closeRefund')).toMatchObject([{ outcome: 'failed' }]);
      expect(scene.order('createRefund', 'bookRefund')).toEqual([]);
    });
  });
});

describe('a refund whose workflow was ended by mistake', () => {
  it('is taken up from its row when it is started by hand, and sent', () =>
    play({ findRefundOrder: async ({ refundId }) => refundOf({ refundId }) }, async (scene) => {
      const { refundId, teamId, depositId } = refundInput(scene);
      const input = { refundId, teamId, depositId };
      const handle = await scene.client.workflow.start('refund', startOptions.refund(input, 'by hand'));
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(scene.order('requestRefund', 'bookRefund', 'createRefund', 'closeRefund')).toEqual([
        'createRefund',
        'closeRefund',
      ]);
    }));
});

describe('a refund made at the provider', () => {
  it('is booked and closed, and the provider is asked to send nothing', () =>
    play({}, async (scene) => {
      await tellRefund(scene);
      await scene.untilAsked('closeRefund');
      expect(scene.calls('bookRefund')).toMatchObject([
        { refundId: scene.id('ref'), depositId: scene.id('dep'), stripeRefundId: 're_1', amountMicros: 20_000_000 },
      ]);
      expect(scene.order('createRefund', 'requestRefund')).toEqual([]);
    }));

  it('that failed before it was heard of moves no money', () =>
    play({ fetchRefund: async () => refundSeen('failed') }, async (scene) => {
      expect(await (await tellRefund(scene)).result()).toBeNull();
      expect(scene.order('bookRefund', 'closeRefund', 'watch')).toEqual([]);
    }));

  it('that turns out to be one of ours is left to the workflow of that one', () =>
    play({ bookRefund: async () => refundOf({ refundId: 'another' }) }, async (scene) => {
      expect(await (await tellRefund(scene)).result()).toBeNull();
      expect(scene.order('closeRefund', 'createRefund')).toEqual([]);
    }));

  it('is booked once the deposit is credited, or a refund of ours for the same money was refused', () => {
    let tries = 0;
    const bookRefund: Mocks['bookRefund'] = async ({ refundId }) => {
      tries += 1;
      return tries < 3 ? null : refundOf({ refundId, stripeRefundId: 're_1', origin: 'provider' });
    };
    return play({ bookRefund }, async (scene) => {
      await tellRefund(scene);
      await scene.pass('2 minutes');
      await scene.untilAsked('closeRefund');
      expect(scene.calls('bookRefund')).toHaveLength(3);
    });
  });
});
