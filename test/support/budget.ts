/**
 * How many cases the heavy random and fault runs play. `npm test` plays a fixed number, and `npm run test:long` plays all:
 * it runs the same files with `BURNRATE_TESTS=long`. Every test that depends on the budget asks here.
 */

/** Where one of the values holds for `npm test` and the other for `npm run test:long`. */
export interface Budget<T> {
  test: T;
  long: T;
}

export const IS_LONG = process.env.BURNRATE_TESTS === 'long';

export const ofBudget = <T>({ test, long }: Budget<T>): T => (IS_LONG ? long : test);
