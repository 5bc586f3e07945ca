import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, the longest first: a file that is begun last leaves a core without work until it ends. */
const LONG = [
  'simulate/scenarios',
  'faults/matrix',
  'simulate/random-new',
  'simulate/random-known',
  'workflows/replay',
  'story/killed',
  'story/away',
];

function rank({ moduleId, project }: TestSpecification): number {
  const place = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  if (place !== -1) return place;
  // Files that share a process come one after another: it ends as soon as the next file cannot use it.
  return project.config.isolate ? LONG.length : LONG.length + 1;
}

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
