import express, { type Express } from 'express';
import type { Journal } from '../journal.ts';
import { sendPage, servePageParts } from '../web.ts';
import type { PlatformEvent } from './event.ts';
import { type Mode, readMode } from './mode.ts';
import { platformPage } from './page.ts';

export interface PlatformWebWorld {
  readonly journal: Journal<PlatformEvent>;
  readonly mode: () => Mode;
  readonly setMode: (mode: Mode) => Promise<void>;
}

/** The platform's page, the events as JSON, and the switch of the mode. */
export function platformWebApp({ journal, mode, setMode }: PlatformWebWorld): Express {
  const app = express().disable('x-powered-by');
  servePageParts(app, journal.onChange);
  app.get('/', (_req, res) => sendPage(res, platformPage(journal.all(), mode())));
  app.get('/api/events', (_req, res) => void res.json(journal.all().toReversed()));

  app.get('/_control/mode', (_req, res) => void res.json({ mode: mode() }));
  // Answers once the mode is in force. JSON only, because browsers let no other site send JSON.
  app.post('/_control/mode', express.json(), async (req, res) => {
    const asked = readMode((req.body as { mode?: unknown } | undefined)?.mode);
    if (asked === undefined) {
      return void res.status(400).json({ error: 'mode is "ok", "fail", "gone", {"slowMs": n} or {"failNext": n}' });
    }
    await setMode(asked);
    res.json({ mode: asked });
  });
  app.use((_req, res) => void res.status(404).type('text').send('There is nothing here.'));
  return app;
}
