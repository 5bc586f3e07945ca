/** The three calls to Burnrate for metering: hold, void, report. Needs nothing but `fetch`. */
import { randomUUID } from 'node:crypto';

export interface BurnrateSettings {
  /** The address of Burnrate, without `/v1`. */
  url: string;
  /** A team key with the scope `usage`, or the platform's. */
  key: string;
  team: string;
  /** The pause before the second try of a call. Each further pause is twice as long, up to half a minute. */
  firstPauseMs?: number;
}

export interface Hold {
  id: string;
  amount: string;
  expiresAt: string;
}

export interface Reserve {
  model: string;
  maxInputTokens: number;
  maxOutputTokens: number;
  ttlSeconds: number;
}

export interface Usage {
  /** The same id is the same usage, however often reported. */
  id: string;
  model: string;
  inputTokens: number;
  outputTokens: number;
  project?: string;
  hold: string;
}

export interface Charge {
  /** Dollars, as decimal strings. */
  cost: string;
  available: string;
}

export interface Burnrate {
  /** @throws NotEnoughCredit, BurnrateRefusal */
  placeHold(reserve: Reserve): Promise<Hold>;
  /** Releases the hold. If the call fails, the hold expires by itself. */
  voidHold(id: string): Promise<void>;
  /**
   * Tries until the usage is recorded, because produced tokens must be paid for.
   * @throws BurnrateRefusal when it never will be
   */
  reportUsage(usage: Usage): Promise<Charge>;
}

/** The team cannot pay for the highest possible cost of the request. */
export class NotEnoughCredit extends Error {}

export class BurnrateRefusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface UsageAnswer {
  events: Array<{
    status: 'accepted' | 'duplicate' | 'conflict' | 'invalid';
    cost?: string;
    error?: { code: string; message: string };
  }>;
  balances: Record<string, { available: string }>;
}

/** The outcome of a try: an answer, or a refusal, which is passing where another try may succeed. */
type Outcome<T> = { body: T } | { refusal: Error; isPassing: boolean; retryAfterMs: number };

const A_FEW_TIMES = 4;
const UNTIL_IT_IS_DONE = Number.POSITIVE_INFINITY;
const LONGEST_PAUSE_MS = 30_000;
const TIMEOUT_MS = 10_000;

export function createBurnrate({ url, key, team, firstPauseMs = 250 }: BurnrateSettings): Burnrate {
  async function post<T>(path: string, body: object, tries: number, headers: Record<string, string> = {}): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      const outcome = await attempt<T>(`${url}/v1${path}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if ('body' in outcome) return outcome.body;
      if (!outcome.isPassing || tried >= tries) throw outcome.refusal;
      const pauseMs = Math.min(firstPauseMs * 2 ** (tried - 1), LONGEST_PAUSE_MS);
      await new Promise((resolve) => setTimeout(resolve, Math.max(pauseMs, outcome.retryAfterMs)));
    }
  }

  return {
    // With the key, a repeat of a call whose answer was lost is the same hold, not a second one.
    placeHold: (reserve) => post('/holds', { team, ...reserve }, A_FEW_TIMES, { 'Idempotency-Key': randomUUID() }),

    voidHold: async (id) => {
      await post(`/holds/${id}/void`, {}, A_FEW_TIMES).catch(() => {});
    },

    reportUsage: async (usage) => {
      const answer = await post<UsageAnswer>('/usage', { events: [{ team, ...usage }] }, UNTIL_IT_IS_DONE);
      const { status, cost, error } = answer.events[0] ?? { status: 'invalid' };
      if (status === 'accepted' || status === 'duplicate')
        return { cost: cost ?? '0.000000', available: answer.balances[team]?.available ?? '' };
      throw new BurnrateRefusal(
        error?.code ?? status,
        `usage ${usage.id} was not recorded: ${error?.message ?? 'another usage has this id'}`,
      );
    },
  };
}

async function attempt<T>(url: string, request: RequestInit): Promise<Outcome<T>> {
  try {
    const response = await fetch(url, request);
    const text = await response.text();
    return response.ok ? { body: JSON.parse(text) } : refused(response, text);
  } catch (error) {
    const refusal = new BurnrateRefusal('unreachable', `Burnrate does not answer: ${error}`);
    return { refusal, isPassing: true, retryAfterMs: 0 };
  }
}

function refused({ status, headers }: Response, text: string): Outcome<never> {
  const { code, message } = errorIn(text) ?? { code: 'unknown', message: `Burnrate answered ${status}` };
  return {
    refusal: status === 402 ? new NotEnoughCredit(message) : new BurnrateRefusal(code, message),
    isPassing: status === 429 || status >= 500 || code === 'idempotency_in_flight',
    retryAfterMs: (Number(headers.get('Retry-After')) || 0) * 1_000,
  };
}

function errorIn(text: string): { code: string; message: string } | null {
  try {
    return JSON.parse(text).error;
  } catch {
    return null;
  }
}
