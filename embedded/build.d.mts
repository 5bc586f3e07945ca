/** The paths of the built programs. */
export interface Programs {
  start: string;
  api: string;
  worker: string;
  /** Makes the bundle of the workflows. */
  bundle: string;
}
export function buildPrograms(options?: { again?: boolean }): Promise<Programs | null>;
