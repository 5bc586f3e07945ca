/** A streamed chat completion of any endpoint with OpenAI's protocol, as an async iterable. */

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ModelEndpoint {
  /** With its version: `https://api.openai.com/v1`. */
  url: string;
  key: string;
}

export interface ChatRequest {
  model: string;
  messages: Message[];
  maxOutputTokens: number;
}

/** Tokens as the model's side counted the tokens. */
export interface TokenCounts {
  inputTokens: number;
  outputTokens: number;
}

export interface Part {
  text: string;
  /** With the last part of a whole stream. */
  counts: TokenCounts | null;
}

/**
 * Asks, and yields each part as it arrives.
 * @throws when the model refuses, when the stream breaks off or tells of an error, and with the signal's reason
 */
export async function* streamChat(
  { url, key }: ModelEndpoint,
  { model, messages, maxOutputTokens }: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<Part> {
  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({
      model,
      messages,
      max_tokens: maxOutputTokens,
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal,
  });
  if (!response.ok || !response.body) throw new Error(await complaintOf(response));
  for await (const data of eventsOf(response.body)) {
    if (data === '[DONE]') return;
    yield partOf(JSON.parse(data));
  }
  throw new Error('the stream broke off');
}

/** The `data` of each server-sent event. Chat completions put every event on one line. */
async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('data:')) yield line.slice('data:'.length).trim();
  }
}

interface Chunk {
  choices?: Array<{ delta?: { content?: string | null } }>;
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
  error?: { message?: string };
}

function partOf({ choices, usage, error }: Chunk): Part {
  if (error) throw new Error(error.message ?? 'the model failed');
  return {
    text: choices?.[0]?.delta?.content ?? '',
    counts: usage ? { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens } : null,
  };
}

async function complaintOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `the model answered ${response.status}`;
  }
}
