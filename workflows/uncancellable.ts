/**
 * Workflows here cannot be cancelled. Each handles money: a payment that may have been taken, a running meter, a
 * promised mail. An operator ends an instance by `endInstance`, which records the end. A cancellation records nothing,
 * and would leave the recorded facts without a workflow. The bundler reads this file.
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
