/** Tests the auto top-up workflow: when it reads the policy again, and how it makes one charge for each attempt. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatSecond, nextMonthStart } from '../../billing/time.ts';
import { BILLING_STATE, CAUSE, TEAM_ID, topUpState, wakeUp, workflowId } from '../../workflows/messages.ts';
import { decision, FAILED, oneAttempt, PROCESSING, policyOff, SUCCEEDED, startDeposit, tellTeam } from './given.ts';
import { failing, heldBack, inTurn, type Mocks, nearly, openStage, type Scene, type Stage } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>) => stage.play(mocks, story);

const looks = (scene: Scene): number[] => scene.calls('openAttempt').map(({ nowSecond }) => nowSecond);

describe('auto top-up with nothing due', () => {
  it('sleeps without a timer until it is woken, then reads the policy again', () =>
    play({ openAttempt: async () => decision() }, async (scene) => {
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('openAttempt');
      await scene.quiet(handle);
      const before = await scene.events(handle.workflowId);
      await scene.pass('40 days');
      expect(await scene.events(handle.workflowId)).toBe(before);
      expect(looks(scene)).toHaveLength(1);
      await handle.signal(wakeUp);
      await scene.untilAsked('openAttempt', 2);
    }));

  it('ends when the policy is off', () =>
    play({ openAttempt: async () => policyOff }, async (scene) => {
      const handle = await tellTeam(scene, 'autoTopUp');
      await handle.result();
      expect(scene.order()).toEqual(['openAttempt']);
    }));

  it('starts a new run when it is woken after its end', () =>
    play({ openAttempt: inTurn(policyOff, decision()) }, async (scene) => {
      await (await tellTeam(scene, 'autoTopUp')).result();
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('openAttempt', 2);
      await scene.quiet(handle);
      expect((await handle.describe()).status.name).toBe('RUNNING');
    }));

  it('continues when it is woken during the read that finds the policy off', () => {
    const off = heldBack(policyOff);
    const answers = [off.answer];
    return play({ openAttempt: () => (answers.shift() ?? (async () => decision()))() }, async (scene) => {
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('openAttempt');
      await handle.signal(wakeUp);
      off.release();
      await scene.untilAsked('openAttempt', 2);
      await scene.quiet(handle);
      expect((await handle.describe()).status.name).toBe('RUNNING');
    });
  });

  it('retries while the database is unavailable', () =>
    play({ openAttempt: failing(2, decision()) }, async (scene) => {
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('openAttempt', 3);
      await scene.quiet(handle);
      expect(await handle.query(topUpState)).toEqual({
        teamId: scene.id('team'),
        state: 'suspended',
        attemptDepositId: null,
        lookAgainSecond: null,
      });
    }));
});

describe('a cooldown', () => {
  /** A cooldown of so many seconds from the first look; after it nothing is due. */
  const cooldownOf = (seconds: number) => {
    let until: number | undefined;
    return async ({ nowSecond }: { nowSecond: number }) => {
      until ??= nowSecond + seconds;
      return nowSecond < until ? decision({ state: 'cooling_down', lookAgainSecond: until }) : decision();
    };
  };

  it('ends in one read, made in the second in which the cooldown ends', () =>
    play({ openAttempt: cooldownOf(300) }, async (scene) => {
      const { workflowId: id } = await tellTeam(scene, 'autoTopUp');
      await scene.untilState(id, 'cooling_down');
      await scene.pass('200 seconds');
      expect(looks(scene)).toHaveLength(1);
      await scene.pass('1 day');
      const [first = 0, ...rest] = looks(scene);
      expect(scene.onTime([first + 300], rest)).toEqual([first + 300]);
      expect(await scene.alarms(id)).toEqual([`cooling_down, looks again at ${formatSecond(first + 300)}`]);
      await scene.untilState(id, 'suspended');
    }));

  it('is kept over a read in between', () =>
    play({ openAttempt: cooldownOf(300) }, async (scene) => {
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('openAttempt');
      await scene.pass('100 seconds');
      await handle.signal(wakeUp);
      await scene.untilAsked('openAttempt', 2);
      await scene.pass('1 day');
      const [first = 0, , ...rest] = looks(scene);
      expect(scene.onTime([first + 300], rest)).toEqual([first + 300]);
      expect(await scene.alarms(handle.workflowId)).toEqual([
        `cooling_down, looks again at ${formatSecond(first + 300)}`,
      ]);
    }));

  it('of a policy that was switched off sets no timer', () =>
    play({ openAttempt: async () => ({ ...policyOff, lookAgainSecond: 4_000_000_000 }) }, async (scene) => {
      await (await tellTeam(scene, 'autoTopUp')).result();
      expect(looks(scene)).toHaveLength(1);
    }));
});

