/** Rows that are in force from a second until the next row. Prices are never changed, only superseded. */

export interface Dated {
  effectiveSecond: number;
  /** True: from this row's second on, the price is not offered, until a later row offers the price again. */
  withdrawn: boolean;
}

/** The row in force at a second. Of two from the same second the later in the list was recorded later, and holds. */
export function inForceAt<T extends Dated>(rows: readonly T[], second: number): T | null {
  let inForce: T | null = null;
  for (const row of rows)
    if (row.effectiveSecond <= second && (inForce === null || row.effectiveSecond >= inForce.effectiveSecond))
      inForce = row;
  return inForce;
}

/** The prices offered at a second or announced for later seconds. */
export function offeredFrom<T extends Dated>(rows: readonly T[], second: number): T[] {
  const later = new Set(rows.map((row) => row.effectiveSecond).filter((effective) => effective > second));
  return [second, ...[...later].sort((a, b) => a - b)].flatMap((at) => {
    const row = inForceAt(rows, at);
    return row === null || row.withdrawn ? [] : [row];
  });
}
