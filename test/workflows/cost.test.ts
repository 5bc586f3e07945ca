import { afterAll, beforeAll, expect, it } from 'vitest';
import { admitted, instanceThatRuns, running } from './given.ts';
import { openStage, type Stage } from './support.ts';

/** A run takes 51,200 events and is continued as new at 4,096; at 12 an hour that is a fortnight. */
const MOST_EVENTS_PER_HOUR = 12;
const HOURS = 24;

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

it('a day of an instance costs a handful of events an hour', () =>
  stage.play({ admitInstance: async () => admitted(), settleInstance: async () => running() }, async (scene) => {
    const handle = await instanceThatRuns(scene);
    await scene.quiet(handle);
    const before = await scene.events(handle.workflowId);
    await scene.pass(`${HOURS} hours`);
    await scene.untilAsked('settleInstance', HOURS + 1);
    await scene.quiet(handle);
    const perHour = ((await scene.events(handle.workflowId)) - before) / HOURS;
    console.info(`an instance that settles hourly: ${before} events to run, then ${perHour.toFixed(1)} an hour`);
    expect(scene.calls('settleInstance')).toHaveLength(HOURS + 1);
    expect(perHour).toBeLessThanOrEqual(MOST_EVENTS_PER_HOUR);
  }));
