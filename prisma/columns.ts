/** Columns to values and back: BIGINT is a bigint in JavaScript, money and seconds are safe integers. */
import { type Micros, micros } from '../billing/money.ts';

/**
 * The columns of a table by the names of its model's fields, listed singly: `*` would mean other columns after a
 * migration.
 */
export const columnsOf = (fields: Record<string, string>, table: string): string =>
  Object.values(fields)
    .map((field) => `${table}.${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`)
    .join(', ');

export const toMicros = (value: bigint): Micros => micros(value);
export const toMicrosOrNull = (value: bigint | null): Micros | null => (value === null ? null : micros(value));
export const toSecond = (value: bigint): number => Number(value);
export const toSecondOrNull = (value: bigint | null): number | null => (value === null ? null : Number(value));
export const orNull = <T>(value: T | undefined): T | null => value ?? null;
