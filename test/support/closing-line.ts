/** Ends a run with the time of each layer, and one plain line that any CI can read: `N passed, N failed`. */
import { relative, sep } from 'node:path';
import type { Reporter, TestModule, Vitest } from 'vitest/node';

interface Layer {
  tests: number;
  /** Of its files, one after another: two files run at once. */
  ms: number;
}

export default class ClosingLine implements Reporter {
  #root = '';

  onInit({ config }: Vitest): void {
    this.#root = config.root;
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    let passed = 0;
    let failed = errors.length;
    const layers = new Map<string, Layer>();
    for (const module of modules) {
      const states = [...module.children.allTests()].map((test) => test.result().state);
      const failures = states.filter((state) => state === 'failed').length;
      passed += states.filter((state) => state === 'passed').length;
      // A hook that fails skips the tests of its file, and fails none of them.
      failed += module.state() === 'failed' ? Math.max(1, failures) : failures;
      const name = layerOf(relative(this.#root, module.moduleId));
      const layer = layers.get(name) ?? { tests: 0, ms: 0 };
      layers.set(name, { tests: layer.tests + states.length, ms: layer.ms + timeOf(module) });
    }
    // After the summary of the default reporter.
    setImmediate(() => process.stdout.write(`\n${timesOf(layers)}\n\n${passed} passed, ${failed} failed\n`));
  }
}

/** The folder of a test below `test/`; of a test without one, its own name. */
const layerOf = (path: string): string => (path.split(sep)[1] ?? path).replace(/\.test\.ts$/, '');

/** From the load of a file to the end of its last hook. */
function timeOf(module: TestModule): number {
  const { prepareDuration, environmentSetupDuration, setupDuration, collectDuration, duration } = module.diagnostic();
  return prepareDuration + environmentSetupDuration + setupDuration + collectDuration + duration;
}

function timesOf(layers: ReadonlyMap<string, Layer>): string {
  const rows = [...layers].sort(([, a], [, b]) => b.ms - a.ms);
  const seconds = (ms: number) => (ms / 1000).toFixed(1).padStart(8);
  const widest = Math.max(...rows.map(([name]) => name.length));
  return [
    'time by layer, loading included:',
    ...rows.map(([name, { tests, ms }]) => `  ${name.padEnd(widest)} ${seconds(ms)} s  ${tests} tests`),
  ].join('\n');
}
