import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express, Response } from 'express';
import type { Html } from './page.ts';
import { STYLE } from './style.ts';

export interface Listening {
  readonly port: number;
  /** "http://127.0.0.1:4000", no slash at the end. */
  readonly url: string;
  /** Stops listening and closes the connections. */
  close(): Promise<void>;
}

/** Serves `handler` on 127.0.0.1, at a port of the system's choice when none is given. */
export function listen(handler: RequestListener, port = 0): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = createServer(handler);
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const taken = (server.address() as AddressInfo).port;
      resolve({
        port: taken,
        url: `http://127.0.0.1:${taken}`,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

/** Only our own style and script may run on our pages, whatever a mail or an event contains. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function sendPage(res: Response, page: Html, policy: string = PAGE_POLICY): void {
  res.set({ 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
  res.type('html').send(page.markup);
}

const RELOAD_SCRIPT = `new EventSource('/api/changes').onmessage = () => location.reload();`;

/** A static page: `/` of a stand-in. */
export function serveFront(app: Express, front: () => Html): void {
  app.get('/style.css', (_req, res) => void res.type('css').send(STYLE));
  app.get('/', (_req, res) => sendPage(res, front()));
}

/** The further parts of the pages: their style, and the script that reloads a page when something has arrived. */
export function servePageParts(app: Express, onChange: (listener: () => void) => () => void): void {
  app.get('/style.css', (_req, res) => void res.type('css').send(STYLE));
  app.get('/reload.js', (_req, res) => void res.type('js').send(RELOAD_SCRIPT));
  app.get('/api/changes', (_req, res) => {
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }).flushHeaders();
    const forget = onChange(() => res.write('data: look again\n\n'));
    res.once('close', forget);
  });
}
