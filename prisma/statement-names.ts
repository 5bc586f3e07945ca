/**
 * Names for the statements that the client sends: a named statement is parsed and planned once a connection, whoever runs it
 * there. Statements have a bounded number of names, since a connection keeps each of them.
 */

const MOST_NAMES = 300;
/** A list of more values is rarely as long as another. */
const MOST_VALUES = 64;
/**
 * `*` stands for other columns after a migration, and a connection that prepared it before then would be refused until its
 * end. What begins and ends transactions needs no plan.
 */
const CAN_BE_NAMED = /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b[^*]*$/i;

/** Answers a name for the text of a statement, always the same; an empty one where it is not to be prepared. */
export function statementNames(): (query: { sql: string; args: readonly unknown[] }) => string {
  const names = new Map<string, string>();
  return ({ sql, args }) => {
    const known = names.get(sql);
    if (known !== undefined) return known;
    if (names.size >= MOST_NAMES || args.length > MOST_VALUES || !CAN_BE_NAMED.test(sql)) return '';
    const name = `client-${names.size + 1}`;
    names.set(sql, name);
    return name;
  };
}
