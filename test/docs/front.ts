/** Stands before a service, remembers what it is asked, and lets a call fail where a test wants. */
import express from 'express';
import { type Listening, listen } from '../../embedded/web.ts';

export interface Call {
  path: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever was sent and answered.
  body: any;
  status: number | 'dropped';
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  answer: any;
}

export interface Fault {
  path: RegExp;
  /** `dropped` is without an answer: `unheard` before the service heard of it, `unanswered` after it did its work. */
  how: 503 | 429 | 'unheard' | 'unanswered';
}

export interface Front extends Listening {
  /** The service's address. */
  target: string;
  calls: Call[];
  /** Each is met once, in this order. */
  faults: Fault[];
}

export async function startFront(): Promise<Front> {
  const app = express();
  app.use(express.json(), async (request, response) => {
    const { path, body, method } = request;
    const at = front.faults.findIndex((fault) => fault.path.test(path));
    const [fault] = at < 0 ? [] : front.faults.splice(at, 1);
    const remember = (status: Call['status'], answer: unknown) => front.calls.push({ path, body, status, answer });
    if (fault?.how === 'unheard') {
      remember('dropped', null);
      return void response.destroy();
    }
    if (fault !== undefined && fault.how !== 'unanswered') {
      remember(fault.how, null);
      return void response.status(fault.how).type('html').send('<h1>Try again</h1>');
    }
    const headers = { 'Content-Type': 'application/json', Authorization: request.get('authorization') ?? '' };
    const key = request.get('idempotency-key');
    const answer = await fetch(front.target + path, {
      method,
      headers: { ...headers, ...(key !== undefined && { 'Idempotency-Key': key }) },
      body: method === 'GET' ? null : JSON.stringify(body),
    });
    const answered = await answer.json();
    remember(fault ? 'dropped' : answer.status, answered);
    if (fault) return void response.destroy();
    const retryAfter = answer.headers.get('retry-after');
    if (retryAfter !== null) response.set('Retry-After', retryAfter);
    response.status(answer.status).json(answered);
  });
  const front: Front = { ...(await listen(app)), target: '', calls: [], faults: [] };
  return front;
}
