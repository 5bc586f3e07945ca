/** Workflows that do nothing: what the engine alone costs. */
import { condition, defineSignal, defineUpdate, proxyLocalActivities, setHandler, sleep } from '@temporalio/workflow';

export const begun = defineUpdate<void>('begun');
export const finish = defineSignal('finish');

/** Answers an update, waits for a signal, and ends. */
export async function empty(): Promise<void> {
  let isOver = false;
  setHandler(begun, () => {});
  setHandler(finish, () => {
    isOver = true;
  });
  await condition(() => isOver);
}

export interface TimerActivities {
  rang(input: { dueMs: number }): Promise<void>;
}

const { rang } = proxyLocalActivities<TimerActivities>({ startToCloseTimeout: '15 seconds' });

/** Sleeps to an instant, and says so at once. */
export async function timer(dueMs: number): Promise<void> {
  await sleep(Math.max(1, dueMs - Date.now()));
  await rang({ dueMs });
}
