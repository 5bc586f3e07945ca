/**
 * The matrix on the screen: on a terminal the table fills as the cases end; a log gets the table once, after the last
 * case.
 */
import { bold, dim, green, red } from '../demo/timeline.ts';
import { type Case, nameOf } from './cases.ts';
import type { Outcome } from './matrix.ts';
import { FAULTS, STEPS } from './words.ts';

const STEP_WIDTH = Math.max(...STEPS.map((step) => step.length)) + 2;
const COLUMN_GAP = 2;
/** In a log: a line now and then, to show progress. */
const LOGS_EVERY_CASES = 25;

export class Table {
  readonly #cases: readonly Case[];
  readonly #outcomes = new Map<Case, Outcome>();
  /** A table that is higher than the screen cannot be redrawn. */
  readonly #isLive: boolean;
  #linesShown = 0;

  constructor(cases: readonly Case[]) {
    this.#cases = cases;
    this.#isLive = process.stdout.isTTY === true && process.stdout.rows > this.#lines().length + 1;
  }

  /** Shows the end of one case. */
  fill(outcome: Outcome): void {
    const isNew = !this.#outcomes.has(outcome.what);
    this.#outcomes.set(outcome.what, outcome);
    const { size } = this.#outcomes;
    if (this.#isLive) this.#draw();
    else if (isNew && size % LOGS_EVERY_CASES === 0)
      process.stdout.write(`${size} of ${this.#cases.length} cases have ended\n`);
  }

  /** On a terminal, the table before any case has ended. */
  begin(): void {
    if (this.#isLive) this.#draw();
  }

  /** The whole table, every difference, and the sum. Answers the number of differences. */
  end(outcomes: readonly Outcome[]): number {
    for (const outcome of outcomes) this.#outcomes.set(outcome.what, outcome);
    this.#draw();
    for (const outcome of outcomes) if (outcome.differences.length > 0) process.stdout.write(`${inWords(outcome)}\n`);
    const differences = outcomes.reduce((sum, outcome) => sum + outcome.differences.length, 0);
    const missing = this.#cases.length - outcomes.length;
    const said = `${this.#cases.length} cases, ${differences + missing} differences`;
    process.stdout.write(`\n${bold(differences + missing === 0 ? green(said) : red(said))}\n`);
    return differences + missing;
  }

  #draw(): void {
    const lines = this.#lines();
    if (this.#linesShown > 0) process.stdout.write(`\x1b[${this.#linesShown}A`);
    process.stdout.write(lines.map((line) => `${this.#isLive ? '\x1b[2K' : ''}${line}\n`).join(''));
    this.#linesShown = this.#isLive ? lines.length : 0;
  }

  #lines(): string[] {
    const faults = FAULTS.filter((fault) => this.#cases.some((of) => of.fault === fault));
    const kinds = [...new Set(this.#cases.map(({ kind }) => kind))];
    const kindWidth = Math.max(...kinds.map(({ name }) => name.length)) + 2;
    const head = ' '.repeat(kindWidth + STEP_WIDTH) + faults.map((fault) => fault + ' '.repeat(COLUMN_GAP)).join('');
    const lines = [dim(head)];
    for (const kind of kinds) {
      const steps = STEPS.filter((step) => this.#cases.some((of) => of.kind === kind && of.step === step));
      for (const [i, step] of steps.entries()) {
        const name = (i === 0 ? kind.name : '').padEnd(kindWidth);
        const cells = faults.map((fault) => {
          const of = this.#cases.find((one) => one.kind === kind && one.step === step && one.fault === fault);
          return this.#mark(of) + ' '.repeat(fault.length - 1 + COLUMN_GAP);
        });
        lines.push(`${bold(name)}${step.padEnd(STEP_WIDTH)}${cells.join('')}`.trimEnd());
      }
    }
    return lines;
  }

  #mark(of: Case | undefined): string {
    if (!of) return ' ';
    const outcome = this.#outcomes.get(of);
    if (!outcome) return dim('·');
    return outcome.differences.length === 0 ? green('✓') : red('✗');
  }
}

const inWords = ({ what, differences }: Outcome): string =>
  `${red('✗')} ${bold(nameOf(what))}: ${differences.join('\n    ')}`;
