/**
 * No workflow here can be cancelled. Each has money in its hands: a payment that may have been taken, a meter that runs, a
 * mail that was promised. Whoever wants an instance ended says so by `endInstance`, which records it; a request to cancel
 * records nothing, and would leave what is recorded with nobody to see to it. Read by the bundler.
 */
import { CancellationScope, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      execute: (input, next) => CancellationScope.nonCancellable(() => next(input)),
      handleUpdate: (input, next) => CancellationScope.nonCancellable(() => next(input)),
    },
  ],
});
