/** One story of each workflow, told from beginning to end: played anew to prove determinism, and kept as recorded histories. */
import { micros } from '../../billing/money.ts';
import { wakeUp, workflowId } from '../../workflows/messages.ts';
import {
  admitted,
  cryptoOutput,
  decision,
  disputeOf,
  disputeSeen,
  ended,
  instanceInput,
  instanceThatRuns,
  inTerm,
  oneAttempt,
  orderOf,
  outlook,
  overAndDone,
  PROCESSING,
  policyOff,
  RATE,
  refundOf,
  refundSeen,
  requestInstance,
  requestRefund,
  requestReservation,
  reservationInput,
  reservationThatRuns,
  reserved,
  running,
  SUCCEEDED,
  startDeposit,
  startNotice,
  startRecorded,
  tellDeposit,
  tellDispute,
  tellRefund,
  tellTeam,
} from './given.ts';
import { failing, inTurn, type Mocks, refusing, type Scene } from './support.ts';

export interface Story {
  name: string;
  /**
   * Fresh for each telling, for mocks remember. `tell` answers the workflows whose histories it made, each quiet or at
   * its end.
   */
  begin(): { mocks: Mocks; tell: (scene: Scene) => Promise<string[]> };
}

/** Answers nothing, and is out of order at these calls, counted from 1. */
function failingAt(calls: number[]): () => Promise<undefined> {
  let call = 0;
  return async () => {
    call += 1;
    if (calls.includes(call)) throw new Error(`out of order, call ${call}`);
    return undefined;
  };
}

const story = (name: string, begin: Story['begin']): Story => ({ name, begin });

