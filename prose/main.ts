/** `npm run prose`: measures how plain the comments of the product files and the subjects of commits are. */
import { parseArgs } from 'node:util';
import { commentsOf } from './comments.ts';
import {
  add,
  type Figures,
  figuresOf,
  figuresOfComment,
  GOAL,
  lateBeginningsPer100,
  NO_FIGURES,
  pointingPer100,
} from './figures.ts';
import { productFiles, read, subjectsSince } from './files.ts';

const HELP = `npm run prose [-- options] [path…]

Measures the comments of the product files, a room a line: words, pointing words (it, that, what, which, one, …) in 100
words, comments, and comments in 100 that begin with What, Those, Of, That, One, Whoever, Whatever, How or It. The files
with the most pointing words follow. With paths, only files below them are measured. CONTRIBUTING.md has the rule.

  --files N      how many files to list (20)
  --comments     print the comments that have pointing words or a late beginning
  --since COMMIT also print the subjects of commits after COMMIT that have more than 72 characters
`;
const LONGEST_SUBJECT = 72;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean' },
    comments: { type: 'boolean' },
    files: { type: 'string', default: '20' },
    since: { type: 'string' },
  },
});
const roomOf = (path: string): string => path.split('/', 1)[0] ?? '';
// A reader such as `head` may close the pipe early.
process.stdout.on('error', () => process.exit(0));
const print = (line: string) => process.stdout.write(`${line}\n`);

if (values.help) process.stdout.write(HELP);
else measure();

function measure(): void {
  const files = productFiles().filter(
    (path) => positionals.length === 0 || positionals.some((start) => path.startsWith(start)),
  );
  const figuresByFile = files.map((path) => ({ path, figures: figuresOf(read(path)) }));
  const rooms = new Set(files.map(roomOf));
  const total = (list: { figures: Figures }[]) => list.map(({ figures }) => figures).reduce(add, NO_FIGURES);

  print(row('room', 'words', 'pointing', 'comments', 'late'));
  for (const room of rooms) print(rowOf(room, total(figuresByFile.filter(({ path }) => roomOf(path) === room))));
  print(rowOf('total', total(figuresByFile)));
  print(row('goal', '', GOAL.pointingPer100.toFixed(1), '', GOAL.lateBeginningsPer100.toFixed(1)));
  print('');
  const worst = figuresByFile.toSorted((a, b) => b.figures.pointing - a.figures.pointing);
  for (const { path, figures } of worst.slice(0, Number(values.files))) print(rowOf(path, figures));
  if (values.comments) for (const path of files) printComments(path);
  if (values.since !== undefined) printSubjects(values.since);
}

function printComments(path: string): void {
  for (const comment of commentsOf(read(path))) {
    const { pointing, lateBeginnings } = figuresOfComment(comment);
    if (pointing + lateBeginnings > 0) print(`${path}:${comment.line}: ${comment.text}`);
  }
}

function printSubjects(since: string): void {
  const subjects = subjectsSince(since);
  const long = subjects.filter((subject) => subject.length > LONGEST_SUBJECT);
  print(`\n${long.length} of ${subjects.length} subjects have more than ${LONGEST_SUBJECT} characters`);
  for (const subject of long) print(`  ${subject.length} ${subject}`);
}

function row(name: string, ...cells: string[]): string {
  return name.padEnd(44) + cells.map((cell) => cell.padStart(10)).join('');
}

function rowOf(name: string, figures: Figures): string {
  const { words, comments } = figures;
  return row(
    name,
    String(words),
    pointingPer100(figures).toFixed(1),
    String(comments),
    lateBeginningsPer100(figures).toFixed(1),
  );
}
