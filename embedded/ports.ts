import { connect, createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';

// The system may name a port twice while its first taker has not bound it yet; within this process it never does.
const given = new Set<number>();

/** A port on 127.0.0.1 that nobody listens on now. Another process may still take it first, so callers try again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await portOfTheSystemsChoice();
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

/** True when something accepts connections at 127.0.0.1:`port`. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK });
    const answer = (listening: boolean) => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}

function portOfTheSystemsChoice(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
