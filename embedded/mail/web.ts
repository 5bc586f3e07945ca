import express, { type Express } from 'express';
import type { Journal } from '../journal.ts';
import { sendPage, servePageParts } from '../web.ts';
import { attachmentOf, type Message } from './message.ts';
import { listPage, messagePage, VIEWS } from './pages.ts';
import { ANSWER_POINTS, type Answer, REFUSALS, type Refusal } from './smtp.ts';

/** The policy for a mail's own HTML: pictures only from within the mail, so reading a mail is reported to nobody. */
const MAIL_POLICY =
  "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

const isAnswer = (answer: Partial<Answer>): answer is Answer =>
  ANSWER_POINTS.some((point) => point === answer.at) &&
  Number.isInteger(answer.code) &&
  Number(answer.code) >= 400 &&
  Number(answer.code) <= 599 &&
  typeof answer.text === 'string' &&
  answer.text !== '';

/** The inbox in a browser, and as JSON. */
export function mailApp(inbox: Journal<Message>, refuse: (mode: Refusal | Answer | null) => void): Express {
  const app = express().disable('x-powered-by');
  servePageParts(app, inbox.onChange);
  const find = (id: string | undefined) => inbox.all().find((message) => message.id === id);
  const withoutSource = ({ raw: _, ...message }: Message) => message;

  app.get('/', (_req, res) => sendPage(res, listPage(inbox.all())));

  app.get('/messages/:id', (req, res, next) => {
    const message = find(req.params.id);
    if (message === undefined) return next();
    const view = VIEWS.find((name) => name === req.query.view) ?? (message.html === '' ? 'text' : 'html');
    sendPage(res, messagePage(message, view));
  });
  app.get('/messages/:id/html', (req, res, next) => {
    const message = find(req.params.id);
    if (message === undefined) return next();
    sendPage(res, { markup: `<base target="_blank">${message.html}` }, MAIL_POLICY);
  });
  app.get('/messages/:id/attachments/:index', async (req, res, next) => {
    const message = find(req.params.id);
    const bytes = message && (await attachmentOf(message, Number(req.params.index)));
    if (bytes === undefined) return next();
    res.attachment(message!.attachments[Number(req.params.index)]!.filename).send(bytes);
  });

  // Newest first, like every list of this product.
  app.get('/api/messages', (_req, res) => void res.json(inbox.all().map(withoutSource).toReversed()));
  app.get('/api/messages/:id', (req, res, next) => {
    const message = find(req.params.id);
    return message === undefined ? next() : void res.json(message);
  });
  app.delete('/api/messages', async (_req, res) => {
    await inbox.clear();
    res.sendStatus(204);
  });
  app.post('/_control/refuse', express.json(), (req, res) => {
    const { mode, answer } = (req.body ?? {}) as { mode?: Refusal | null; answer?: Partial<Answer> };
    if (answer !== undefined) {
      if (!isAnswer(answer))
        return void res.status(400).json({
          error: `answer is {"at": one of ${ANSWER_POINTS.join(', ')}, "code": 400 to 599, "text": "5.7.1 Blocked"}`,
        });
      refuse(answer);
      return void res.json({ answer });
    }
    if (mode !== null && !REFUSALS.includes(mode as Refusal)) {
      return void res.status(400).json({ error: `mode is null or one of ${REFUSALS.join(', ')}` });
    }
    refuse(mode as Refusal | null);
    res.json({ mode });
  });
  app.use((_req, res) => void res.status(404).type('text').send('There is nothing here.'));
  return app;
}
