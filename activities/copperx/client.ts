/**
 * The client for CopperX's REST API, or for another host with the same API. The fields that are read from answers are
 * checked. Source: https://copperx.readme.io/reference, https://docs.copperx.io
 */
import { z } from 'zod';
import { final, passing } from '../failures.ts';

export interface CopperxOptions {
  apiKey: string;
  /** COPPERX_API_BASE: scheme, host and port. */
  apiBase: string;
  /** The timeout of a call, in milliseconds. */
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const PAGE_SIZE = 100;

/** Only the hash of a transaction is documented; where a field is not given, see docs/decisions/0010. */
const transaction = z.object({
  transactionHash: z.string().min(1),
  createdAt: z.string().nullish(),
  outputIndex: z.number().int().nonnegative().nullish(),
  logIndex: z.number().int().nonnegative().nullish(),
  chainId: z.union([z.number(), z.string()]).nullish(),
  currency: z.string().nullish(),
  amount: z.string().nullish(),
  confirmations: z.number().nullish(),
});
const session = z.object({
  id: z.string().min(1),
  createdAt: z.string(),
  expiresAt: z.string(),
  currency: z.string(),
  clientReferenceId: z.string().nullish(),
  status: z.string(),
  paymentStatus: z.string(),
  url: z.string(),
  paymentIntent: z
    .object({ amountReceived: z.string().nullish(), transactions: z.array(transaction).nullish() })
    .nullish(),
});
const sessionPage = z.object({ data: z.array(session), hasMore: z.boolean().nullish() });

export type CopperxSession = z.infer<typeof session>;
export type CopperxTransaction = z.infer<typeof transaction>;

export interface NewCopperxSession {
  clientReferenceId: string;
  productName: string;
  currency: string;
  /** With eight places: "100000000" is one coin. */
  unitAmount: string;
  successUrl: string;
  cancelUrl: string;
}

export interface Copperx {
  createSession(asked: NewCopperxSession): Promise<CopperxSession>;
  /** Null for a session that CopperX does not have. */
  retrieveSession(id: string): Promise<CopperxSession | null>;
  /** Every session with our reference made since the given time, newest first. */
  sessionsOf(clientReferenceId: string, sinceMs: number): Promise<CopperxSession[]>;
  /** Every session made since the given time, newest first. */
  sessionsSince(sinceMs: number, onPage: () => void): Promise<CopperxSession[]>;
}

/**
 * Calls fail with the types that Temporal's retries know. `copperx_unavailable` is retried (no network, timeout, 408,
 * 409, 429, 5xx; also 401 and 403, a fault of our key that an operator corrects). Only a refusal to make a page is
 * final, `copperx_refused`. A refused read is retried.
 */
export function createCopperx({ apiKey, apiBase, timeoutMs = DEFAULT_TIMEOUT_MS }: CopperxOptions): Copperx {
  const base = `${apiBase.replace(/\/$/, '')}/api/v1/checkout/sessions`;

  async function call<T>(schema: z.ZodType<T>, path: string, body?: object): Promise<T> {
    return read(schema, await answerTo(path, body), body === undefined ? 'question' : 'request');
  }

  function read<T>(schema: z.ZodType<T>, { status, text }: Answer, of: 'question' | 'request'): T {
    if (status >= 300) throw of === 'question' ? passing('copperx', `status ${status}`) : fault(status);
    const parsed = schema.safeParse(asJson(text));
    if (!parsed.success) throw passing('copperx', `an answer ${status} that is not understood`);
    return parsed.data;
  }

  async function answerTo(path: string, body?: object): Promise<Answer> {
    try {
      const response = await fetch(base + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          Accept: 'application/json',
          Authorization: `Bearer ${apiKey}`,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      const { name, cause } = error as Error;
      throw passing('copperx', (cause as NodeJS.ErrnoException | undefined)?.code ?? name);
    }
  }

  async function listSessions(
    filter: Record<string, string>,
    sinceMs: number,
    onPage = () => {},
  ): Promise<CopperxSession[]> {
    const sessions: CopperxSession[] = [];
    for (let page = 1; ; page++) {
      const query = new URLSearchParams({ ...filter, page: String(page), limit: String(PAGE_SIZE) });
      const { data, hasMore } = await call(sessionPage, `?${query}`);
      sessions.push(...data);
      onPage();
      const last = data.at(-1);
      if (hasMore !== true || last === undefined || Date.parse(last.createdAt) < sinceMs) return sessions;
    }
  }

  return {
    createSession: ({ clientReferenceId, productName, currency, unitAmount, successUrl, cancelUrl }) =>
      call(session, '', {
        mode: 'payment',
        submitType: 'pay',
        clientReferenceId,
        lineItems: {
          data: [
            { priceData: { currency, type: 'one_time', unitAmount, productData: { name: productName } }, quantity: 1 },
          ],
        },
        // No swaps, so the requested coin arrives: another coin would need an exchange rate.
        paymentSetting: { allowSwap: false },
        successUrl,
        cancelUrl,
      }),
    retrieveSession: async (id) => {
      const answer = await answerTo(`/${encodeURIComponent(id)}`);
      return isNotThere(answer) ? null : read(session, answer, 'question');
    },
    // The answer is filtered again, because a host without this filter returns every session.
    sessionsOf: async (clientReferenceId, sinceMs) =>
      (await listSessions({ clientReferenceId }, sinceMs)).filter(
        (page) => page.clientReferenceId === clientReferenceId,
      ),
    sessionsSince: (sinceMs, onPage) => listSessions({}, sinceMs, onPage),
  };
}

interface Answer {
  status: number;
  text: string;
}

/** True for a 404 or 410 about the session. A path that the host does not serve means a wrong COPPERX_API_BASE. */
function isNotThere({ status, text }: Answer): boolean {
  const refusal = z.object({ message: z.string() }).safeParse(asJson(text));
  return (status === 404 || status === 410) && refusal.success && !refusal.data.message.startsWith('Cannot GET');
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const PASSING = new Set([401, 403, 408, 409, 425, 429]);
const fault = (status: number) =>
  status >= 500 || status < 400 || PASSING.has(status)
    ? passing('copperx', `status ${status}`)
    : final('copperx', `status ${status}`);
