/** Tests the workflow of a crypto deposit: its page, webhooks, polls, late coins and its end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CryptoSeen } from '../../activities/providers.ts';
import type { DepositStatus } from '../../billing/deposits.ts';
import { BILLING_STATE, lookAgain, wakeUp } from '../../workflows/messages.ts';
import { createWorkflowWakes } from '../../workflows/signals.ts';
import { cryptoOutput, orderOf, requestDeposit, startDeposit } from './given.ts';
import { failing, type Mocks, openStage, type Scene, type Stage } from './support.ts';

const DAY_SECONDS = 24 * 3600;
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const crypto = (status: DepositStatus = 'pending') => orderOf('dep', { kind: 'crypto', status });

/** A chain: what has come on it, and by which second of the story. The page of ten minutes begins with the story. */
interface Chain {
  second: number;
  hash: string;
  dollars: number;
  confirmedAfter?: number;
}

/** A ledger and a provider that remember: $100 are asked for, and each output is credited once. */
function playOn(
  chain: Chain[],
  story: (scene: Scene) => Promise<void>,
  mocks: Mocks = {},
  opened: DepositStatus = 'pending',
) {
  let began: number | undefined;
  let status: DepositStatus = opened;
  let received = opened === 'succeeded' ? 100 : 0;
  const credited = new Set<string>();
  let scene: Scene;
  const passed = async () => {
    const second = Math.floor((await scene.nowMs()) / 1000);
    began ??= second;
    return second - began;
  };
  const world: Mocks = {
    openDeposit: async () => {
      await passed();
      return crypto(status);
    },
    getDepositOrder: async () => {
      await passed();
      return crypto(status);
    },
    createCryptoPage: async () => ({ sessionId: 'session_1', checkoutUrl: 'https://pay/page', maybeSeveral: false }),
    fetchCrypto: async (): Promise<CryptoSeen> => {
      const now = await passed();
      const seen = chain.filter(({ second, hash }) => second <= now && !credited.has(hash));
      const isConfirmed = ({ second, confirmedAfter = 0 }: Chain) => second + confirmedAfter <= now;
      return {
        confirmed: seen.filter(isConfirmed).map(({ hash, dollars }) => cryptoOutput(hash, dollars)),
        awaiting: seen.filter((coins) => !isConfirmed(coins)).length,
        expired: now >= 600,
        expiresSecond: (began ?? 0) + 600,
      };
    },
    creditCrypto: async ({ outputs }) => {
      for (const { transactionHash, amountMicros } of outputs) {
        credited.add(transactionHash);
        received += amountMicros / 1_000_000;
      }
      if (received >= 100 || status === 'expired') status = 'succeeded';
      return crypto(status);
    },
    expireCrypto: async () => {
      status = received > 0 ? 'succeeded' : 'expired';
      return crypto(status);
    },
    ...mocks,
  };
  return stage.play(world, (played) => {
    scene = played;
    return story(played);
  });
}

const hashesCredited = (scene: Scene) =>
  scene.calls('creditCrypto').map(({ outputs }) => outputs.map(({ transactionHash }) => transactionHash));

