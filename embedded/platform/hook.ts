import { setTimeout as sleep } from 'node:timers/promises';
import express, { type Express, type Request } from 'express';
import { Webhook } from 'standardwebhooks';
import type { Journal } from '../journal.ts';
import type { PlatformEvent } from './event.ts';
import type { Fare } from './mode.ts';

export interface HookWorld {
  readonly secret: string;
  readonly journal: Journal<PlatformEvent>;
  readonly takeFare: () => Fare;
  readonly log: (line: string) => void;
}

/**
 * Receives events at `POST /events`, signed by Standard Webhooks. A forged event is 401 and leaves the mode unchanged.
 */
export function hookApp({ secret, journal, takeFare, log }: HookWorld): Express {
  const app = express().disable('x-powered-by');
  const webhook = new Webhook(secret);

  app.post('/events', express.raw({ type: () => true, limit: '1mb' }), async (req, res) => {
    const at = new Date().toISOString();
    const id = req.header('webhook-id') ?? '';
    const body = Buffer.isBuffer(req.body) ? req.body.toString('utf8') : '';
    const verified = isSigned(webhook, body, req);
    const { status, afterMs } = verified ? takeFare() : { status: 401, afterMs: 0 };
    await sleep(afterMs, undefined, { ref: false });
    const answered = res.destroyed ? null : status;
    await journal.append({ id, ...readEvent(body), at, verified, answered, ok: answered === 200 });
    log(`event ${id}: ${answered ?? 'the sender had gone'}`);
    res.sendStatus(status);
  });
  return app;
}

function isSigned(webhook: Webhook, body: string, req: Request): boolean {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  try {
    webhook.verify(body, Object.fromEntries(names.map((name) => [name, req.header(name) ?? ''])));
    return true;
  } catch {
    return false;
  }
}

function readEvent(body: string): Pick<PlatformEvent, 'type' | 'data'> {
  try {
    const { type, data } = JSON.parse(body) as { type?: unknown; data?: unknown };
    return {
      type: typeof type === 'string' ? type : '(no type)',
      data: typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {},
    };
  } catch {
    return { type: '(not JSON)', data: {} };
  }
}
