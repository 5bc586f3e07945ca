/**
 * Tests that each `Source:` in the code names an existing heading of a page here, or the address of a public document.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, sourceFiles } from '../../prose/files.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const ADDRESS = /^https:\/\/[\w-]+(\.[\w-]+)+(\/\S*)?$/;
const SOURCE = /Source: ([^\n]*(?:\n\s*(?:\*|\/\/) https?:[^\n]*|\n\s*(?:\*|\/\/) docs\/[^\n]*)*)/g;

/** The parts of each `Source:` of a file: pages and addresses, separated by commas. */
const sourcesOf = (code: string): string[] =>
  [...code.matchAll(SOURCE)].flatMap(([, list = '']) =>
    list
      .replace(/\*\/.*$/gm, '')
      .replace(/\n\s*(\*|\/\/)/g, '')
      .split(', ')
      .map((source) => source.trim().replace(/\.$/, '')),
  );

/** Anchors as GitHub makes them: lower case, dashes for spaces, no punctuation. */
const headingsOf = (page: string): string[] =>
  [...page.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** Null, or what is wrong with a source. */
function faultOf(source: string): string | null {
  if (ADDRESS.test(source)) return null;
  const [page = '', heading = ''] = source.split('#');
  if (!page.endsWith('.md')) return `"${source}" is neither a page of the repository nor an address`;
  if (!existsSync(join(ROOT, page))) return `${page} does not exist`;
  return headingsOf(read(page)).includes(heading) ? null : `${page} has no heading "${heading}"`;
}

describe('sources', () => {
  const cited = sourceFiles()
    .filter((path) => path !== 'test/docs/sources.test.ts')
    .flatMap((path) => sourcesOf(read(path)).map((source) => ({ path, source })));

  it('are found', () => expect(cited.length).toBeGreaterThan(50));

  it('name an existing heading or a public address', () => {
    const faults = cited.flatMap(({ path, source }) => {
      const fault = faultOf(source);
      return fault === null ? [] : [`${path}: ${fault}`];
    });
    expect(faults).toEqual([]);
  });

  it.each([
    'rules.md, "Units"',
    'docs/rules.md',
    'docs/rules.md#no-such-heading',
    'docs/no-such-page.md#units',
    'the design',
  ])('cannot be %s', (source) => {
    expect(sourcesOf(`/** Sums. Source: ${source}. */`).map(faultOf)).toContainEqual(expect.any(String));
  });

  it.each(['docs/rules.md#units', 'docs/rules.md#units, docs/rules.md#balance', 'https://docs.stripe.com/api/refunds'])(
    'can be %s',
    (source) => {
      expect(sourcesOf(`/** Sums. Source: ${source}. */`).map(faultOf)).not.toContainEqual(expect.any(String));
    },
  );

  it('can continue on the next line of a comment', () => {
    const comment = '/**\n * Sums. Source: https://docs.stripe.com/api/charges/list,\n * docs/rules.md#none\n */';
    expect(sourcesOf(comment)).toEqual(['https://docs.stripe.com/api/charges/list', 'docs/rules.md#none']);
  });

  it('and other mentions of pages name existing pages and headings', () => {
    const pages =
      /(?<![\w/#.-])((?:docs\/[\w/-]+|README|CONTRIBUTING|rules|api|design|found|review)\.md)(?:#([\w-]+))?/g;
    const faults = sourceFiles()
      .filter((path) => !path.startsWith('test/docs/'))
      .flatMap((path) => [...read(path).matchAll(pages)].map(([, page = '', heading]) => ({ path, page, heading })))
      .filter(({ page, heading }) => {
        if (!existsSync(join(ROOT, page))) return true;
        return heading !== undefined && !headingsOf(read(page)).includes(heading);
      });
    expect(faults).toEqual([]);
  });
});
