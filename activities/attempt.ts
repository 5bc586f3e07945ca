/** The number of the current try of an activity. */
import { Context } from '@temporalio/activity';

/** 1 for the first; also 1 outside an activity, as in the api and in tests. */
export function activityAttempt(): number {
  try {
    return Context.current().info.attempt;
  } catch {
    return 1;
  }
}