describe('a crypto deposit', () => {
  it('answers and keeps its page, and is credited by the poll when no webhook arrives', () =>
    playOn([{ second: 20, hash: '0xa', dollars: 100 }], async (scene) => {
      const { handle, answer } = await requestDeposit(scene, 'crypto');
      expect(answer).toEqual({ status: 'pending', checkoutUrl: 'https://pay/page' });
      expect(scene.calls('noteDeposit')).toEqual([
        {
          depositId: 'dep',
          change: { copperxSessionId: 'session_1', checkoutUrl: 'https://pay/page' },
        },
      ]);
      await scene.untilState(handle.workflowId, 'on_crypto_page');
      await scene.pass('90 seconds');
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(hashesCredited(scene)).toEqual([['0xa']]);
      expect(scene.order('creditCrypto', 'expireCrypto', 'watch')).toEqual(['creditCrypto', 'watch']);
    }));

  it('is credited when the first webhook arrives, and once for ten webhooks', () =>
    playOn([{ second: 0, hash: '0xa', dollars: 100 }], async (scene) => {
      const handle = await startDeposit(scene, 'crypto');
      await scene.untilAsked('noteDeposit');
      for (let n = 0; n < 10; n++) await handle.signal(wakeUp);
      await scene.untilState(handle.workflowId, 'succeeded');
      await scene.quiet(handle);
      expect(hashesCredited(scene)).toEqual([['0xa']]);
    }));

  it('that succeeded follows each later change at the provider once, at the next read', () => {
    const changes = [[{ transactionHash: '0xa', output: 0, amountMicros: 90_000_000 }]];
    const seen = { confirmed: [], awaiting: 0, expired: true, expiresSecond: 0 };
    return playOn(
      [],
      async (scene) => {
        const handle = await startDeposit(scene, 'crypto');
        await handle.result();
        expect(scene.calls('correctCrypto')).toMatchObject([
          { depositId: 'dep', changed: [{ amountMicros: 90_000_000 }] },
        ]);
        expect(scene.order('creditCrypto', 'correctCrypto', 'watch').slice(0, 2)).toEqual(['correctCrypto', 'watch']);
        expect(scene.order('creditCrypto', 'correctCrypto')).toEqual(['correctCrypto']);
      },
      {
        fetchCrypto: async () => {
          const changed = changes.shift();
          return { ...seen, ...(changed && { changed: changed as CryptoSeen['changed'] & object }) };
        },
        correctCrypto: async () => crypto('succeeded'),
      },
      'succeeded',
    );
  });

  it('that has expired answers an operator’s refresh after a read for late coins', () =>
    playOn([], async (scene) => {
      const handle = await startDeposit(scene, 'crypto');
      await scene.untilState(handle.workflowId, 'on_crypto_page');
      await scene.pass('11 minutes');
      await scene.untilState(handle.workflowId, 'expired');
      const before = scene.calls('fetchCrypto').length;
      expect(await handle.executeUpdate(lookAgain)).toMatchObject({ status: 'expired' });
      expect(scene.calls('fetchCrypto').length).toBeGreaterThan(before);
    }));

  it('waits for block confirmations, with a poll at least every minute', () =>
    playOn([{ second: 10, hash: '0xa', dollars: 100, confirmedAfter: 290 }], async (scene) => {
      const handle = await startDeposit(scene, 'crypto');
      await scene.pass('60 seconds');
      await scene.untilState(handle.workflowId, 'confirming');
      expect(hashesCredited(scene)).toEqual([]);
      await scene.pass('310 seconds');
      await scene.untilState(handle.workflowId, 'succeeded');
    }));

  it('that is underpaid is credited with the amount received, stays open, and is completed by the rest', () =>
    playOn(
      [
        { second: 10, hash: '0xa', dollars: 60 },
        { second: 300, hash: '0xb', dollars: 40 },
      ],
      async (scene) => {
        const { handle } = await requestDeposit(scene, 'crypto');
        await scene.pass('100 seconds');
        await scene.untilAsked('creditCrypto');
        expect(await handle.executeUpdate(lookAgain)).toMatchObject({
          status: 'pending',
          checkoutUrl: 'https://pay/page',
        });
        await scene.pass('400 seconds');
        await scene.untilState(handle.workflowId, 'succeeded');
        expect(hashesCredited(scene)).toEqual([['0xa'], ['0xb']]);
        expect(scene.calls('expireCrypto')).toEqual([]);
      },
    ));

  it('that is underpaid when its page expires keeps the amount received', () =>
    playOn([{ second: 10, hash: '0xa', dollars: 60 }], async (scene) => {
      const handle = await startDeposit(scene, 'crypto');
      await scene.pass('11 minutes');
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(scene.order('creditCrypto', 'expireCrypto')).toEqual(['creditCrypto', 'expireCrypto']);
    }));

  it('that is overpaid in two simultaneous transactions is credited with both', () =>
    playOn(
      [
        { second: 5, hash: '0xa', dollars: 100 },
        { second: 5, hash: '0xb', dollars: 50 },
      ],
      async (scene) => {
        const handle = await startDeposit(scene, 'crypto');
        await scene.untilState(handle.workflowId, 'on_crypto_page');
        await scene.pass('20 seconds');
        await scene.untilState(handle.workflowId, 'succeeded');
        expect(hashesCredited(scene)).toEqual([['0xa', '0xb']]);
      },
    ));

  it('that receives nothing expires once, in the minute in which its page expires', () =>
    playOn([], async (scene) => {
      const { handle } = await requestDeposit(scene, 'crypto');
      await scene.pass('590 seconds');
      expect(scene.calls('expireCrypto')).toEqual([]);
      await scene.pass('20 seconds');
      await scene.untilState(handle.workflowId, 'expired');
      await scene.pass('5 days');
      expect(scene.calls('expireCrypto')).toHaveLength(1);
      expect(scene.calls('creditCrypto')).toEqual([]);
    }));

  it('whose coins await confirmations when the page expires is credited when they are confirmed, and does not expire', () =>
    playOn([{ second: 590, hash: '0xa', dollars: 100, confirmedAfter: 60 }], async (scene) => {
      const handle = await startDeposit(scene, 'crypto');
      await scene.pass('15 minutes');
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(scene.calls('expireCrypto')).toEqual([]);
    }));

  it('that has expired is credited with late coins within a day of their arrival, by a read of every page', () =>
    playOn([{ second: 3 * DAY_SECONDS, hash: '0xa', dollars: 100 }], async (scene) => {
      const handle = await startDeposit(scene, 'crypto');
      await scene.pass('2 days');
      await scene.untilState(handle.workflowId, 'expired');
      await scene.pass('50 hours');
      await scene.untilState(handle.workflowId, 'succeeded');
      expect(hashesCredited(scene)).toEqual([['0xa']]);
      expect(scene.calls('fetchCrypto').at(-1)).toMatchObject({ everyPage: true });
      expect(scene.order('watch')).toHaveLength(2);
    }));

  it('that has succeeded is credited with coins that arrive later', () =>
    playOn(
      [
        { second: 10, hash: '0xa', dollars: 100 },
        { second: 2 * DAY_SECONDS, hash: '0xb', dollars: 7 },
      ],
      async (scene) => {
        await startDeposit(scene, 'crypto');
        await scene.pass('4 days');
        await scene.untilAsked('creditCrypto', 2);
        expect(hashesCredited(scene)).toEqual([['0xa'], ['0xb']]);
      },
    ));

  it('ends thirty days after its expiry, and a later webhook starts it again for one read', () =>
    playOn([{ second: 40 * DAY_SECONDS, hash: '0xa', dollars: 100 }], async (scene) => {
      const handle = await startDeposit(scene, 'crypto');
      expect(await handle.result()).toMatchObject({ status: 'expired' });
      const looks = scene.calls('fetchCrypto').length;
      expect(looks).toBeLessThan(60);
      await scene.pass('10 days');
      const tell = createWorkflowWakes(scene.client);
      await tell.deposit({ depositId: scene.id('dep'), teamId: scene.id('team'), kind: 'crypto' });
      expect(await scene.handle(handle.workflowId).result()).toMatchObject({ status: 'succeeded' });
      expect(hashesCredited(scene)).toEqual([['0xa']]);
      expect(scene.calls('createCryptoPage')).toHaveLength(1);
      expect(scene.calls('fetchCrypto')).toHaveLength(looks + 1);
    }));

  it('that the ledger has closed makes no page when it is started again, and reads the provider', () =>
    playOn(
      [{ second: 0, hash: '0xb', dollars: 5 }],
      async (scene) => {
        await createWorkflowWakes(scene.client).deposit({
          depositId: scene.id('dep'),
          teamId: scene.id('team'),
          kind: 'crypto',
        });
        await scene.untilAsked('creditCrypto');
        expect(scene.calls('createCryptoPage')).toEqual([]);
        expect(scene.calls('fetchCrypto')[0]).toMatchObject({ everyPage: true });
      },
      {},
      'succeeded',
    ));

  it('reads every page when an earlier try may have made another', () =>
    playOn(
      [],
      async (scene) => {
        await startDeposit(scene, 'crypto');
        await scene.pass('20 seconds');
        expect(scene.calls('fetchCrypto')[0]).toMatchObject({ everyPage: true });
      },
      {
        createCryptoPage: failing(2, { sessionId: 'session_1', checkoutUrl: 'https://pay/page', maybeSeveral: true }),
      },
    ));

  it('for which CopperX refuses a page fails, and its caller receives the failure', () =>
    playOn(
      [],
      async (scene) => {
        const { handle, answer } = await requestDeposit(scene, 'crypto');
        expect(answer.status).toBe('failed');
        expect(await handle.result()).toMatchObject({ status: 'failed' });
        expect(scene.calls('failDeposit')).toMatchObject([{ status: 'failed', failureCode: 'provider_rejected' }]);
        expect(await scene.attribute(handle.workflowId, BILLING_STATE)).toBe('failed');
        expect(scene.calls('fetchCrypto')).toEqual([]);
      },
      {
        createCryptoPage: async () => ({ failureCode: 'provider_rejected' }),
        failDeposit: async ({ status }) => crypto(status),
      },
    ));

  it('whose page is gone from CopperX ends, and coins that arrive later are still credited', () => {
    let found = false;
    return playOn(
      [],
      async (scene) => {
        const handle = await startDeposit(scene, 'crypto');
        await scene.pass('1 minute');
        await scene.untilState(handle.workflowId, 'expired');
        expect(scene.calls('expireCrypto')).toMatchObject([{ failureCode: 'payment_missing' }]);
        found = true;
        await scene.pass('25 hours');
        await scene.untilState(handle.workflowId, 'succeeded');
      },
      {
        fetchCrypto: async () =>
          found
            ? { confirmed: [cryptoOutput('0xa', 100)], awaiting: 0, expired: true, expiresSecond: 0 }
            : { confirmed: [], awaiting: 0, expired: true, missing: true, expiresSecond: 4_000_000_000 },
      },
    );
  });

  it('changes nothing while CopperX is unavailable for a day', () => {
    let away = true;
    return playOn(
      [],
      async (scene) => {
        const handle = await startDeposit(scene, 'crypto');
        await scene.pass('24 hours');
        expect(scene.order('creditCrypto', 'expireCrypto', 'failDeposit')).toEqual([]);
        away = false;
        await scene.pass('2 minutes');
        await scene.untilState(handle.workflowId, 'succeeded');
      },
      {
        fetchCrypto: async () => {
          if (away) throw new Error('copperx is away');
          return { confirmed: [cryptoOutput('0xa', 100)], awaiting: 0, expired: true, expiresSecond: 0 };
        },
      },
    );
  });
});
