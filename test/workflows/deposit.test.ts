/** Tests the workflow of a card deposit: charge, outcome, webhooks, polls, authentication, Checkout and retries. */
import { WithStartWorkflowOperation } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChargeFailure, PaymentOutcome } from '../../activities/providers.ts';
import type { DepositStatus } from '../../billing/deposits.ts';
import type { DepositKind } from '../../prisma/deposits.ts';
import { BILLING_STATE, CAUSE, firstAnswer, lookAgain, TEAM_ID, wakeUp, workflowId } from '../../workflows/messages.ts';
import { lookAt } from '../../workflows/signals.ts';
import { startOptions } from '../../workflows/start-options.ts';
import { orderOf, PROCESSING, requestDeposit, SUCCEEDED, startDeposit, tellDeposit } from './given.ts';
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

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const ACTION = { status: 'requires_action', intentId: 'pi_1', actionUrl: 'https://bank/check' } as PaymentOutcome;
const declined = (failureCode: ChargeFailure): PaymentOutcome => ({ status: 'failed', intentId: 'pi_1', failureCode });

/** A ledger that opens what is asked and closes it as it is told, and a provider at which the charge succeeds, but for what is said. */
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>, kind: DepositKind = 'saved_card') => {
  const order = (status: DepositStatus = 'pending') => orderOf('dep', { kind, status });
  const world: Mocks = {
    openDeposit: async () => order(),
    getDepositOrder: async () => order(),
    createIntent: async () => ({ intentId: 'pi_1' }),
    confirmIntent: async () => SUCCEEDED,
    createCheckout: async () => ({ sessionId: 'cs_1', checkoutUrl: 'https://pay/page' }),
    creditDeposit: async () => order('succeeded'),
    failDeposit: async ({ status }) => order(status),
    ...mocks,
  };
  return stage.play(world, story);
};

/** What decides: an outage must bring about none of these. */
const DECISIONS = ['creditDeposit', 'failDeposit', 'watch', 'autoTopUp'] as const;

