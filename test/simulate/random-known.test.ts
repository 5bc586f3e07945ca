/** Runs the random scenarios that are the same in each run, so that runs can be compared. */
import { describeRandomScenarios } from './random.ts';

describeRandomScenarios('random scenarios that are the same in every run, so that runs can be compared', 0);