it('auto top-up reads the policy again in the first second of the next month after the monthly cap is reached', () => {
  let month: number | undefined;
  const openAttempt = async ({ nowSecond }: { nowSecond: number }) => {
    month ??= nextMonthStart(nowSecond);
    return nowSecond < month ? decision({ state: 'capped', lookAgainSecond: month }) : decision();
  };
  return play({ openAttempt }, async (scene) => {
    const { workflowId: id } = await tellTeam(scene, 'autoTopUp');
    await scene.untilState(id, 'capped');
    await scene.passTo((month ?? 0) + 60);
    await scene.untilState(id, 'suspended');
    // No sleep is longer than 30 days, so that a month of 31 is looked at once on the way.
    expect(looks(scene).length).toBeLessThanOrEqual(3);
    expect(scene.onTime([month ?? 0], looks(scene).slice(-1))).toEqual([month]);
    expect(new Set(await scene.alarms(id))).toEqual(new Set([`capped, looks again at ${formatSecond(month ?? 0)}`]));
  });
});

describe('an attempt', () => {
  it('is paid by its own deposit, whose end causes the next read', () => {
    const { mocks, of } = oneAttempt(SUCCEEDED, decision({ state: 'suspended' }));
    return play(mocks, async (scene) => {
      of(scene);
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('openAttempt', 2);
      await scene.quiet(handle);
      expect(scene.order('openAttempt', 'getDepositOrder', 'confirmIntent', 'creditDeposit')).toEqual([
        'openAttempt',
        'getDepositOrder',
        'confirmIntent',
        'creditDeposit',
        'openAttempt',
      ]);
      const depositWorkflow = workflowId.deposit(scene.id('dep'));
      expect(await scene.handle(depositWorkflow).result()).toMatchObject({ status: 'succeeded' });
      expect(await scene.attribute(depositWorkflow, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(depositWorkflow, CAUSE)).toBe(handle.workflowId);
      expect(await scene.attribute(depositWorkflow, BILLING_STATE)).toBe('succeeded');
    });
  });

  it('that fails ends auto top-up after one charge, because the policy is off', () => {
    const { mocks, of } = oneAttempt(FAILED);
    return play(mocks, async (scene) => {
      of(scene);
      await (await tellTeam(scene, 'autoTopUp')).result();
      expect(scene.calls('confirmIntent')).toHaveLength(1);
      expect(scene.calls('failDeposit')).toMatchObject([{ status: 'failed', failureCode: 'card_expired' }]);
      await scene.pass('3 days');
      expect(scene.calls('createIntent')).toHaveLength(1);
      expect(scene.calls('openAttempt')).toHaveLength(2);
    });
  });

  it('that is already running is not started again, and is checked each minute until it ends', () => {
    const { mocks, of } = oneAttempt(PROCESSING);
    const outcome = inTurn(PROCESSING, PROCESSING, PROCESSING, PROCESSING, SUCCEEDED);
    return play({ ...mocks, fetchOutcome: outcome }, async (scene) => {
      of(scene);
      await startDeposit(scene, 'auto_top_up');
      await scene.untilAsked('confirmIntent');
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.pass('130 seconds');
      const [first = 0, ...rest] = looks(scene);
      const since = rest.map((second) => second - first);
      expect(nearly(scene, [60, 120], since)).toEqual([60, 120]);
      await handle.signal(wakeUp);
      await scene.untilAsked('openAttempt', 4);
      await scene.pass('10 minutes');
      expect(scene.calls('createIntent')).toHaveLength(1);
      expect(scene.calls('creditDeposit')).toHaveLength(1);
      await scene.untilState(handle.workflowId, 'suspended');
    });
  });
});
