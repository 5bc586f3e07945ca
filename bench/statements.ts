/** The statements that the connections of this process send, as they are sent. */
import pg from 'pg';

export interface Statements {
  /** Their texts, in the order in which they were sent; the next call answers those after them. */
  taken(): string[];
  stop(): void;
}

const textOf = (statement: unknown): string =>
  typeof statement === 'string' ? statement : String((statement as { text?: unknown } | null)?.text ?? '');

/** Notes every statement from here on. */
export function noteStatements(): Statements {
  const { query } = pg.Client.prototype;
  let sent: string[] = [];
  pg.Client.prototype.query = function noting(this: pg.Client, ...args: unknown[]) {
    sent.push(textOf(args[0]));
    return Reflect.apply(query, this, args);
  } as typeof query;
  return {
    taken: () => {
      const taken = sent;
      sent = [];
      return taken;
    },
    stop: () => {
      pg.Client.prototype.query = query;
    },
  };
}
