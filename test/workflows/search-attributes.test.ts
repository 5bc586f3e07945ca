/** Tests that the embedded Temporal server has the search attributes of the workflows. */
import { expect, it } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { SEARCHED_BY } from '../../workflows/search-attributes.ts';

it('npm start registers the search attributes that the workflows set', () => {
  expect(SEARCHED_BY.map(({ name, type }) => ({ name, type }))).toEqual(
    SEARCH_ATTRIBUTES.map(({ name, type }) => ({ name, type })),
  );
});
