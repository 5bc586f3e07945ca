/** A model behind OpenAI's protocol that says what a test wants, and breaks where it wants. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import express from 'express';
import { type Listening, listen } from '../../embedded/web.ts';

export type Step =
  | { say: string }
  | { used: [inputTokens: number, outputTokens: number] }
  | { send: string }
  | { refuse: number; with: string }
  | 'done'
  /** The stream ends as if it were whole, without saying so. */
  | 'end'
  | 'break'
  /** Says nothing more until the other side hangs up. */
  | 'wait';

export interface ChatModel extends Listening {
  /** What it was asked, oldest first. */
  asked: Array<Record<string, unknown>>;
  plays: Step[];
  /** Sends a few bytes at a time: in the middle of lines, and of letters. */
  choppy: boolean;
  /** How many streams the other side hung up on. */
  hungUp: number;
}

export async function startChatModel(): Promise<ChatModel> {
  const app = express();
  app.post('/v1/chat/completions', express.json(), async (request, response) => {
    model.asked.push({ ...request.body, authorization: request.get('authorization') });
    response.on('close', () => {
      if (!response.writableFinished) model.hungUp += 1;
    });
    for (const step of model.plays) await play(response, step);
  });

  async function play(response: ServerResponse, step: Step): Promise<void> {
    const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'gpt-4o-mini' };
    const choice = (delta: object) => [{ index: 0, delta, finish_reason: null }];
    if (step === 'end') response.end();
    else if (step === 'wait') await once(response, 'close');
    else if (step === 'break') {
      // What was said before is on its way, and is to arrive.
      await setTimeout(50);
      response.destroy();
    } else if (step === 'done') {
      await send(response, 'data: [DONE]\n\n');
      response.end();
    } else if ('refuse' in step) {
      response.writeHead(step.refuse, { 'Content-Type': 'application/json' });
      response.end(step.with);
    } else if ('send' in step) await send(response, step.send);
    else if ('say' in step) {
      const chunk = { ...base, choices: choice({ content: step.say }), usage: null };
      await send(response, `: a comment\ndata: ${JSON.stringify(chunk)}\r\n\r\n`);
    } else {
      const [prompt_tokens, completion_tokens] = step.used;
      const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
      await send(response, `data: ${JSON.stringify({ ...base, choices: [], usage })}\n\n`);
    }
  }

  async function send(response: ServerResponse, text: string): Promise<void> {
    if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const bytes = Buffer.from(text);
    const size = model.choppy ? 3 : bytes.length;
    for (let from = 0; from < bytes.length; from += size) {
      response.write(bytes.subarray(from, from + size));
      if (model.choppy) await setImmediate();
    }
  }

  const listening = await listen(app);
  const model: ChatModel = {
    ...listening,
    url: `${listening.url}/v1`,
    asked: [],
    plays: [],
    choppy: false,
    hungUp: 0,
  };
  return model;
}
