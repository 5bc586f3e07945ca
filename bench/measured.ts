/** The output of a bench, a JSON line each. */
export interface Measured {
  bench: string;
  what: string;
  figure: number;
  unit: string;
  reference: string;
  referenceFigure: number;
  /** The figure is a time or a size, so the ratio is the reference to the figure. */
  lessIsBetter?: boolean;
  /** The promised ratio. */
  atLeast?: number;
  /** Further counts, by name. */
  counts?: Record<string, number>;
  /** The parts of the time of a call. */
  msPerCall?: Record<string, number>;
}
