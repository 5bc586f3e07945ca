/** Tests the processing of a list with limited concurrency. */
import { expect, it } from 'vitest';
import { firstDone } from '../../activities/in-pieces.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

it('Each item is processed once, at most 20 at a time.', async () => {
  const done: number[] = [];
  let underWay = 0;
  let most = 0;
  const count = await firstDone(numbers(100), async (item) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await Promise.resolve();
    underWay -= 1;
    done.push(item);
  });
  expect(count).toBe(100);
  expect(done.sort((a, b) => a - b)).toEqual(numbers(100));
  expect(most).toBe(20);
});

it.each([1, 7, 50, 99])(
  'A failure at item %i answers that all earlier items are done, and starts few later items.',
  async (at) => {
    const begun: number[] = [];
    const count = await firstDone(numbers(100), async (item) => {
      begun.push(item);
      await Promise.resolve();
      if (item === at) throw new Error('no');
    });
    expect(count).toBe(at);
    expect(Math.max(...begun)).toBeLessThan(at + 2 * 20);
  },
);

it('The first of two failures is answered.', async () => {
  const fail = new Set([30, 35]);
  const count = await firstDone(numbers(100), async (item) => {
    await new Promise((resolve) => setTimeout(resolve, item === 30 ? 5 : 0));
    if (fail.has(item)) throw new Error('no');
  });
  expect(count).toBe(30);
});

it('A failure of the first item is thrown.', async () => {
  const act = async (item: number) => {
    if (item === 0) throw new Error('the first cannot be done');
  };
  await expect(firstDone(numbers(3), act)).rejects.toThrow('the first cannot be done');
});

it('An empty list is done at once.', async () => {
  expect(await firstDone([], async () => {})).toBe(0);
});
