import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';

/**
 * The ports to choose from: below the range from which Linux (32768) and macOS (49152) give ports to outgoing
 * connections. A connection could otherwise take a free port before its server listens.
 */
const FIRST_PORT = 16_000;
const LAST_PORT = 32_000;

/** A free port on 127.0.0.1, claimed for the life of this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (await claimPort(port)) return port;
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

/**
 * Claims a TCP port by binding the UDP port of the same number. The system gives a UDP port to one process alone and
 * releases the port however the process ends. The TCP port can thus be given to a child that listens seconds later.
 * Null when the port is taken.
 */
export async function claimPort(port: number): Promise<Socket | null> {
  const claim = createSocket('udp4');
  const bound = await new Promise<boolean>((resolve) => {
    claim.once('error', () => resolve(false));
    claim.bind({ port, address: LOOPBACK, exclusive: true }, () => resolve(true));
  });
  if (bound && !(await isListening(port)) && (await canListen(port))) {
    claim.unref();
    return claim;
  }
  claim.close();
  return null;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, LOOPBACK, () => server.close(() => resolve(true)));
  });
}
