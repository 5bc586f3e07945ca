/** What a bench prints, one JSON line each. */
export interface Measured {
  bench: string;
  what: string;
  figure: number;
  unit: string;
  reference: string;
  referenceFigure: number;
}
