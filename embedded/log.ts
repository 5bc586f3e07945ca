/** The log of an embedded part: a function of one line, or an object like pino. Silent by default. */
export type Logger = ((line: string) => void) | { info(line: string): void };

export function toLog(logger: Logger | undefined): (line: string) => void {
  if (logger === undefined) return () => {};
  return typeof logger === 'function' ? logger : (line) => logger.info(line);
}
