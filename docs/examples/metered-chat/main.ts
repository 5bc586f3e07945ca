/** `node --import tsx docs/examples/metered-chat/main.ts "Why is the sky blue?"`: see README.md. */
import { BurnrateRefusal, createBurnrate, NotEnoughCredit } from './burnrate.ts';
import { meteredChat } from './metered-chat.ts';

const setting = (name: string, otherwise?: string): string => {
  const value = process.env[name] || otherwise;
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

async function main(): Promise<void> {
  const prompt = process.argv.slice(2).join(' ');
  if (prompt === '') throw new Error('say what to ask: main.ts "Why is the sky blue?"');
  const burnrate = createBurnrate({
    url: setting('BURNRATE_URL', 'http://127.0.0.1:3000'),
    key: setting('BURNRATE_KEY'),
    team: setting('BURNRATE_TEAM'),
  });
  const endpoint = {
    url: setting('OPENAI_BASE_URL'),
    // A private server may need no key.
    key: setting('OPENAI_API_KEY', 'none'),
  };
  const model = setting('MODEL', 'gpt-oss-20b');

  // The first Ctrl-C stops the stream, and the received part is still billed; the second ends the process.
  const stopping = new AbortController();
  process.once('SIGINT', () => stopping.abort(new Error('stopped')));

  const answer = await meteredChat(
    burnrate,
    endpoint,
    {
      model,
      billedAs: setting('BILLED_AS', model),
      messages: [{ role: 'user', content: prompt }],
      maxOutputTokens: Number(setting('MAX_OUTPUT_TOKENS', '1024')),
      signal: stopping.signal,
    },
    (text) => process.stdout.write(text),
  );

  const { inputTokens, outputTokens, countedBy, cost, available, brokenBy } = answer;
  const counted = countedBy === 'model' ? 'counted by the model' : 'estimated';
  if (brokenBy) console.error(`\n(not whole: ${brokenBy.message})`);
  console.error(`\n${inputTokens} tokens in, ${outputTokens} out (${counted}): $${cost}; $${available} left`);
}

function inWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NotEnoughCredit) return `Not enough credit for this: ${message}`;
  const isUnlisted = error instanceof BurnrateRefusal && error.code === 'price_not_found';
  return isUnlisted ? `${message}; set BILLED_AS to the listed model that this is` : message;
}

try {
  await main();
} catch (error) {
  console.error(inWords(error));
  process.exitCode = 1;
}
