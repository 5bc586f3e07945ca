/** The statements that the connections of this process send, as they are sent. */
import pg from 'pg';

export interface Statements {
  /** Their texts, in the order in which they were sent; the next call answers those after them. */
  taken(): string[];
  /** The number of rows in the answers; the next call counts those after them. */
  rowsTaken(): number;
  stop(): void;
}

const textOf = (statement: unknown): string =>
  typeof statement === 'string' ? statement : String((statement as { text?: unknown } | null)?.text ?? '');

/** Notes every statement from here on. */
export function noteStatements(): Statements {
  const { query } = pg.Client.prototype;
  let sent: string[] = [];
  let rows = 0;
  pg.Client.prototype.query = function noting(this: pg.Client, ...args: unknown[]) {
    sent.push(textOf(args[0]));
    const answer: unknown = Reflect.apply(query, this, args);
    if (answer instanceof Promise)
      answer.then(
        (result: pg.QueryResult | undefined) => {
          rows += result?.rows?.length ?? 0;
        },
        () => {},
      );
    return answer;
  } as typeof query;
  return {
    taken: () => {
      const taken = sent;
      sent = [];
      return taken;
    },
    rowsTaken: () => {
      const taken = rows;
      rows = 0;
      return taken;
    },
    stop: () => {
      pg.Client.prototype.query = query;
    },
  };
}
