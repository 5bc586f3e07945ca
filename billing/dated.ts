/** Rows that hold from a second on, until another holds: prices are never changed, only followed. */

export interface Dated {
  effectiveSecond: number;
  /** Nothing is offered from here on, until another row says otherwise. */
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

/** What is offered at a second and what is to be offered from later ones, each row that holds by then. */
export function offeredFrom<T extends Dated>(rows: readonly T[], second: number): T[] {
  const later = new Set(rows.map((row) => row.effectiveSecond).filter((effective) => effective > second));
  return [second, ...[...later].sort((a, b) => a - b)].flatMap((at) => {
    const row = inForceAt(rows, at);
    return row === null || row.withdrawn ? [] : [row];
  });
}
