/** Formats the JSON lines of the api and the worker as one readable line each. Other lines pass unchanged. */
const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: '', 40: 'warn ', 50: 'ERROR ', 60: 'FATAL ' };

interface Logged {
  level: number;
  time: number;
  process?: string;
  msg?: string;
  req?: { method?: string; path?: string };
  res?: { status?: number };
  ms?: number;
  err?: { message?: string; stack?: string };
  [field: string]: unknown;
}

export const readableLog = (write: (line: string) => void) => (line: string) => write(readableLine(line));

export function readableLine(line: string): string {
  const logged = parsed(line);
  if (!logged) return line;
  const { level, time, process: name = '', msg = '', req, res, ms, err, pid: _, hostname: __, ...fields } = logged;
  const at = new Date(time).toISOString().slice(11, 23);
  const call = req
    ? `${req.method} ${req.path} ${res?.status ?? ''} ${ms === undefined ? '' : `${Math.round(ms)} ms`}`
    : msg;
  const rest = Object.entries(fields).map(
    ([field, value]) => `${field}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const first = [`${at} ${name.padEnd(6)} ${LEVELS[level] ?? ''}${call.trim()}`, ...rest].join('  ');
  const why = err && (err.stack ?? err.message ?? JSON.stringify(err));
  return why ? `${first}\n${why.replace(/^/gm, '    ')}` : first;
}

function parsed(line: string): Logged | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const logged = JSON.parse(line) as Logged;
    return typeof logged.level === 'number' && typeof logged.time === 'number' ? logged : undefined;
  } catch {
    return undefined;
  }
}
