/** Lists source files and commits. Product files are all source files in a folder other than test/. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');

/** Paths of source files from the root. Files ignored by git, such as prisma/generated/, are not listed. */
export const sourceFiles = (): string[] =>
  git('ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate').filter(
    (path) => /\.(ts|mjs|prisma)$/.test(path) && !/\.d\.m?ts$/.test(path) && existsSync(join(ROOT, path)),
  );

export const productFiles = (): string[] =>
  sourceFiles().filter((path) => !path.startsWith('test/') && path.includes('/') && !path.endsWith('.prisma'));

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The subjects of the commits after `commit`, newest first. */
export const subjectsSince = (commit: string): string[] => git('log', '--format=%s', '--no-merges', `${commit}..HEAD`);

const git = (...args: string[]): string[] =>
  execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
