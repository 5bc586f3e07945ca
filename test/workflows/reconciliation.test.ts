/** Tests the reconciliation workflow: its results, its retries and the days that the Schedule compares. */
import { WorkflowIdReusePolicy } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayBefore, secondOf } from '../../billing/time.ts';
import { BILLING_STATE, keyword, TASK_QUEUES, workflowId } from '../../workflows/messages.ts';
import { failing, heldBack, openStage, type Scene, type Stage } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const start = (scene: Scene, day: string) =>
  scene.client.workflow.start('reconciliation', {
    workflowId: workflowId.reconciliation(day),
    taskQueue: TASK_QUEUES.billing,
    args: [{ day }],
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    typedSearchAttributes: [keyword(BILLING_STATE, 'comparing')],
  });
const startDaily = (scene: Scene) =>
  scene.client.workflow.start('dailyReconciliation', {
    workflowId: scene.id('day', 'scheduled'),
    taskQueue: TASK_QUEUES.billing,
    typedSearchAttributes: [keyword(BILLING_STATE, 'comparing')],
  });

describe('a reconciliation', () => {
  it('ends as agreed without differences, and shows the differences otherwise', () =>
    stage.play(
      { reconcileDay: async ({ day }) => ({ day, compared: 12, differences: day.endsWith('2') ? 3 : 0 }) },
      async (scene) => {
        for (const [day, state] of [
          [scene.id('day', '1'), 'agreed'],
          [scene.id('day', '2'), 'differences'],
        ] as const) {
          const handle = await start(scene, day);
          expect(await handle.result()).toMatchObject({ day, compared: 12 });
          await scene.untilState(handle.workflowId, state);
        }
      },
    ));

  it('is retried until the provider’s books are read, without a time limit', () => {
    const answer = { day: 'day', compared: 1, differences: 0 };
    return stage.play({ reconcileDay: failing(100, answer) }, async (scene) => {
      const handle = await start(scene, scene.id('day'));
      expect(await handle.result()).toEqual(answer);
      expect(scene.calls('reconcileDay')).toHaveLength(101);
    });
  });

  it('started by the Schedule compares the previous day, under the id of that day', () =>
    stage.play({ reconcileDay: async ({ day }) => ({ day, compared: 0, differences: 0 }) }, async (scene) => {
      const day = dayBefore(secondOf(await scene.nowMs()));
      const handle = await startDaily(scene);
      expect(await handle.result()).toEqual({ day, compared: 0, differences: 0 });
      expect(await scene.handle(workflowId.reconciliation(day)).result()).toMatchObject({ day });
    }));

  it('started by the Schedule skips a day that an operator is comparing', () => {
    const { answer, release } = heldBack({ day: 'day', compared: 0, differences: 0 });
    return stage.play({ reconcileDay: answer }, async (scene) => {
      const day = dayBefore(secondOf(await scene.nowMs()));
      const byHand = await start(scene, day);
      await scene.untilAsked('reconcileDay');
      expect(await (await startDaily(scene)).result()).toBeNull();
      release();
      await byHand.result();
      expect(scene.calls('reconcileDay')).toHaveLength(1);
    });
  });
});
