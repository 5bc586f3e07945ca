/** The paths of the built programs. */
export interface Programs {
  start: string;
  api: string;
  worker: string;
}
export function buildPrograms(options?: { again?: boolean }): Promise<Programs | null>;
