import { defaultExclude, defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

const STORY = 'test/story/**/*.test.ts';

/** Files that leave nothing behind in their process: they mock no module, and install no Temporal runtime. */
const SHARED = [
  'test/{papers,prisma,stripe-schema,ledger}/**/*.test.ts',
  'test/activities/!(clock|smtp-answers).test.ts',
  'test/api/!(gate|idempotency|process|starvation|with-engine).test.ts',
  'test/billing/!(meter-sums|price-histories).test.ts',
];

/** Most of it is waiting for real servers: two files at once even where there are two cores. */
const TWO_FILES_AT_ONCE = { maxWorkers: 2, sequence: { groupOrder: 0 } };

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
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...defaultExclude, STORY, ...SHARED],
          globalSetup: ['test/support/global-setup.ts'],
          ...TWO_FILES_AT_ONCE,
        },
      },
      {
        extends: true,
        test: {
          name: 'shared',
          include: SHARED,
          globalSetup: ['test/support/global-setup.ts'],
          // One process runs many files, and loads the packages once: they take longer to load than most files to run.
          isolate: false,
          ...TWO_FILES_AT_ONCE,
        },
      },
      {
        extends: true,
        test: {
          name: 'story',
          include: [STORY],
          // The whole product in real time, killed and restarted: most of it is waiting, and two files at once leave it time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
