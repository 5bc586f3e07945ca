/** Tests the list of other providers’ public prices. The import of the list checks that it can be parsed. */
import { describe, expect, it } from 'vitest';
import { PUBLIC_PRICES, publicPriceOf, USUAL_COMPARISON } from '../../api/routes/public-prices.ts';
import { parseDollars } from '../../billing/money.ts';

/** Whose page a price stands on. */
const PAGES: Record<string, string> = {
  OpenAI: 'developers.openai.com',
  Anthropic: 'platform.claude.com',
  Google: 'ai.google.dev',
  Mistral: 'mistral.ai',
  Groq: 'console.groq.com',
  DeepSeek: 'api-docs.deepseek.com',
};

describe('the public prices', () => {
  it('name each model once, including the models that are usually compared', () => {
    const ids = PUBLIC_PRICES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(8);
    expect(publicPriceOf(USUAL_COMPARISON)).toMatchObject({ id: 'gpt-4o-mini', provider: 'OpenAI' });
  });

  it.each(PUBLIC_PRICES)(
    'of $id have a page of $provider as their source, read on $asOf',
    ({ provider, source, asOf }) => {
      const { protocol, hostname } = new URL(source);
      expect({ protocol, hostname }).toEqual({ protocol: 'https:', hostname: PAGES[provider] });
      expect(asOf >= '2026-01-01' && Date.parse(asOf) <= Date.now()).toBe(true);
    },
  );

  it.each(PUBLIC_PRICES)(
    'of $id are dollars per million tokens, not per thousand nor in cents',
    ({ inputMicrosPerMillion, outputMicrosPerMillion }) => {
      expect(inputMicrosPerMillion).toBeGreaterThanOrEqual(parseDollars('0.02'));
      expect(outputMicrosPerMillion).toBeLessThanOrEqual(parseDollars('200'));
      // An answer has never been cheaper than its question.
      expect(outputMicrosPerMillion).toBeGreaterThanOrEqual(inputMicrosPerMillion);
    },
  );

  it('do not answer an unknown model', () => {
    expect(() => publicPriceOf('gpt-2')).toThrow(/gpt-4o-mini, gpt-4o, /);
    expect(() => publicPriceOf('__proto__')).toThrow(/no public price/);
  });
});
