/**
 * The ports of one `npm start`, the same at each start, so addresses in mails, receipts and payment pages stay valid. A
 * taken port is replaced by a free port, and the free port is remembered.
 */
import type { Socket } from 'node:dgram';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { claimPort } from './ports.ts';

export interface ClaimedPorts<Name extends string> {
  readonly of: Readonly<Record<Name, number>>;
  release(): void;
}

/** Two starts side by side get `3000, 7233, …` and `3010, 7243, …`. */
const STEP = 10;
const TRIES = 200;

export interface ClaimOptions<Name extends string> {
  /** The user's own ports, neither replaced nor remembered. */
  fixed?: Partial<Record<Name, number>>;
  /** Called with a sentence for each remembered port that is taken. */
  say?: (line: string) => void;
}

/**
 * Claims a port for each name: the remembered port, else the usual port, else the next free port.
 * @param file where the ports are remembered
 */
export async function claimPorts<Name extends string>(
  file: string,
  usual: Readonly<Record<Name, number>>,
  { fixed = {}, say = () => {} }: ClaimOptions<Name> = {},
): Promise<ClaimedPorts<Name>> {
  const kept = await remembered(file);
  const claims: Socket[] = [];
  const of: Partial<Record<Name, number>> = {};
  const release = () => {
    for (const claim of claims.splice(0)) claim.close();
  };
  try {
    for (const name of Object.keys(usual) as Name[]) {
      const chosen = fixed[name];
      const before = kept[name];
      const candidates =
        chosen !== undefined
          ? [chosen]
          : [
              ...(before === undefined ? [] : [before]),
              ...Array.from({ length: TRIES }, (_, index) => usual[name] + index * STEP),
            ];
      const { port, claim } = await firstFree(name, candidates);
      claims.push(claim);
      of[name] = port;
      if (chosen === undefined) kept[name] = port;
      if (chosen === undefined && before !== undefined && port !== before)
        say(`port ${before} (${name}) is taken: ${port} from now on. Addresses with ${before} no longer lead here.`);
    }
    // A neighbour configured for a single start gets the earlier port when embedded again.
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, JSON.stringify(kept), { mode: 0o600 });
    await rename(draft, file);
  } catch (error) {
    release();
    throw error;
  }
  return { of: of as Record<Name, number>, release };
}

async function remembered(file: string): Promise<Partial<Record<string, number>>> {
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(kept).filter((entry): entry is [string, number] => Number.isInteger(entry[1])),
    );
  } catch {
    return {};
  }
}

async function firstFree(name: string, candidates: number[]): Promise<{ port: number; claim: Socket }> {
  for (const port of candidates) {
    const claim = await claimPort(port);
    if (claim) return { port, claim };
  }
  const [first, ...others] = candidates;
  throw new Error(
    `No port is free (${name}): ${first}${others.length > 0 ? ` and ${others.length} others are` : ' is'} taken.`,
  );
}
