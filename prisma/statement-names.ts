/**
 * Names for the client's statements: a connection parses and plans a named statement once. The number of names is
 * bounded, because a connection keeps each statement.
 */

const MOST_NAMES = 300;
/** A list of more values is rarely as long as another. */
const MOST_VALUES = 64;
/**
 * `*` means other columns after a migration, and a connection with the old prepared statement would fail until its end.
 * Statements that begin and end transactions need no plan.
 */
const CAN_BE_NAMED = /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b[^*]*$/i;

/** Returns the name of a statement's text, always the same; empty for a statement that must not be prepared. */
export function statementNames(): (query: { sql: string; args: readonly unknown[] }) => string {
  const names = new Map<string, string>();
  return ({ sql, args }) => {
    const usedName = names.get(sql);
    if (usedName !== undefined) return usedName;
    if (names.size >= MOST_NAMES || args.length > MOST_VALUES || !CAN_BE_NAMED.test(sql)) return '';
    const name = `client-${names.size + 1}`;
    names.set(sql, name);
    return name;
  };
}
