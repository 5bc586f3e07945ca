import { defaultExclude, defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

const STORY = 'test/story/**/*.test.ts';

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
          exclude: [...defaultExclude, STORY],
          globalSetup: ['test/support/global-setup.ts'],
          // Most of it is waiting for real servers: two files at once even where there are two cores.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'story',
          include: [STORY],
          // The whole product in real time, killed and restarted: it has the machine to itself.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
