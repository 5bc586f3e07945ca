/**
 * Columns to values and back: BIGINT is a bigint in JavaScript, and a number within a JSON value; money and seconds are safe
 * integers.
 */
import { type Micros, micros } from '../billing/money.ts';

/** The column of a model's field. */
export const columnOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * The columns of a table by the names of its model's fields, listed singly: `*` would mean other columns after a
 * migration.
 */
export const columnsOf = (fields: Record<string, string>, table: string): string =>
  Object.values(fields)
    .map((field) => `${table}.${columnOf(field)}`)
    .join(', ');

/** The same, each under the name of its field, as the client names it. */
export const fieldsOf = (fields: Record<string, string>, table: string): string =>
  Object.values(fields)
    .map((field) => `${table}.${columnOf(field)} AS "${field}"`)
    .join(', ');

/** A row as it is within a JSON value. */
export type InJson<Row> = { [Field in keyof Row]: Row[Field] extends bigint | null ? Row[Field] | number : Row[Field] };

export const toMicros = (value: bigint | number): Micros => micros(value);
export const toMicrosOrNull = (value: bigint | number | null): Micros | null => (value === null ? null : micros(value));
export const toSecond = (value: bigint | number): number => Number(value);
export const toSecondOrNull = (value: bigint | number | null): number | null => (value === null ? null : Number(value));
export const orNull = <T>(value: T | undefined): T | null => value ?? null;
