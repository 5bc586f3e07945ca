/** Tests which ports npm start uses, and how it remembers them. */
import { mkdtempSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { claimPorts } from '../../embedded/claimed-ports.ts';
import { claimPort, freePort } from '../../embedded/ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'burnrate-ports-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Two ports that nobody uses at the moment, not claimed any more. */
async function twoPorts() {
  const claims = await Promise.all(
    [0, 1].map(async () => {
      for (;;) {
        const port = 20_000 + Math.floor(Math.random() * 10_000);
        const claim = await claimPort(port);
        if (claim) return { port, claim };
      }
    }),
  );
  for (const { claim } of claims) claim.close();
  return { api: claims[0]!.port, stripe: claims[1]!.port };
}

async function listenOn(port: number) {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return () => new Promise<void>((resolve) => void server.close(() => resolve()));
}

describe('the ports of npm start', () => {
  it('are the default ports for one of two simultaneous starts, and other ports for the other start', async () => {
    const usual = await twoPorts();
    const [first, second] = await Promise.all(
      ['a', 'b'].map((name) => claimPorts(join(folder, `side-${name}.json`), usual)),
    );
    const taken = [...Object.values(first!.of), ...Object.values(second!.of)];
    expect(new Set(taken).size).toBe(4);
    expect(taken).toContain(usual.api);
    expect([first!.of.api - usual.api, second!.of.api - usual.api].every((step) => step % 10 === 0)).toBe(true);
    first!.release();
    second!.release();
  });

  it('that replaced occupied ports are remembered, and are used again when the default ports are free', async () => {
    const usual = await twoPorts();
    const file = join(folder, 'remembered.json');
    const close = await listenOn(usual.api);
    const first = await claimPorts(file, usual);
    first.release();
    await close();
    expect(first.of.api).not.toBe(usual.api);
    const second = await claimPorts(file, usual);
    second.release();
    expect(second.of).toEqual(first.of);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('that are remembered and occupied are replaced, with a message', async () => {
    const usual = await twoPorts();
    const file = join(folder, 'taken.json');
    (await claimPorts(file, usual)).release();
    const close = await listenOn(usual.api);
    const said: string[] = [];
    const { of, release } = await claimPorts(file, usual, { say: (line) => void said.push(line) });
    release();
    await close();
    expect(said).toEqual([
      `port ${usual.api} (api) is taken: ${of.api} from now on. Addresses with ${usual.api} no longer lead here.`,
    ]);
  });

  it('that the user has chosen are neither replaced nor remembered', async () => {
    const usual = await twoPorts();
    const chosen = (await twoPorts()).api;
    const file = join(folder, 'chosen.json');
    const { of, release } = await claimPorts(file, usual, { fixed: { api: chosen } });
    expect(of.api).toBe(chosen);
    await expect(claimPorts(join(folder, 'other.json'), usual, { fixed: { api: chosen } })).rejects.toThrow(
      `No port is free (api): ${chosen} is taken.`,
    );
    release();
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ stripe: usual.stripe });
  });

  it('of tests and demos are claimed too, so that no two processes get the same port', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, freePort));
    expect(new Set(ports).size).toBe(20);
    for (const port of ports) expect(await claimPort(port)).toBeNull();
  });

  it('of tests and demos are outside the range from which the system gives ports to outgoing connections', async () => {
    const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '32768 60999');
    const [firstOfSystem = 0] = range.trim().split(/\s+/).map(Number);
    for (let time = 0; time < 50; time += 1) expect(await freePort()).toBeLessThan(Math.min(firstOfSystem, 49_152));
  });
});
