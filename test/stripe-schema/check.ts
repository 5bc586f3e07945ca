/**
 * Checks requests as they went over the wire against Stripe's published parameters: each is written down as a literal of its
 * operation's type, and the compiler judges.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CALLS } from './operations.ts';

const ROOT = join(import.meta.dirname, '..', '..');

export interface SentRequest {
  method: string;
  path: string;
  params: object;
}

/** `POST /v1/payment_intents/:id/confirm` for a path with an id in it; the path itself when no operation is known for it. */
export function operationOf({ method, path }: Pick<SentRequest, 'method' | 'path'>): string {
  const known = Object.values(CALLS).find((operation) => {
    const [verb, template = ''] = operation.split(' ');
    return verb === method && new RegExp(`^${template.replaceAll(':id', '[a-z]+_[A-Za-z0-9_]+')}$`).test(path);
  });
  return known ?? `${method} ${path}`;
}

/** What Stripe would refuse, one line a request, empty when it would take them all. */
export async function refusals(requests: SentRequest[]): Promise<string[]> {
  const statements = requests.map(
    (request, index) =>
      `export const r${index}: Sent<${JSON.stringify(operationOf(request))}> = ${JSON.stringify(request.params)};`,
  );
  // Inside of the project, so that the compiler finds its packages; not in a room, so that nobody else compiles it.
  await mkdir(join(ROOT, '.data'), { recursive: true });
  const dir = await mkdtemp(join(ROOT, '.data', 'stripe-schema-'));
  try {
    const importing = "import type { Sent } from '../../test/stripe-schema/operations.ts';";
    await writeFile(join(dir, 'requests.ts'), [importing, ...statements].join('\n'));
    const config = { extends: '../../tsconfig.json', compilerOptions: { types: [] }, include: ['requests.ts'] };
    await writeFile(join(dir, 'tsconfig.json'), JSON.stringify(config));
    const { status, output } = await compile(dir);
    const found = [...output.matchAll(/requests\.ts\((\d+),\d+\): error (.*)/g)].map(([, line, problem]) => {
      const request = requests[Number(line) - 2];
      return `${request === undefined ? '?' : operationOf(request)}: ${problem}`;
    });
    // A compiler that fails for another reason has judged nothing.
    if ((status === 0) !== (found.length === 0)) throw new Error(`the compiler did not work:\n${output}`);
    return found;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const compile = (dir: string): Promise<{ status: number; output: string }> =>
  new Promise((resolve) => {
    const args = [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--project', dir, '--pretty', 'false'];
    execFile(process.execPath, args, { timeout: 100_000, maxBuffer: 2 ** 24 }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
    );
  });
