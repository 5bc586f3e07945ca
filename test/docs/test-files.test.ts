/** Tests that each test file begins with one or two sentences that say what the file is for. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commentsOf } from '../../prose/comments.ts';
import { ROOT } from '../../prose/files.ts';

/** The sentences of the doc comment on the first line; none where a file begins otherwise. */
function openingSentences(source: string): string[] {
  if (!source.startsWith('/**')) return [];
  return (commentsOf(source)[0]?.text ?? '')
    .split(/(?<=[.!?])\s+/)
    .filter((sentence) => /^[A-Z].*[.!?]$/.test(sentence));
}

const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((path) =>
  path.endsWith('.test.ts'),
);

describe('the opening comment of a test file', () => {
  it('is read as sentences', () => {
    expect(openingSentences('/** Tests holds. Time is skipped. */\nimport a;')).toEqual([
      'Tests holds.',
      'Time is skipped.',
    ]);
    expect(openingSentences('import a;\n/** Tests holds. */')).toEqual([]);
    expect(openingSentences('/** holds */')).toEqual([]);
  });

  it('exists in each file, and has at most two sentences', () => {
    expect(files.length).toBeGreaterThan(200);
    const wrong = files.filter((path) => {
      const { length } = openingSentences(readFileSync(join(ROOT, 'test', path), 'utf8'));
      return length < 1 || length > 2;
    });
    expect(wrong).toEqual([]);
  });

  it('begins with a verb', () => {
    const others = files.filter(
      (path) =>
        !/^(Tests|Runs|Counts|Measures|Computes|Compares|Checks|Replays|Reads|Proves)\b/.test(
          openingSentences(readFileSync(join(ROOT, 'test', path), 'utf8'))[0] ?? '',
        ),
    );
    expect(others).toEqual([]);
  });
});
