import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', 'test/support/closing-line.ts'],
    // Much of a run is waiting for real servers: two files at once even where there are two cores.
    maxWorkers: 2,
    // Real servers on a busy machine: a limit here only says that something hangs.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
