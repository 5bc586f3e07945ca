/** Measures the Temporal events, tasks and timers that an instance and its team’s watch use. */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { wakeUp, workflowId } from '../../workflows/messages.ts';
import { createWorkflowWakes } from '../../workflows/signals.ts';
import { admitted, ended, instanceThatRuns, outlook, RATE, running, startRecorded } from './given.ts';
import { openStage, type Scene, type Stage } from './support.ts';

/** A run takes 51,200 events and is continued as new at 4,096; at 6 an hour that is four weeks. */
const EVENTS_PER_HOUR = 6;
const HOURS = 24;

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

/** What the engine does for a workflow, and keeps of it. */
interface Cost {
  events: number;
  workflowTasks: number;
  activities: number;
  localActivities: number;
  timers: number;
  upserts: number;
}

/** Numbers of Temporal's `EventType`. */
const EVENT = { workflowTask: 6, activity: 10, timer: 17, marker: 25, upsert: 40 };

async function costOf(handle: WorkflowHandle): Promise<Cost> {
  const { events = [] } = await handle.fetchHistory();
  const count = (type: number) => events?.filter(({ eventType }) => eventType === type).length ?? 0;
  return {
    events: events?.length ?? 0,
    workflowTasks: count(EVENT.workflowTask),
    activities: count(EVENT.activity),
    localActivities: count(EVENT.marker),
    timers: count(EVENT.timer),
    upserts: count(EVENT.upsert),
  };
}

/** A slow machine can add workflow tasks while a local activity runs: the least of several runs is the cost. */
async function least(run: () => Promise<Cost[]>): Promise<Cost[]> {
  const runs = [await run(), await run(), await run()];
  return runs.reduce((best, costs) => (eventsOf(costs) < eventsOf(best) ? costs : best));
}
const eventsOf = (costs: Cost[]): number => costs.reduce((sum, { events }) => sum + events, 0);

it('An instance that runs for a day adds six events an hour.', async () => {
  const day = () =>
    stage.play({ admitInstance: async () => admitted(), settleInstance: async () => running() }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      await scene.quiet(handle);
      const before = await scene.events(handle.workflowId);
      await scene.pass(`${HOURS} hours`);
      await scene.untilAsked('settleInstance', HOURS + 1);
      await scene.quiet(handle);
      expect(scene.calls('settleInstance')).toHaveLength(HOURS + 1);
      return [{ ...(await costOf(handle)), events: (await scene.events(handle.workflowId)) - before }];
    });
  const [cost] = await least(day);
  expect((cost?.events ?? 0) / HOURS).toBe(EVENTS_PER_HOUR);
});

/**
 * Start, an hour in which the instance settles once, and stop. The start wakes the team's watch, as the first start of a
 * team does; the stop puts the next crossing off and wakes only the instance's workflow.
 */
async function lifecycle(scene: Scene, stop: () => void): Promise<Cost[]> {
  const tell = createWorkflowWakes(scene.client);
  const watch = scene.handle(workflowId.balanceWatch(scene.id('team')));
  const instance = await startRecorded(scene);
  await tell.watch(scene.id('team'));
  await scene.untilAsked('settleInstance');
  await scene.untilAsked('lookAhead');
  await scene.quiet(watch);
  await scene.pass('1 hour');
  await scene.untilAsked('settleInstance', 2);
  await scene.quiet(instance);
  stop();
  await instance.signal(wakeUp);
  // Waiting for the result would let the clock leap to the alarm of the watch.
  await scene.untilState(instance.workflowId, 'ended');
  await scene.quiet(watch);
  return [await costOf(instance), await costOf(watch)];
}

it('An instance uses three workflow tasks from start to stop, and its team’s watch uses one, for the start.', async () => {
  const play = () => {
    let over = false;
    const mocks = {
      settleInstance: async () => (over ? ended('inst', 'stopped', true) : running()),
      lookAhead: async ({ nowSecond }: { nowSecond: number }) =>
        outlook({ ended: null, burnMicrosPerHour: RATE, next: { second: nowSecond + 40 * 86_400, what: 'low' } }),
    };
    return stage.play(mocks, (scene) =>
      lifecycle(scene, () => {
        over = true;
      }),
    );
  };
  expect(await least(play)).toEqual([
    { events: 19, workflowTasks: 3, activities: 0, localActivities: 3, timers: 2, upserts: 1 },
    { events: 8, workflowTasks: 1, activities: 0, localActivities: 1, timers: 1, upserts: 1 },
  ]);
});