export const STORIES: Story[] = [
  story('instance-runs-dry', () => ({
    mocks: {
      admitInstance: async () => admitted(),
      settleInstance: inTurn(running(), running(2_490_000), ended('inst', 'out_of_credits', false)),
      terminateMachine: failing(2, undefined),
    },
    tell: async (scene) => {
      const handle = await instanceThatRuns(scene);
      await scene.pass('61 minutes');
      await scene.untilAsked('settleInstance', 2);
      await scene.quiet(handle);
      await handle.signal(wakeUp);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('instance-refused', () => ({
    mocks: { admitInstance: async () => ({ status: 'refused', code: 'insufficient_credit' }) },
    tell: async (scene) => {
      const input = instanceInput(scene);
      await requestInstance(scene, input);
      const id = workflowId.instance(input.spec.id);
      await scene.handle(id).result();
      return [id];
    },
  })),

  story('instance-in-a-second-run', () => ({
    mocks: { settleInstance: inTurn(running(), ended('inst', 'stopped', true)) },
    tell: async (scene) => {
      const input = instanceInput(scene, { admission: admitted() });
      await requestInstance(scene, input);
      const id = workflowId.instance(input.spec.id);
      await scene.pass('61 minutes');
      await scene.handle(id).result();
      return [id];
    },
  })),

  story('instance-whose-start-was-recorded-before', () => ({
    mocks: {
      settleInstance: inTurn(running(), running(1_000_000), running(3_490_000), ended('inst', 'stopped', true)),
    },
    tell: async (scene) => {
      const handle = await startRecorded(scene);
      await scene.untilAsked('settleInstance');
      await scene.pass('1 hour');
      await scene.untilAsked('settleInstance', 2);
      await scene.quiet(handle);
      await handle.signal(wakeUp);
      await scene.untilAsked('settleInstance', 3);
      await handle.signal(wakeUp);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('reservation-is-renewed-and-ends', () => {
    let first: number | undefined;
    const DAY = 86_400;
    const settleReservation: Mocks['settleReservation'] = async ({ nowSecond }) => {
      first ??= nowSecond;
      const day = (nowSecond - first) / DAY;
      const next = (on: number, what: 'reminder' | 'end of term') => ({ second: (first ?? 0) + on * DAY, what });
      if (day < 2) return inTerm(next(2, 'reminder'), { renew: true });
      if (day < 3) return { ...inTerm(next(3, 'end of term'), { renew: true }), watchMustKnow: true };
      return day < 5 ? inTerm(next(5, 'end of term'), { termNumber: 2 }) : overAndDone();
    };
    return {
      mocks: { openReservation: failing(2, reserved), settleReservation },
      tell: async (scene) => {
        const handle = await reservationThatRuns(scene);
        await scene.pass('1 hour');
        await handle.signal(wakeUp);
        await handle.result();
        return [handle.workflowId];
      },
    };
  }),

  story('reservation-refused', () => ({
    mocks: { openReservation: async () => ({ status: 'refused', code: 'price_not_found' }) },
    tell: async (scene) => {
      const input = reservationInput(scene);
      await requestReservation(scene, input);
      const id = workflowId.reservation(input.spec.id);
      await scene.handle(id).result();
      return [id];
    },
  })),

  story('reservation-in-a-second-run-lapses', () => ({
    mocks: {
      settleReservation: async () => ({ ...overAndDone('lapsed'), watchMustKnow: true }),
    },
    tell: async (scene) => {
      const input = reservationInput(scene, { admission: reserved });
      await requestReservation(scene, input);
      const id = workflowId.reservation(input.spec.id);
      await scene.handle(id).result();
      return [id];
    },
  })),

  story('watch-of-a-reservation-that-ends', () => ({
    mocks: {
      lookAhead: inTurn(
        outlook({
          notices: [{ noticeId: 'notice_a', teamId: 'team', channel: 'mail' }],
          reservationIds: ['resv_a', 'resv_b'],
        }),
        outlook(),
      ),
    },
    tell: async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('markTold');
      await scene.quiet(handle);
      return [handle.workflowId];
    },
  })),

  story('watch-of-a-spot-instance-that-is-reclaimed', () => {
    let first: number | undefined;
    const lookAhead: Mocks['lookAhead'] = async ({ nowSecond }) => {
      first ??= nowSecond;
      return nowSecond < first + 120
        ? outlook({
            reclaiming: ['inst_a'],
            next: { second: first + 120, what: 'spot_reclaim' },
            burnMicrosPerHour: RATE,
          })
        : outlook();
    };
    return {
      mocks: { lookAhead, instance: failing(1, undefined) },
      tell: async (scene) => {
        const handle = await tellTeam(scene, 'balanceWatch');
        await scene.untilAsked('lookAhead');
        await scene.pass('121 seconds');
        await scene.untilAsked('instance', 2);
        await scene.quiet(handle);
        return [handle.workflowId];
      },
    };
  }),

  story('watch-to-zero', () => {
    let first: number | undefined;
    const lookAhead: Mocks['lookAhead'] = async ({ nowSecond }) => {
      first ??= nowSecond;
      const passed = nowSecond - first;
      const at = (second: number, what: 'top_up' | 'grace_over') => ({
        next: { second: (first ?? 0) + second, what },
        burnMicrosPerHour: RATE,
      });
      if (passed < 600) return outlook(at(600, 'top_up'));
      if (passed < 900) return outlook({ attemptDepositId: 'dep_1', ...at(900, 'grace_over') });
      const notices = [{ noticeId: 'notice_a', teamId: 'team', channel: 'mail' as const }];
      return passed < 910
        ? outlook({ exhaustions: [{ number: 1, second: first + 840, instanceIds: ['inst_a', 'inst_b'] }], notices })
        : outlook();
    };
    return {
      mocks: { lookAhead, instance: failing(2, undefined) },
      tell: async (scene) => {
        const handle = await tellTeam(scene, 'balanceWatch');
        await scene.untilAsked('lookAhead');
        await scene.pass('601 seconds');
        await scene.untilAsked('autoTopUp');
        await scene.pass('320 seconds');
        await scene.untilAsked('markTold');
        await scene.quiet(handle);
        await handle.signal(wakeUp);
        await scene.untilAsked('lookAhead', 4);
        await scene.quiet(handle);
        return [handle.workflowId];
      },
    };
  }),

  story('watch-announces-in-pieces', () => {
    const piece = (from: number, ...instanceIds: string[]) =>
      outlook({ ended: { of: 'exhaustion', number: 1, from, instanceIds } });
    const notices = [{ noticeId: 'notice_a', teamId: 'team', channel: 'mail' as const }];
    const first = { ...piece(0, 'inst_a', 'inst_b'), notices, attemptDepositId: 'dep_1' };
    return {
      // The signals of the second piece fail three times, which ends the step: the third look repeats it.
      mocks: {
        lookAhead: inTurn(first, piece(2, 'inst_c'), piece(2, 'inst_c'), outlook({ ended: null })),
        instance: failingAt([3, 4, 5]),
      },
      tell: async (scene) => {
        const handle = await tellTeam(scene, 'balanceWatch');
        await scene.untilAsked('lookAhead', 2);
        await scene.untilAsked('instance', 5);
        await scene.pass('5 seconds');
        await scene.untilAsked('markTold', 3);
        await scene.untilAsked('lookAhead', 4);
        await scene.quiet(handle);
        return [handle.workflowId];
      },
    };
  }),

  story('watch-orders-machines-to-stop', () => {
    const piece = (from: number, instanceIds: string[], machineIds: string[]) =>
      outlook({ ended: { of: 'exhaustion', number: 1, from, instanceIds, machineIds } });
    let stage = 0;
    const pieces = [piece(0, ['inst_a', 'inst_b'], ['inst_a']), piece(2, ['inst_c'], [])];
    return {
      // The order fails twice. The watch looks on meanwhile.
      mocks: {
        lookAhead: async () => pieces[stage] ?? outlook({ ended: null }),
        markTold: async () => {
          stage += 1;
        },
        terminateMachines: failing(2, undefined),
      },
      tell: async (scene) => {
        const handle = await tellTeam(scene, 'balanceWatch');
        await scene.untilAsked('terminateMachines');
        await handle.signal(wakeUp);
        await scene.untilAsked('lookAhead', 2);
        await scene.pass('10 seconds');
        await scene.untilAsked('markTold', 2);
        await scene.untilAsked('lookAhead', 4);
        await scene.quiet(handle);
        return [handle.workflowId];
      },
    };
  }),

  story('top-up-cools-down-and-is-switched-off', () => {
    const { mocks, of } = oneAttempt(SUCCEEDED);
    let until: number | undefined;
    const openAttempt: Mocks['openAttempt'] = async (input) => {
      const inFlight = await mocks.openAttempt();
      if (inFlight.attemptDepositId !== null) return inFlight;
      until ??= input.nowSecond + 300;
      return input.nowSecond < until ? decision({ state: 'cooling_down', lookAgainSecond: until }) : policyOff;
    };
    return {
      mocks: { ...mocks, openAttempt },
      tell: async (scene) => {
        of(scene);
        const handle = await tellTeam(scene, 'autoTopUp');
        await scene.untilState(handle.workflowId, 'cooling_down');
        await scene.pass('301 seconds');
        await handle.result();
        return [handle.workflowId, workflowId.deposit(scene.id('dep'))];
      },
    };
  }),

  story('deposit-with-a-bank-that-asks', () => ({
    mocks: {
      openDeposit: async () => orderOf('dep'),
      createIntent: failing(2, { intentId: 'pi_1' }),
      confirmIntent: async () => ({ status: 'requires_action', intentId: 'pi_1', actionUrl: 'https://bank/check' }),
      fetchOutcome: inTurn(PROCESSING, SUCCEEDED),
      creditDeposit: async () => orderOf('dep', { status: 'succeeded' }),
    },
    tell: async (scene) => {
      const handle = await startDeposit(scene, 'saved_card');
      await scene.pass('10 seconds');
      await scene.untilState(handle.workflowId, 'requires_action');
      await handle.signal(wakeUp);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('deposit-page-expires', () => ({
    mocks: {
      openDeposit: async () => orderOf('dep', { kind: 'checkout' }),
      createCheckout: async () => ({ sessionId: 'cs_1', checkoutUrl: 'https://pay/page' }),
      fetchOutcome: inTurn(PROCESSING, { status: 'expired' }),
      failDeposit: async () => orderOf('dep', { kind: 'checkout', status: 'expired' }),
    },
    tell: async (scene) => {
      const handle = await startDeposit(scene, 'checkout');
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('deposit-that-was-recorded-first', () => ({
    mocks: {
      getDepositOrder: async () => orderOf('dep'),
      createIntent: async () => ({ intentId: 'pi_1' }),
      confirmIntent: failing(1, SUCCEEDED),
      creditDeposit: async () => orderOf('dep', { status: 'succeeded' }),
    },
    tell: async (scene) => {
      const handle = await tellDeposit(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('refund-that-was-recorded-first', () => ({
    mocks: {
      findRefundOrder: async () => refundOf(),
      createRefund: failing(1, refundSeen('pending')),
      fetchRefund: inTurn(refundSeen('pending'), refundSeen('succeeded')),
      closeRefund: async ({ outcome }) => refundOf({ status: outcome, stripeRefundId: 're_1' }),
    },
    tell: async (scene) => {
      const handle = await tellRefund(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('refund-that-the-bank-sends-back', () => ({
    mocks: {
      requestRefund: async () => ({ status: 'taken', order: refundOf() }),
      createRefund: failing(2, refundSeen('pending')),
      fetchRefund: inTurn(refundSeen('pending'), refundSeen('succeeded'), refundSeen('failed')),
      closeRefund: async ({ outcome }) => refundOf({ status: outcome, stripeRefundId: 're_1' }),
    },
    tell: async (scene) => {
      const { handle } = await requestRefund(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('refund-refused', () => ({
    mocks: {
      requestRefund: async () => ({
        status: 'refused',
        refusal: { code: 'not_refundable', message: 'nothing is left' },
      }),
    },
    tell: async (scene) => {
      const { handle } = await requestRefund(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('refund-made-at-the-provider', () => ({
    mocks: {
      findRefundOrder: async () => null,
      fetchRefund: async () => refundSeen('succeeded'),
      bookRefund: inTurn(null, refundOf({ refundId: 'other', origin: 'provider', stripeRefundId: 're_1' })),
    },
    tell: async (scene) => {
      const handle = await tellRefund(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('dispute-lost', () => ({
    mocks: {
      findDisputeOrder: async () => null,
      fetchDispute: inTurn(disputeSeen('inquiry'), disputeSeen('open'), disputeSeen('open'), disputeSeen('lost')),
      openDispute: inTurn(null, disputeOf()),
      closeDispute: inTurn(disputeOf(), disputeOf({ status: 'lost' })),
    },
    tell: async (scene) => {
      const handle = await tellDispute(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('dispute-decided-again-over-another-amount', () => ({
    mocks: {
      findDisputeOrder: async () => null,
      fetchDispute: inTurn(
        disputeSeen('open'),
        disputeSeen('open', 20),
        disputeSeen('lost', 20),
        disputeSeen('open', 20),
        disputeSeen('won', 20),
      ),
      openDispute: async () => disputeOf(),
      changeDispute: async ({ amountMicros }) => disputeOf({ amountMicros }),
      closeDispute: async ({ outcome, amountMicros }) =>
        disputeOf({ status: outcome, ...(amountMicros && { amountMicros }) }),
    },
    tell: async (scene) => {
      const handle = await tellDispute(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('refund-sent-after-it-had-failed', () => ({
    mocks: {
      requestRefund: async () => ({ status: 'taken', order: refundOf() }),
      createRefund: async () => refundSeen('pending'),
      fetchRefund: inTurn(refundSeen('failed'), refundSeen('pending'), refundSeen('succeeded')),
      closeRefund: async ({ outcome }) => refundOf({ status: outcome, stripeRefundId: 're_1' }),
    },
    tell: async (scene) => {
      const { handle } = await requestRefund(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('deposit-paid-after-it-had-failed', () => ({
    mocks: {
      getDepositOrder: async () => orderOf('dep', { status: 'failed' }),
      fetchOutcome: inTurn(PROCESSING, SUCCEEDED),
      creditDeposit: async () => orderOf('dep', { status: 'succeeded' }),
    },
    tell: async (scene) => {
      const handle = await tellDeposit(scene);
      await handle.result();
      return [handle.workflowId];
    },
  })),

  story('deposit-in-crypto-by-parts-and-late', () => {
    const confirmed = (hash: string, dollars: number) => [cryptoOutput(hash, dollars)];
    const crypto = (status: 'pending' | 'succeeded') => orderOf('dep', { kind: 'crypto', status });
    const page = { awaiting: 0, expired: false, expiresSecond: 1_800_000_000 };
    return {
      mocks: {
        openDeposit: async () => crypto('pending'),
        createCryptoPage: failing(1, { sessionId: 'session_1', checkoutUrl: 'https://pay/page', maybeSeveral: true }),
        fetchCrypto: inTurn(
          { ...page, confirmed: confirmed('0xa', 60), awaiting: 1 },
          { ...page, confirmed: [] },
          { ...page, confirmed: [], expired: true },
          { ...page, confirmed: confirmed('0xb', 5), expired: true, expiresSecond: 0 },
        ),
        creditCrypto: inTurn(crypto('pending'), crypto('succeeded')),
        expireCrypto: async () => crypto('succeeded'),
      },
      tell: async (scene) => {
        const handle = await startDeposit(scene, 'crypto');
        // The last look is that of a day later, for coins that come late.
        await handle.result();
        return [handle.workflowId];
      },
    };
  }),

  story('deposit-in-crypto-that-is-corrected', () => {
    const succeeded = orderOf('dep', { kind: 'crypto', status: 'succeeded' });
    const changed = [{ transactionHash: '0xa', output: 0, amountMicros: micros(90_000_000) }];
    const page = { confirmed: [], awaiting: 0, expired: true };
    return {
      mocks: {
        getDepositOrder: async () => succeeded,
        fetchCrypto: inTurn({ ...page, expiresSecond: 1_800_000_000, changed }, { ...page, expiresSecond: 0 }),
        correctCrypto: async () => succeeded,
      },
      tell: async (scene) => {
        const handle = await tellDeposit(scene);
        await handle.result();
        return [handle.workflowId];
      },
    };
  }),

  ...(['mail', 'event'] as const).map((channel) =>
    story(`notice-by-${channel}`, () => ({
      mocks: {
        claimNotice: async () => 'claimed',
        deliverMail: failing(2, undefined),
        deliverEvent: failing(2, undefined),
      },
      tell: async (scene) => {
        const handle = await startNotice(scene, channel);
        await handle.result();
        return [handle.workflowId];
      },
    })),
  ),
  ...(['mail', 'event'] as const).map((channel) =>
    story(`notice-by-${channel}-is-marked-late`, () => ({
      mocks: {
        claimNotice: failing(1, 'claimed'),
        deliverMail: async () => {},
        deliverEvent: async () => {},
        markNoticeSent: failing(2, undefined),
      },
      tell: async (scene) => {
        const handle = await startNotice(scene, channel);
        await handle.result();
        return [handle.workflowId];
      },
    })),
  ),
  story('notice-is-refused', () => ({
    mocks: {
      claimNotice: async () => 'claimed',
      deliverMail: refusing('mail: the server refused the recipient for good (EENVELOPE 550 5.1.1 to RCPT TO)'),
    },
    tell: async (scene) => {
      const handle = await startNotice(scene, 'mail');
      await handle.result().catch(() => {});
      return [handle.workflowId];
    },
  })),
];
