import { defaultExclude, defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

const STORY = 'test/story/**/*.test.ts';

/**
 * Files that change their process: they mock modules, replace timers or variables of the environment, or end a process in
 * the middle of its work. Each has a process of its own.
 */
const ALONE = [
  'test/activities/{clock,mail/smtp-answers}.test.ts',
  'test/api/{gate,idempotency,process}.test.ts',
  'test/billing/{meter-sums,price-histories}.test.ts',
  'test/embedded/temporal.test.ts',
];

/** Much of the time is waiting for real servers: three files at once even where there are two cores. */
const THREE_FILES_AT_ONCE = { maxWorkers: 3, sequence: { groupOrder: 0 } };

export default defineConfig({
  test: {
    reporters: ['default', 'test/support/closing-line.ts'],
    sequence: { sequencer: LongestFirst },
    // A limit only says that something hangs. It is the same for every test: files set no limits of their own.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    // A call to a test server that was given up is tried once more by the client after its channel is closed: nobody waits for it.
    onUnhandledError: ({ message }) => message !== 'Channel has been shut down',
    projects: [
      {
        extends: true,
        test: {
          name: 'alone',
          include: ALONE,
          globalSetup: ['test/support/global-setup.ts'],
          ...THREE_FILES_AT_ONCE,
        },
      },
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...defaultExclude, STORY, ...ALONE],
          globalSetup: ['test/support/global-setup.ts'],
          // One process runs many files, and loads the packages once: they take longer to load than most files to run.
          isolate: false,
          ...THREE_FILES_AT_ONCE,
        },
      },
      {
        extends: true,
        test: {
          name: 'story',
          include: [STORY],
          ...THREE_FILES_AT_ONCE,
        },
      },
    ],
  },
});
