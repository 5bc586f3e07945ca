/** Tests that every word of a product file's name has an entry in the glossary or is plain English. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { productFiles, ROOT } from '../../prose/files.ts';

/** Words that mean here what they mean in any program. */
const PLAIN = `
  accept answer array auth authentication batch big binary billing block build burnrate case chat check claimed code color command connection
  comment compare credited csv data day deadline demo depositing described early endpoint error example expand expiring failed fake figure
  file finish folder forget generate history hook hosted html http identity inbox index key launch layout link list load log
  looking lookup low main make measured memory metered mode name named nearest object of open operation option page param part path persistence
  plain port program progress public query raw readable reading reason refunding refused reminder request reserving result return
  returning row run saved script secret service serving session setting setup sheet simulate simultaneous skipping source start starting stop stream
  style table tag text timeline tool under unknown up url use value watched web welcome word in
`;

const singular = (word: string): string =>
  /[^s]ies$/.test(word) ? word.replace(/ies$/, 'y') : word.replace(/([^su])s$/, '$1');

const entries = new Set(
  [...readFileSync(join(ROOT, 'docs/glossary.md'), 'utf8').matchAll(/\*\*([^*]+)\*\*/g)]
    .flatMap(([, term = '']) => term.toLowerCase().split(/[^a-z]+/))
    .map(singular),
);
const plain = new Set(PLAIN.trim().split(/\s+/));
const wordsOf = (path: string): string[] =>
  basename(path)
    .replace(/\.\w+$/, '')
    .split(/[-.]/)
    .map(singular);
const names = productFiles().map((path) => ({ path, words: wordsOf(path) }));

describe('the glossary', () => {
  it('has every word of a product file’s name that is not plain English', () => {
    const missing = names.flatMap(({ path, words }) =>
      words.filter((word) => !entries.has(word) && !plain.has(word)).map((word) => `${word} (${path})`),
    );
    expect(missing).toEqual([]);
  });

  it('has each entry once', () => {
    const terms = [...readFileSync(join(ROOT, 'docs/glossary.md'), 'utf8').matchAll(/^\| \*\*([^*]+)\*\*/gm)].map(
      ([, term]) => term,
    );
    expect(terms.filter((term, index) => terms.indexOf(term) !== index)).toEqual([]);
  });
});