describe('a deposit by saved card', () => {
  it('is opened, created, confirmed by its saved payment id and credited, and then wakes the watch, in this order', () =>
    play({}, async (scene) => {
      const handle = await startDeposit(scene, 'saved_card');
      expect(await handle.result()).toMatchObject({ depositId: 'dep', status: 'succeeded' });
      expect(scene.order()).toEqual([
        'openDeposit',
        'createIntent',
        'noteDeposit',
        'confirmIntent',
        'creditDeposit',
        'watch',
      ]);
      const depositId = scene.id('dep');
      expect(scene.calls('noteDeposit')).toEqual([{ depositId, change: { stripeIntentId: 'pi_1' } }]);
      expect(scene.calls('confirmIntent')).toEqual([{ depositId, intentId: 'pi_1' }]);
      expect(scene.calls('creditDeposit')).toMatchObject([{ depositId, receiptUrl: 'https://pay/receipt' }]);
      expect(scene.calls('watch')).toEqual([scene.id('team')]);
    }));

  it('is found in Temporal by its team, its cause and its outcome', () =>
    play({}, async (scene) => {
      const { workflowId: id } = await startDeposit(scene, 'saved_card');
      await scene.untilState(id, 'succeeded');
      expect(await scene.attribute(id, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(id, CAUSE)).toBe('req_1');
    }));

  const failures: ChargeFailure[] = [
    'insufficient_funds',
    'card_expired',
    'authentication_required',
    'card_removed',
    'card_not_supported',
    'incorrect_details',
    'declined',
    'provider_rejected',
  ];
  it.each(failures)('that fails with %s is recorded as failed, and credits nothing', (failureCode) =>
    play({ confirmIntent: async () => declined(failureCode) }, async (scene) => {
      const { handle, answer } = await requestDeposit(scene, 'saved_card');
      expect(answer).toMatchObject({
        status: 'failed',
      });
      expect(await handle.result()).toMatchObject({ status: 'failed' });
      expect(scene.calls('failDeposit')).toMatchObject([{ status: 'failed', failureCode }]);
      expect(scene.order('creditDeposit', 'watch', 'autoTopUp')).toEqual(['watch']);
      expect(await scene.attribute(handle.workflowId, BILLING_STATE)).toBe('failed');
    }),
  );

  it('that the provider refuses to create fails without a confirmation', () =>
    play({ createIntent: async () => ({ failureCode: 'card_removed' }) }, async (scene) => {
      expect(await (await startDeposit(scene, 'saved_card')).result()).toMatchObject({ status: 'failed' });
      expect(scene.order()).toEqual(['openDeposit', 'createIntent', 'failDeposit', 'watch']);
    }));

  it('that the ledger refuses calls no provider, and answers only the caller', () =>
    play({ openDeposit: async () => null }, async (scene) => {
      const { handle, answer } = await requestDeposit(scene, 'saved_card');
      expect(answer).toEqual({
        status: 'refused',
        checkoutUrl: null,
      });
      expect(await handle.result()).toBeNull();
      expect(scene.order()).toEqual(['openDeposit']);
    }));

  it.each(['succeeded', 'failed', 'expired'] as const)(
    'that was %s before is not charged again, and wakes the watch again',
    (was) =>
      play({ openDeposit: async () => orderOf('dep', { status: was }) }, async (scene) => {
        const handle = await startDeposit(scene, 'saved_card');
        expect(await handle.result()).toMatchObject({ status: was });
        expect(scene.order()).toEqual(['openDeposit', 'watch']);
      }),
  );
});

describe('a deposit that had failed', () => {
  const failed = { getDepositOrder: async () => orderOf('dep', { status: 'failed' }) } as const;

  it('is credited once, without another charge, when its payment succeeds later', () =>
    play({ ...failed, fetchOutcome: inTurn(PROCESSING, ACTION, SUCCEEDED) }, async (scene) => {
      const handle = await tellDeposit(scene);
      expect(await handle.result()).toMatchObject({ status: 'succeeded' });
      expect(scene.order('createIntent', 'confirmIntent', 'creditDeposit', 'noteDeposit', 'watch')).toEqual([
        'creditDeposit',
        'watch',
      ]);
    }));

  it('stays failed when the provider also reports a failure', () =>
    play({ ...failed, fetchOutcome: async () => declined('card_expired') }, async (scene) => {
      expect(await (await tellDeposit(scene)).result()).toMatchObject({ status: 'failed' });
      expect(scene.calls('creditDeposit')).toEqual([]);
      expect(scene.calls('failDeposit')).toEqual([]);
    }));

  it('answers an operator’s refresh with its outcome after its workflow has ended', () =>
    play({ ...failed, fetchOutcome: async () => SUCCEEDED }, async (scene) => {
      const of = { depositId: scene.id('dep'), teamId: scene.id('team'), kind: 'saved_card' as const };
      expect(await lookAt(scene.client).deposit(of)).toMatchObject({ status: 'succeeded' });
    }));
});

describe('a deposit whose bank asks for authentication', () => {
  it('answers the authentication address, and is credited when the webhook arrives', () =>
    play({ confirmIntent: async () => ACTION, fetchOutcome: async () => SUCCEEDED }, async (scene) => {
      const { handle, answer } = await requestDeposit(scene, 'saved_card');
      expect(answer).toEqual({
        status: 'requires_action',
        checkoutUrl: 'https://bank/check',
      });
      expect(scene.calls('noteDeposit').slice(1)).toMatchObject([
        { change: { status: 'requires_action', checkoutUrl: 'https://bank/check' } },
      ]);
      await scene.untilState(handle.workflowId, 'requires_action');
      expect(scene.calls('fetchOutcome')).toEqual([]);
      const before = await scene.nowMs();
      await handle.signal(wakeUp);
      await scene.untilAsked('creditDeposit');
      expect((await scene.nowMs()) - before).toBeLessThan(10_000);
      expect(await handle.result()).toMatchObject({ status: 'succeeded' });
    }));

  it('asks for authentication once, however often the provider repeats the request', () =>
    play(
      { confirmIntent: async () => ACTION, fetchOutcome: inTurn(ACTION, PROCESSING, ACTION, SUCCEEDED) },
      async (scene) => {
        await (await startDeposit(scene, 'saved_card')).result();
        const asked = scene.calls('noteDeposit').filter(({ change }) => change.status === 'requires_action');
        expect(asked).toHaveLength(1);
        expect(scene.calls('fetchOutcome')).toHaveLength(4);
      },
    ));

  it('fails when the bank refuses', () =>
    play(
      { confirmIntent: async () => ACTION, fetchOutcome: async () => declined('authentication_required') },
      async (scene) => {
        await (await startDeposit(scene, 'saved_card')).result();
        expect(scene.calls('failDeposit')).toMatchObject([{ failureCode: 'authentication_required' }]);
      },
    ));
});

it('a deposit that failed shows the reason in its result and in its details', () =>
  play(
    {
      confirmIntent: async () => declined('insufficient_funds'),
      failDeposit: async ({ depositId, status, failureCode }) => ({ ...orderOf(depositId, { status }), failureCode }),
    },
    async (scene) => {
      const handle = await startDeposit(scene, 'saved_card');
      expect(await handle.result()).toMatchObject({ status: 'failed', failureCode: 'insufficient_funds' });
      const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      expect(currentDetails).toContain('| reason | insufficient_funds |');
    },
  ));

describe('a deposit that is pending at the provider', () => {
  it('is completed by a poll when every webhook is lost, at growing intervals of at most a quarter of an hour', () => {
    const askedMs: number[] = [];
    const fetchOutcome = async () => {
      askedMs.push(await stage.env.currentTimeMs());
      return askedMs.length < 12 ? PROCESSING : SUCCEEDED;
    };
    const confirmIntent = async () => {
      askedMs.length = 0;
      askedMs.push(await stage.env.currentTimeMs());
      return PROCESSING;
    };
    return play({ confirmIntent, fetchOutcome }, async (scene) => {
      expect(await (await startDeposit(scene, 'saved_card')).result()).toMatchObject({ status: 'succeeded' });
      const gaps = askedMs.slice(1).map((ms, index) => Math.floor((ms - (askedMs[index] ?? 0)) / 1000));
      const expected = [15, 30, 60, 120, 240, 480, 900, 900, 900, 900, 900];
      expect(nearly(scene, expected, gaps)).toEqual(expected);
    });
  });

  it('is credited once, however often its success is reported', () =>
    play({ confirmIntent: async () => PROCESSING, fetchOutcome: async () => SUCCEEDED }, async (scene) => {
      const handle = await startDeposit(scene, 'saved_card');
      await scene.untilAsked('confirmIntent');
      const telling = Array.from({ length: 10 }, () => handle.signal(wakeUp).catch(() => {}));
      await Promise.all(telling);
      await handle.result();
      expect(scene.calls('creditDeposit')).toHaveLength(1);
      expect(scene.calls('failDeposit')).toEqual([]);
    }));

  it('answers an operator’s refresh from a provider request that starts after it, not from the request in progress', () => {
    const { look, release } = heldLook<PaymentOutcome>(PROCESSING, SUCCEEDED);
    return play({ confirmIntent: async () => PROCESSING, fetchOutcome: look }, async (scene) => {
      const handle = await startDeposit(scene, 'saved_card');
      await scene.untilAsked('confirmIntent');
      await scene.quiet(handle);
      await scene.pass('15 seconds');
      await scene.untilAsked('fetchOutcome');
      const asked = await handle.startUpdate(lookAgain, { waitForStage: 'ACCEPTED' });
      release();
      expect(await asked.result()).toMatchObject({ status: 'succeeded' });
    });
  });

  it('is read from the provider at once for an operator’s refresh, which answers the outcome', () =>
    play({ confirmIntent: async () => PROCESSING, fetchOutcome: inTurn(PROCESSING, SUCCEEDED) }, async (scene) => {
      const handle = await startDeposit(scene, 'saved_card');
      await scene.untilAsked('confirmIntent');
      await scene.quiet(handle);
      expect(await handle.executeUpdate(lookAgain)).toMatchObject({ status: 'pending' });
      expect(scene.calls('fetchOutcome')).toHaveLength(1);
      expect(await handle.executeUpdate(lookAgain)).toMatchObject({ status: 'succeeded' });
      expect(scene.calls('fetchOutcome')).toHaveLength(2);
    }));
});

describe('a deposit on a Checkout page', () => {
  it('answers the page at once, and is credited when it is paid', () =>
    play(
      { fetchOutcome: inTurn(PROCESSING, SUCCEEDED) },
      async (scene) => {
        const { handle, answer } = await requestDeposit(scene, 'checkout');
        expect(answer).toEqual({
          status: 'pending',
          checkoutUrl: 'https://pay/page',
        });
        expect(scene.calls('noteDeposit')).toMatchObject([
          { change: { stripeSessionId: 'cs_1', checkoutUrl: 'https://pay/page' } },
        ]);
        await scene.untilState(handle.workflowId, 'on_checkout_page');
        await handle.signal(wakeUp);
        await scene.untilAsked('fetchOutcome');
        await handle.signal(wakeUp);
        expect(await handle.result()).toMatchObject({ status: 'succeeded' });
        expect(scene.order(...DECISIONS)).toEqual(['creditDeposit', 'watch']);
        expect(scene.order('createIntent', 'confirmIntent')).toEqual([]);
      },
      'checkout',
    ));

  it('that the provider refuses to open fails the deposit, and the caller receives the failure', () =>
    play(
      { createCheckout: async () => ({ failureCode: 'provider_rejected' }) },
      async (scene) => {
        const { handle, answer } = await requestDeposit(scene, 'checkout');
        expect(answer).toEqual({ status: 'failed', checkoutUrl: null });
        expect(await handle.result()).toMatchObject({ status: 'failed' });
        expect(scene.calls('failDeposit')).toMatchObject([{ status: 'failed', failureCode: 'provider_rejected' }]);
        expect(scene.calls('fetchOutcome')).toEqual([]);
      },
      'checkout',
    ));

  it('expires when it is not paid, and reports no failure to the card', () =>
    play(
      { fetchOutcome: inTurn(PROCESSING, PROCESSING, { status: 'expired' }) },
      async (scene) => {
        const handle = await startDeposit(scene, 'checkout');
        expect(await handle.result()).toMatchObject({ status: 'expired' });
        expect(scene.calls('failDeposit')).toMatchObject([{ status: 'expired', failureCode: 'expired' }]);
        await scene.untilState(handle.workflowId, 'expired');
      },
      'checkout',
    ));

  it('answers an operator’s refresh with the provider’s current state instead of the first answer', () =>
    play(
      { fetchOutcome: async () => SUCCEEDED },
      async (scene) => {
        const handle = await startDeposit(scene, 'checkout');
        await scene.untilState(handle.workflowId, 'on_checkout_page');
        expect(await handle.executeUpdate(lookAgain)).toMatchObject({ status: 'succeeded' });
      },
      'checkout',
    ));
});

describe('the first answer', () => {
  it('is the outcome when the outcome is known within the time limit', () =>
    play({}, async (scene) => {
      const { answer } = await requestDeposit(scene, 'saved_card');
      expect(answer).toEqual({ status: 'succeeded', checkoutUrl: null });
    }));

  it('is pending when the time limit is over, and the deposit continues', () => {
    const slow = heldBack(SUCCEEDED);
    return play({ confirmIntent: slow.answer }, async (scene) => {
      const { handle, answer } = await requestDeposit(scene, 'saved_card', 200);
      expect(answer).toEqual({ status: 'pending', checkoutUrl: null });
      slow.release();
      expect(await handle.result()).toMatchObject({ status: 'succeeded' });
    });
  });

  it('is the same for every caller, and the card is charged once', () => {
    const slow = heldBack(SUCCEEDED);
    return play({ confirmIntent: slow.answer }, async (scene) => {
      await requestDeposit(scene, 'saved_card', 1);
      const asking = [1, 2, 3].map(() => requestDeposit(scene, 'saved_card'));
      slow.release();
      expect((await Promise.all(asking)).map(({ answer }) => answer.status)).toEqual(Array(3).fill('succeeded'));
      expect(scene.calls('confirmIntent')).toHaveLength(1);
    });
  });
});

describe('an outage of hours does not decide a deposit', () => {
  /** Tried at growing distance, from a second to a minute: 130 tries are a little over two hours. */
  const TRIES = 130;
  it.each([
    ['the charge is created', { createIntent: failing(TRIES, { intentId: 'pi_1' }) }, 'saved_card'],
    ['it is confirmed', { confirmIntent: failing(TRIES, SUCCEEDED) }, 'saved_card'],
    [
      'it is asked for',
      { confirmIntent: async () => PROCESSING, fetchOutcome: failing(TRIES, SUCCEEDED) },
      'saved_card',
    ],
    [
      'the page is opened',
      {
        createCheckout: failing(TRIES, { sessionId: 'cs_1', checkoutUrl: 'https://pay/page' }),
        fetchOutcome: async () => SUCCEEDED,
      },
      'checkout',
    ],
  ] as Array<[string, Mocks, 'saved_card' | 'checkout']>)('while %s', (_, mocks, kind) =>
    play(
      mocks,
      async (scene) => {
        const handle = await startDeposit(scene, kind);
        await scene.untilAsked('openDeposit');
        await scene.pass('2 hours');
        expect(scene.order(...DECISIONS)).toEqual([]);
        expect(await handle.result()).toMatchObject({ status: 'succeeded' });
        expect(scene.order(...DECISIONS)).toEqual(['creditDeposit', 'watch']);
      },
      kind,
    ),
  );
});

describe('a deposit that was recorded before its workflow started', () => {
  it.each(['saved_card', 'checkout'] as const)(
    'by %s continues from its row, and its caller receives the first answer',
    (kind) => {
      const confirmed = heldBack(SUCCEEDED);
      return play(
        { confirmIntent: confirmed.answer, fetchOutcome: async () => SUCCEEDED },
        async (scene) => {
          const [depositId, teamId] = [scene.id('dep'), scene.id('team')];
          const asked = scene.client.workflow.executeUpdateWithStart(firstAnswer, {
            args: [{ withinMs: 10_000 }],
            startWorkflowOperation: new WithStartWorkflowOperation('deposit', {
              ...startOptions.deposit({ depositId, teamId, kind }, 'req_1'),
              workflowIdConflictPolicy: 'USE_EXISTING',
            }),
          });
          if (kind === 'saved_card') await scene.untilAsked('confirmIntent');
          confirmed.release();
          expect(await asked).toEqual(
            kind === 'saved_card'
              ? { status: 'succeeded', checkoutUrl: null }
              : { status: 'pending', checkoutUrl: 'https://pay/page' },
          );
          expect(await scene.handle(workflowId.deposit(depositId)).result()).toMatchObject({ status: 'succeeded' });
          expect(scene.order('openDeposit', 'getDepositOrder')).toEqual(['getDepositOrder']);
          expect(scene.order(...DECISIONS)).toEqual(['creditDeposit', 'watch']);
        },
        kind,
      );
    },
  );
});

describe('the deposit of an auto top-up', () => {
  it('is opened by its attempt and not again, and its end wakes the watch and auto top-up', () =>
    play(
      {},
      async (scene) => {
        await (await startDeposit(scene, 'auto_top_up')).result();
        expect(scene.order('openDeposit', 'getDepositOrder')).toEqual(['getDepositOrder']);
        expect(scene.order(...DECISIONS)).toEqual(['creditDeposit', 'watch', 'autoTopUp']);
        expect(scene.calls('autoTopUp')).toEqual([scene.id('team')]);
      },
      'auto_top_up',
    ));

  it('wakes the watch and auto top-up after a failed payment too, with retries until the wakes succeed', () =>
    play(
      {
        confirmIntent: async () => declined('declined'),
        watch: failing(3, undefined),
        autoTopUp: failing(3, undefined),
      },
      async (scene) => {
        await (await startDeposit(scene, 'auto_top_up')).result();
        expect(scene.order(...DECISIONS)).toEqual([
          'failDeposit',
          ...['watch', 'watch', 'watch', 'watch'],
          ...['autoTopUp', 'autoTopUp', 'autoTopUp', 'autoTopUp'],
        ]);
      },
      'auto_top_up',
    ));
});
