/**
 * Tests behaviour that needs a real Temporal server: long histories that continue in a new run, priorities, and the
 * termination of a child workflow. Time is not skipped, so signals drive these stories.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveTemporalCli } from '../../embedded/temporal.ts';
import {
  instanceState,
  SEARCH_ATTRIBUTES,
  settleNow,
  topUpState,
  wakeUp,
  watchState,
  workflowId,
} from '../../workflows/messages.ts';
import {
  admitted,
  decision,
  ended,
  instanceInput,
  instanceThatRuns,
  oneAttempt,
  outlook,
  PROCESSING,
  receipt,
  requestInstance,
  running,
  SUCCEEDED,
  tellTeam,
} from './given.ts';
import { type Act, inTurn, openStage, type Scene, type Stage } from './support.ts';

/** The server's own limit is 4,096: here a run is long after a few looks. */
const LONG_HISTORY_EVENTS = 40;
let stage: Stage;
beforeAll(async () => {
  const executable = { type: 'existing-path' as const, path: await resolveTemporalCli() };
  const extraArgs = ['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${LONG_HISTORY_EVENTS}`];
  const searchAttributes = [...SEARCH_ATTRIBUTES];
  stage = await openStage({
    startServer: () => TestWorkflowEnvironment.createLocal({ server: { executable, searchAttributes, extraArgs } }),
  });
});
afterAll(() => stage?.close());

/** Tells a workflow until it has gone on in a third run; each telling is one look. Answers how often it was told. */
async function tellUntilContinuedTwice(scene: Scene, id: string, look: Act): Promise<number> {
  const runs = new Set<string>();
  for (let times = 1; times <= 60; times++) {
    const before = scene.calls(look).length;
    await scene.handle(id).signal(wakeUp);
    await scene.untilAsked(look, before + 1);
    runs.add((await scene.handle(id).describe()).runId);
    if (runs.size === 3) return times;
  }
  throw new Error(`${id} was told 60 times and has had ${runs.size} runs`);
}

describe('a history that grows long is continued in a new run', () => {
  it('of an instance, which keeps its admission, loses no signal and ends as usual', () => {
    let over = false;
    const settleInstance = async () => (over ? ended('inst', 'stopped', true) : running());
    return stage.play({ admitInstance: async () => admitted(), settleInstance }, async (scene) => {
      const { workflowId: id } = await instanceThatRuns(scene, { settleEveryMs: 0 });
      const times = await tellUntilContinuedTwice(scene, id, 'settleInstance');
      expect(scene.calls('settleInstance').length).toBeGreaterThanOrEqual(times);
      expect(scene.calls('admitInstance')).toHaveLength(1);
      expect(scene.calls('watch')).toHaveLength(1);

      expect(await requestInstance(scene, instanceInput(scene))).toEqual(admitted());
      expect(await scene.handle(id).executeUpdate(settleNow)).toMatchObject({ state: 'running' });
      expect(await scene.handle(id).query(instanceState)).toMatchObject({ state: 'running' });
      await scene.untilState(id, 'running');

      over = true;
      await scene.handle(id).signal(wakeUp);
      expect(await scene.handle(id).result()).toEqual(receipt('inst'));
    });
  });

  it('of a watch, which keeps its pending wakes and continues to read the ledger', () =>
    stage.play({ lookAhead: async () => outlook() }, async (scene) => {
      const { workflowId: id } = await tellTeam(scene, 'balanceWatch');
      await tellUntilContinuedTwice(scene, id, 'lookAhead');
      const teams = scene.calls('lookAhead').map(({ teamId }) => teamId);
      expect(new Set(teams)).toEqual(new Set([scene.id('team')]));
      expect(await scene.handle(id).query(watchState)).toMatchObject({ teamId: scene.id('team') });
    }));

  it('of auto top-up, which continues to read the policy', () =>
    stage.play({ openAttempt: async () => decision() }, async (scene) => {
      const { workflowId: id } = await tellTeam(scene, 'autoTopUp');
      await tellUntilContinuedTwice(scene, id, 'openAttempt');
      expect(await scene.handle(id).query(topUpState)).toMatchObject({ teamId: scene.id('team'), state: 'suspended' });
    }));

  it('during continual wakes, without missing a recorded fact', () => {
    let recorded = 0;
    let seen = 0;
    const lookAhead = async () => {
      seen = recorded;
      return outlook();
    };
    return stage.play({ lookAhead }, async (scene) => {
      const { workflowId: id } = await tellTeam(scene, 'balanceWatch');
      for (let burst = 1; burst <= 30; burst++) {
        recorded = burst;
        await Promise.all([1, 2, 3].map(() => scene.handle(id).signal(wakeUp)));
      }
      await scene.until('the last change is seen', () => seen === 30);
      const { runId } = await scene.handle(id).describe();
      expect(runId).toBeTruthy();
    });
  });
});

describe('The server', () => {
  /** What the server keeps of a run: its priority, and those of the activities and children that name one. */
  const prioritiesOf = async (scene: Scene, id: string) => {
    const { raw } = await scene.handle(id).describe();
    return raw.workflowExecutionInfo?.priority;
  };
  const of = (teamId: string) => ({ priorityKey: 1, fairnessKey: teamId });

  it('keeps the priority and the team of a watch, in a continued run too.', () =>
    stage.play({ lookAhead: async () => outlook() }, async (scene) => {
      const { workflowId: id } = await tellTeam(scene, 'balanceWatch');
      expect(await prioritiesOf(scene, id)).toMatchObject(of(scene.id('team')));
      await tellUntilContinuedTwice(scene, id, 'lookAhead');
      expect(await prioritiesOf(scene, id)).toMatchObject(of(scene.id('team')));
    }));

  it('gives a payment of auto top-up the priority of a payment.', () => {
    const { mocks, of: opened } = oneAttempt(SUCCEEDED);
    return stage.play(mocks, async (scene) => {
      opened(scene);
      await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('creditDeposit');
      expect(await prioritiesOf(scene, workflowId.deposit(scene.id('dep')))).toMatchObject(of(scene.id('team')));
    });
  });
});

describe('an operator who terminates', () => {
  it('a payment causes its restart: the same payment, credited once', () => {
    const { mocks, of } = oneAttempt(PROCESSING);
    return stage.play({ ...mocks, confirmIntent: inTurn(PROCESSING, SUCCEEDED) }, async (scene) => {
      of(scene);
      const { workflowId: id } = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('confirmIntent');
      const payment = scene.handle(workflowId.deposit(scene.id('dep')));
      await scene.quiet(payment);
      await payment.terminate('an operator looks into it');
      await scene.until('auto top-up waits', async () => {
        const { events } = await scene.handle(id).fetchHistory();
        return events?.some((event) => event.timerStartedEventAttributes) ?? false;
      });
      expect(scene.calls('openAttempt')).toHaveLength(1);
      await scene.handle(id).signal(wakeUp);
      await scene.untilState(id, 'suspended');
      expect(scene.calls('createIntent')).toEqual([{ depositId: scene.id('dep') }, { depositId: scene.id('dep') }]);
      expect(scene.calls('creditDeposit')).toHaveLength(1);
    });
  });

  it('auto top-up leaves the pending payment running to its end', () => {
    const { mocks, of } = oneAttempt(PROCESSING);
    return stage.play({ ...mocks, fetchOutcome: async () => SUCCEEDED }, async (scene) => {
      of(scene);
      const handle = await tellTeam(scene, 'autoTopUp');
      await scene.untilAsked('confirmIntent');
      const payment = scene.handle(workflowId.deposit(scene.id('dep')));
      await scene.quiet(payment);
      await handle.terminate('by an operator');
      await payment.signal(wakeUp);
      expect(await payment.result()).toMatchObject({ status: 'succeeded' });
      expect(scene.calls('autoTopUp')).toEqual([scene.id('team')]);
    });
  });
});
