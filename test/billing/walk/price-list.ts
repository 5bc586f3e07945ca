/** What is offered at which price, and from when on; and what a discount leaves of a price. */
export interface WalkedPrice {
  gpuType: string;
  region: string;
  /** It holds from this second on. */
  from: number;
  onDemand: number;
  spot: number;
  /** By term. */
  reserved: Record<string, number>;
  /** Nothing is offered from here on. */
  withdrawn?: boolean;
}

export interface WalkedTier {
  spendMicros: number;
  basisPoints: number;
}

export class PriceList {
  readonly #prices: WalkedPrice[] = [];

  add(price: WalkedPrice): void {
    this.#prices.push(price);
  }

  /** Of several that have begun, the one that began last; of those of one second, the one that was recorded last. None once it is withdrawn. */
  at(gpuType: string | null, region: string | null, second: number): WalkedPrice | undefined {
    let found: WalkedPrice | undefined;
    for (const price of this.#prices)
      if (price.gpuType === gpuType && price.region === region && price.from <= second)
        if (!found || price.from >= found.from) found = price;
    return found?.withdrawn ? undefined : found;
  }
}

/** Rounded half up to a micro. */
export const less = (price: number, basisPoints: number): number =>
  Number((BigInt(price) * BigInt(10_000 - basisPoints) + 5_000n) / 10_000n);

/** By the highest tier that the spending has reached. */
export const earnedBy = (tiers: readonly WalkedTier[], spent: number): number =>
  Math.max(0, ...tiers.filter(({ spendMicros }) => spent >= spendMicros).map(({ basisPoints }) => basisPoints));
