/**
 * Columns of a batch as the text of Postgres arrays, for statements with thousands of values: the driver's own
 * conversion of arrays is several times slower. A column without values is no array at all: `unnest` then returns NULLs
 * beside the values of the other columns.
 */

const NEEDS_ESCAPE = /["\\]/;

const quoted = (text: string): string => `"${NEEDS_ESCAPE.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`;

const arrayOf = <T>(rows: readonly T[], write: (row: T) => string | null): string | null => {
  let text = '';
  let some = false;
  for (const row of rows) {
    const value = write(row);
    if (value !== null) some = true;
    text += `${text === '' ? '' : ','}${value ?? 'NULL'}`;
  }
  return some ? `{${text}}` : null;
};

export const textColumn = <T>(rows: readonly T[], of: (row: T) => string | null): string | null =>
  arrayOf(rows, (row) => {
    const value = of(row);
    return value === null ? null : quoted(value);
  });

export const numberColumn = <T>(rows: readonly T[], of: (row: T) => number | bigint | null): string | null =>
  arrayOf(rows, (row) => {
    const value = of(row);
    return value === null ? null : String(value);
  });
