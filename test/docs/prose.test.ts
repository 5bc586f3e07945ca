/** Tests the measurement of comments: the text that counts as prose, the pointing words, and the late beginnings. */
import { describe, expect, it } from 'vitest';
import { commentsOf } from '../../prose/comments.ts';
import { figuresOf } from '../../prose/figures.ts';
import { productFiles } from '../../prose/files.ts';

const textsOf = (source: string) => commentsOf(source).map(({ text }) => text);

describe('comments', () => {
  it('are read without markers, code, tags and addresses', () => {
    const source = `/**
 * Posts \`what\` is due. See https://example.com/what for more.
 * @param amount in micros
 * @throws BillingError \`not_found\`
 */
export const a = 1; // Two cents.`;
    expect(textsOf(source)).toEqual(['Posts is due. See for more. in micros', 'Two cents.']);
  });

  it('on adjoining lines are one comment, and other comments are separate', () => {
    expect(commentsOf('// One\n// sentence.\n\n// Another.\n/* Third. */')).toEqual([
      { line: 1, text: 'One sentence.' },
      { line: 4, text: 'Another.' },
      { line: 5, text: 'Third.' },
    ]);
  });

  it('are not found in strings, templates and regular expressions', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source of a template
    const source = "const a = 'https://x'; const b = `// no ${c /* yes */ + `//no`} // no`; /* also */";
    expect(textsOf(source)).toEqual(['yes', 'also']);
    expect(textsOf(String.raw`const a = /\/\/ no/.test(b); const c = d / 2; // yes`)).toEqual(['yes']);
  });
});

describe('figures', () => {
  it('count pointing words', () => {
    expect(figuresOf('/** Posts what it owes, and those that are theirs. */')).toMatchObject({ words: 9, pointing: 4 });
  });

  it('count comments with a late beginning', () => {
    const source = '/** What a team owes. */\n\n/** Sums what a team owes. */\n\n/** Those of a team. */';
    expect(figuresOf(source)).toMatchObject({ comments: 3, lateBeginnings: 2 });
  });

  it('cover product files, and neither tests nor generated files', () => {
    const files = productFiles();
    expect(files).toContain('billing/money.ts');
    expect(files.filter((path) => /^test\/|\/generated\//.test(path))).toEqual([]);
  });
});
