/** What anything that runs has cost by a second: each stretch of one rate from its own beginning, floored once. */
export interface Stretch {
  /** Micros per hour. */
  rate: number;
  from: number;
  to?: number;
  /** What the customer pays from: where it changes the stretch ends, also when the rate comes out the same. */
  price: string;
}

export interface Metered {
  stretches: Stretch[];
}

/** Rates and seconds are small enough here for exact products. */
export const costOf = ({ stretches }: Metered, second: number): number =>
  stretches.reduce((sum, { rate, from, to = second }) => {
    const end = Math.min(to, second);
    return end > from ? sum + Math.floor((rate * (end - from)) / 3600) : sum;
  }, 0);

/** From a second on at a price; at the one that it has nothing ends and nothing begins. */
export function goOnAt({ stretches }: Metered, next: Stretch): void {
  const last = stretches.at(-1);
  if (last?.price === next.price) return;
  if (last) last.to = next.from;
  stretches.push(next);
}

export function endAt(metered: Metered, second: number): void {
  metered.stretches = metered.stretches.filter(({ from }, i) => i === 0 || from < second);
  metered.stretches.at(-1)!.to = second;
}
