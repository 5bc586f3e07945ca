import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes minutes, the longest first: a file that is begun last leaves a core without work until it ends. */
const LONG = ['simulate/random-new', 'simulate/random-known', 'simulate/scenarios', 'faults/matrix', 'simulate/outage'];

const rank = ({ moduleId }: TestSpecification) => {
  const place = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return place === -1 ? LONG.length : place;
};

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
