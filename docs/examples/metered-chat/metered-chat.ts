/**
 * A paid chat completion: the highest possible cost is held before the model is asked, and the actual cost is reported
 * afterwards, whatever happens in between.
 */
import type { Burnrate } from './burnrate.ts';
import { type Message, type ModelEndpoint, streamChat, type TokenCounts } from './chat-stream.ts';

export interface Ask {
  /** The model's name at the endpoint. */
  model: string;
  /** The id in Burnrate's price list, if different. */
  billedAs?: string;
  messages: Message[];
  maxOutputTokens: number;
  /** For the team's usage report. */
  project?: string;
  /** Stops the stream. The part received by then is billed. */
  signal?: AbortSignal;
}

export interface Answer extends TokenCounts {
  text: string;
  /** The reason why the text is incomplete; null for a complete text. */
  brokenBy: Error | null;
  /** By the model's side, or estimated here because the stream broke before the model's count. */
  countedBy: 'model' | 'estimate';
  /** Dollars, as decimal strings. */
  cost: string;
  available: string;
}

/** Longer than any stream. An expired hold is no loss: the usage is then charged without the hold. */
const HOLD_SECONDS = 900;

/**
 * Passes each piece of text to `write` on arrival. If the stream breaks or is stopped, the received part is billed, and
 * the answer says so.
 * @throws NotEnoughCredit before the model was asked
 * @throws the model's error where nothing was produced; nothing is billed then
 */
export async function meteredChat(
  burnrate: Burnrate,
  endpoint: ModelEndpoint,
  ask: Ask,
  write: (text: string) => void,
): Promise<Answer> {
  const model = ask.billedAs ?? ask.model;
  const hold = await burnrate.placeHold({
    model,
    maxInputTokens: mostInputTokens(ask.messages),
    maxOutputTokens: ask.maxOutputTokens,
    ttlSeconds: HOLD_SECONDS,
  });

  const received = await receive(endpoint, ask, write);
  if (received.text === '' && received.counts === null) {
    await burnrate.voidHold(hold.id);
    throw received.brokenBy ?? new Error('the model produced nothing');
  }

  const { inputTokens, outputTokens } = received.counts ?? estimate(ask, received);
  const charge = await burnrate.reportUsage({
    // A hold has one usage. A completion's id would do only if unique; some servers count from one again.
    id: hold.id,
    model,
    inputTokens,
    outputTokens,
    ...(ask.project !== undefined && { project: ask.project }),
    hold: hold.id,
  });
  const { text, brokenBy, counts } = received;
  return { text, brokenBy, inputTokens, outputTokens, countedBy: counts ? 'model' : 'estimate', ...charge };
}

interface Received {
  text: string;
  /** The number of parts with text. */
  pieces: number;
  counts: TokenCounts | null;
  brokenBy: Error | null;
}

/** Keeps the received parts, however the stream ends. */
async function receive(endpoint: ModelEndpoint, ask: Ask, write: (text: string) => void): Promise<Received> {
  const received: Received = { text: '', pieces: 0, counts: null, brokenBy: null };
  try {
    for await (const { text, counts } of streamChat(endpoint, ask, ask.signal ?? NEVER)) {
      received.counts = counts ?? received.counts;
      if (text === '') continue;
      received.text += text;
      received.pieces += 1;
      write(text);
    }
  } catch (error) {
    received.brokenBy = error instanceof Error ? error : new Error(String(error));
  }
  return received;
}

const NEVER = new AbortController().signal;

/** An upper bound: a text has at most as many tokens as bytes, and each message adds a few tokens of framing. */
export const mostInputTokens = (messages: readonly Message[]): number =>
  messages.reduce((sum, { content }) => sum + new TextEncoder().encode(content).length + 16, 16);

/**
 * The estimated usage without a count: a token for every four characters of the prompt and of the answer, yet no fewer
 * than the pieces of the answer, since a piece holds at least one. Never more than was held. If you have the model's
 * tokenizer, count with the tokenizer here instead.
 */
export function estimate(
  { messages, maxOutputTokens }: Pick<Ask, 'messages' | 'maxOutputTokens'>,
  { text, pieces }: Pick<Received, 'text' | 'pieces'>,
): TokenCounts {
  const tokensOf = (characters: number) => Math.ceil(characters / 4);
  const inputTokens = messages.reduce((sum, { content }) => sum + tokensOf(content.length) + 4, 0);
  return {
    inputTokens: Math.min(inputTokens, mostInputTokens(messages)),
    outputTokens: Math.min(Math.max(tokensOf(text.length), pieces), maxOutputTokens),
  };
}
