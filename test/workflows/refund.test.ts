/** Tests the workflow of a refund: requests, outcomes at the provider, later changes, polls and lost webhooks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAUSE, lookAtRefund, TEAM_ID, wakeUp } from '../../workflows/messages.ts';
import { startOptions } from '../../workflows/start-options.ts';
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

describe('a refund that an operator requests', () => {
  it('takes the credit, announces it, calls the provider, keeps the provider’s id and closes, in this order', () =>
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

  it('that the ledger refuses makes no provider call, and answers the reason', () => {
    const refusal = { code: 'not_refundable', message: 'nothing is left' } as const;
    return play({ requestRefund: async () => ({ status: 'refused', refusal }) }, async (scene) => {
      const { answer, handle } = await requestRefund(scene);
      expect(answer).toEqual({ status: 'refused', refusal });
      expect(await handle.result()).toBeNull();
      expect(scene.order()).toEqual(['requestRefund']);
    });
  });

  it('that runs after its caller received 503 does nothing', () =>
    play({ requestRefund: async () => ({ status: 'too_late' }) }, async (scene) => {
      const { answer, handle } = await requestRefund(scene);
      expect(answer).toEqual({ status: 'too_late' });
      expect(await handle.result()).toBeNull();
      expect(scene.order()).toEqual(['requestRefund']);
    }));

  it('that the provider refuses returns the credit', () =>
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

  it('that failed and is sent later, or is pending again, is closed again', () =>
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

  it('that failed is closed again by a run that starts long after the first run ended', () =>
    play({ findRefundOrder: async () => refundOf({ status: 'failed', stripeRefundId: 're_1' }) }, async (scene) => {
      const handle = await tellRefund(scene);
      expect(await handle.result()).toMatchObject({ status: 'succeeded' });
      expect(scene.calls('closeRefund')).toMatchObject([{ outcome: 'succeeded' }]);
      expect(scene.calls('createRefund')).toEqual([]);
    }));

  it('is retried through an outage of any length until the outcome is known', () =>
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

  it('requested twice at once is one refund, and both callers receive the same answer', () => {
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

  it('requested again after its end sends nothing again at the provider', () =>
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

describe('a refund that is pending at the provider', () => {
  const pending = { createRefund: async () => refundSeen('pending') };

  it('is closed when a webhook arrives', () => {
    const fetchRefund = inTurn(refundSeen('pending'), refundSeen('succeeded'));
    return play({ ...pending, fetchRefund }, async (scene) => {
      const { answer, handle } = await requestRefund(scene, 1_000);
      expect(answer).toEqual({ status: 'pending' });
      await scene.untilAsked('fetchRefund');
      await handle.signal(wakeUp);
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(scene.calls('closeRefund')).toHaveLength(1);
    });
  });

  it('is closed by a poll when every webhook is lost', () => {
    const fetchRefund = inTurn(refundSeen('pending'), refundSeen('pending'), refundSeen('succeeded'));
    return play({ ...pending, fetchRefund }, async (scene) => {
      await requestRefund(scene, 1_000);
      await scene.pass('2 minutes');
      await scene.untilAsked('closeRefund');
    });
  });

  it('answers an operator’s refresh from its record, after a provider request that starts after the refresh', () => {
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

  it('is read from the provider at once for an operator’s refresh', () => {
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
  it('is credited again when a webhook reports that the bank returned it', () => {
    const fetchRefund = inTurn(refundSeen('succeeded'), refundSeen('succeeded'), refundSeen('failed'));
    return play({ fetchRefund }, async (scene) => {
      const { handle } = await requestRefund(scene);
      await scene.pass('3 days');
      await scene.untilAsked('fetchRefund', 2);
      await scene.quiet(handle);
      await handle.signal(wakeUp);
      expect(await handle.result()).toMatchObject({ status: 'failed' });
      expect(scene.calls('closeRefund')).toMatchObject([
        { outcome: 'succeeded' },
        { outcome: 'failed', failureCode: 'expired_or_canceled_card' },
      ]);
      expect(scene.order('watch')).toHaveLength(3);
    });
  });

  it('is read after 1, 2, 4, 8, 16 and 32 days, and no later, however often it is woken', () =>
    play({}, async (scene) => {
      const { handle } = await requestRefund(scene);
      const at = Math.floor((await scene.nowMs()) / 1000);
      const looks: number[] = [];
      for (const days of [1, 2, 4]) {
        await scene.passTo(at + days * DAY + 60);
        looks.push(scene.calls('fetchRefund').length);
      }
      for (let times = 4; times < 8; times += 1) {
        await handle.signal(wakeUp);
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

  it('is closed by a run that a late webhook starts after the first run has ended', () => {
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

describe('a refund whose workflow was terminated by mistake', () => {
  it('continues from its row when it is started by hand, and is sent', () =>
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
  it('is posted and closed, and the provider is not asked to send it', () =>
    play({}, async (scene) => {
      await tellRefund(scene);
      await scene.untilAsked('closeRefund');
      expect(scene.calls('bookRefund')).toMatchObject([
        { refundId: scene.id('ref'), depositId: scene.id('dep'), stripeRefundId: 're_1', amountMicros: 20_000_000 },
      ]);
      expect(scene.order('createRefund', 'requestRefund')).toEqual([]);
    }));

  it('that failed before its first read moves no money', () =>
    play({ fetchRefund: async () => refundSeen('failed') }, async (scene) => {
      expect(await (await tellRefund(scene)).result()).toBeNull();
      expect(scene.order('bookRefund', 'closeRefund', 'watch')).toEqual([]);
    }));

  it('that Burnrate requested itself is left to the workflow of that refund', () =>
    play({ bookRefund: async () => refundOf({ refundId: 'another' }) }, async (scene) => {
      expect(await (await tellRefund(scene)).result()).toBeNull();
      expect(scene.order('closeRefund', 'createRefund')).toEqual([]);
    }));

  it('is posted after the deposit is credited, or after Burnrate’s own refund of the same money is refused', () => {
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
