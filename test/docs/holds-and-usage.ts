/** Holds and usage as api.md tells of them, for one team and one model, in memory. */
import express from 'express';
import { formatDollars, micros, parseDollars } from '../../billing/money.ts';
import { tokensCost } from '../../billing/tokens.ts';
import { type Listening, listen } from '../../embedded/web.ts';

const KEY = 'bk_for_tests';
const PRICE = { inputMicrosPerMillion: parseDollars('150'), outputMicrosPerMillion: parseDollars('600') };

const costOf = (inputTokens: number, outputTokens: number): number =>
  Number(tokensCost(PRICE, inputTokens, outputTokens) / 1_000_000n);

export interface HoldsAndUsage extends Listening {
  key: string;
  team: string;
  balanceMicros: number;
}

export async function startHoldsAndUsage(): Promise<HoldsAndUsage> {
  const holds = new Map<string, { micros: number; open: boolean }>();
  const events = new Map<string, { body: string; cost: string }>();
  const repeats = new Map<string, { status: number; body: object }>();
  const held = () => [...holds.values()].reduce((sum, hold) => sum + (hold.open ? hold.micros : 0), 0);
  const money = (amount: number) => formatDollars(micros(amount));
  const error = (code: string, message: string) => ({ error: { type: 'error', code, message, requestId: 'req_1' } });

  const app = express();
  app.use(express.json(), (request, response, next) => {
    if (request.get('authorization') === `Bearer ${KEY}`) next();
    else response.status(401).json(error('unauthenticated', 'the key is not known'));
  });

  app.post('/v1/holds', (request, response) => {
    const key = request.get('idempotency-key') ?? '';
    const answer = repeats.get(key) ?? place(request.body);
    repeats.set(key, answer);
    response.status(answer.status).json(answer.body);
  });

  function place({ maxInputTokens, maxOutputTokens, ttlSeconds }: Record<string, number>) {
    const amount = costOf(maxInputTokens ?? Number.NaN, maxOutputTokens ?? Number.NaN);
    if (amount > service.balanceMicros - held())
      return { status: 402, body: error('insufficient_credit', `this may cost $${money(amount)}`) };
    const id = `hold_${String(holds.size + 1).padStart(32, '0')}`;
    holds.set(id, { micros: amount, open: true });
    const expiresAt = new Date(Date.now() + (ttlSeconds ?? Number.NaN) * 1_000).toISOString();
    return { status: 201, body: { id, amount: money(amount), expiresAt } };
  }

  app.get('/v1/teams/acme/balance', (_request, response) => {
    response.json({ available: money(service.balanceMicros - held()), held: money(held()) });
  });

  app.post('/v1/holds/:id/void', (request, response) => {
    const hold = holds.get(request.params.id);
    if (!hold) return void response.status(404).json(error('not_found', 'no such hold'));
    hold.open = false;
    response.json({ id: request.params.id });
  });

  app.post('/v1/usage', (request, response) => {
    const [event] = request.body.events;
    const body = JSON.stringify(event);
    const earlier = events.get(event.id);
    const balances = () => ({
      [service.team]: { available: money(service.balanceMicros - held()), owed: '0.000000' },
    });
    const answer = (status: string, rest: object) =>
      response.json({ events: [{ id: event.id, status, ...rest }], balances: balances() });
    if (earlier)
      return void (earlier.body === body ? answer('duplicate', { cost: earlier.cost }) : answer('conflict', {}));
    const refusal = { error: { code: 'price_not_found', message: 'no such model', param: 'model' } };
    if (event.model !== 'gpt-4o-mini') return void answer('invalid', refusal);
    const hold = holds.get(event.hold);
    if (hold) hold.open = false;
    const cost = costOf(event.inputTokens, event.outputTokens);
    service.balanceMicros -= cost;
    events.set(event.id, { body, cost: money(cost) });
    answer('accepted', { cost: money(cost) });
  });

  const service: HoldsAndUsage = { ...(await listen(app)), key: KEY, team: 'acme', balanceMicros: 0 };
  return service;
}
