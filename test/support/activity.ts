import { ApplicationFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

const SILENT = new DefaultLogger('ERROR', () => {});

/** Runs an activity as a Temporal worker would on its `attempt`-th try. */
export const onAttempt = <T>(attempt: number, activity: () => Promise<T>): Promise<T> =>
  new MockActivityEnvironment({ attempt }, { logger: SILENT }).run(activity);

export interface Tried<T> {
  answer: T;
  /** What the tries before the last failed with. */
  failures: unknown[];
}

const MOST_TRIES = 6;

/** Tries an activity as Temporal would: again after every failure but a final one. `between` is what happens meanwhile. */
export async function untilAnswered<T>(
  activity: () => Promise<T>,
  between: (failures: number) => void | Promise<void> = () => {},
): Promise<Tried<T>> {
  const failures: unknown[] = [];
  for (let attempt = 1; ; attempt++) {
    try {
      return { answer: await onAttempt(attempt, activity), failures };
    } catch (error) {
      if (attempt === MOST_TRIES || (error instanceof ApplicationFailure && error.nonRetryable)) throw error;
      failures.push(error);
      await between(failures.length);
    }
  }
}
