/** Stands between a client and Postgres, and breaks a connection at one statement: before it arrives, or before its answer. */
import { connect, createServer, type Socket } from 'node:net';

export type Break = 'before the statement arrives' | 'before the answer arrives';

export interface PostgresProxy {
  /** The address under which the proxy serves a database. All of its databases are on one server. */
  urlFor(databaseUrl: string): string;
  /**
   * Breaks the connection on which the next statement that contains `text` is sent; with `after`, only in a transaction in
   * which a statement that contains `after` was sent before it.
   */
  breakAt(text: string, when: Break, after?: string): void;
  /** Breaks every connection and refuses new ones, until `comeBack`. */
  goAway(): void;
  comeBack(): void;
  close(): Promise<void>;
}

export async function postgresProxy(): Promise<PostgresProxy> {
  let target = { port: '', hostname: '' };
  const sockets = new Set<Socket>();
  let armed: { text: string; when: Break; after: string | undefined } | null = null;
  let isAway = false;

  const server = createServer((client) => {
    if (isAway) return void client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let isAnswerLost = false;
    let isAfter = false;
    client.on('data', (bytes) => {
      if (bytes.includes('BEGIN')) isAfter = false;
      if (armed?.after !== undefined && bytes.includes(armed.after)) isAfter = true;
      if (armed && bytes.includes(armed.text) && (armed.after === undefined || isAfter)) {
        const { when } = armed;
        armed = null;
        if (when === 'before the statement arrives') return void client.destroy();
        isAnswerLost = true;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (isAnswerLost) client.destroy();
      else client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    urlFor(databaseUrl) {
      const url = new URL(databaseUrl);
      target = { port: url.port, hostname: url.hostname };
      Object.assign(url, { hostname: '127.0.0.1', port: String(port) });
      return url.href;
    },
    breakAt(text, when, after) {
      armed = { text, when, after };
    },
    goAway() {
      isAway = true;
      for (const socket of sockets) socket.destroy();
    },
    comeBack() {
      isAway = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
