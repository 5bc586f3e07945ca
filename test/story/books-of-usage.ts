/**
 * The audit of token usage and holds: each event once, exact costs from the tokens and the list, what is held second by
 * second; from plain rows and from what callers were answered. Imports nothing from billing/. Source: docs/rules.md#token-usage.
 */
import { expect } from 'vitest';
import { dollars, sum } from './micros.ts';
import type { Api, Heard, ProductUnderTest, Sql, Team } from './support.ts';

interface EventRow {
  event_id: string;
  model: string;
  input_tokens: bigint;
  output_tokens: bigint;
  /** Exact, in millionths of a micro. */
  cost: string;
  charge_micros: bigint;
  charged_with: string;
  hold_id: string | null;
}
interface HoldRow {
  id: string;
  model: string;
  max_input_tokens: bigint;
  max_output_tokens: bigint;
  amount_micros: bigint;
  placed_second: bigint;
  expires_second: bigint;
  status: 'pending' | 'settled' | 'voided' | 'expired';
  closed_second: bigint | null;
  settled_by: string | null;
}
interface TransferRow {
  debit_account: string;
  credit_account: string;
  amount_micros: bigint;
  code: string;
  reference: string;
  second: bigint;
}
interface PriceRow {
  model: string;
  input_micros_per_million: bigint;
  output_micros_per_million: bigint;
}

/** An event as it was sent, and what a call was answered of it. */
interface Told {
  sent: { id: string; inputTokens: number; outputTokens: number; hold?: string };
  answer: { status: string; cost?: string };
}

export interface UsageAudited {
  /** What all tokens cost, whether paid or owed. */
  tokensMicros: bigint;
  heldMicrosAt(second: bigint): bigint;
}

const MILLIONTHS = 1_000_000n;

/** Prices of models do not change in a story: the last of each is that of all usage. */
const LISTED = `SELECT DISTINCT ON (model) model, input_micros_per_million, output_micros_per_million FROM model_prices
  ORDER BY model, recorded_order DESC`;

/** Holds a team's usage and holds against the list, the ledger, and what callers were answered. */
export async function auditUsage({ sql, api }: ProductUnderTest, team: Team): Promise<UsageAudited> {
  const [events, holds, transfers, prices] = await readUsage(sql, team);
  const exactCost = (model: string, inputTokens: bigint, outputTokens: bigint): bigint => {
    const price = prices.find((listed) => listed.model === model);
    if (!price) throw new Error(`${model} is not listed`);
    return inputTokens * price.input_micros_per_million + outputTokens * price.output_micros_per_million;
  };
  for (const { event_id, model, input_tokens, output_tokens, cost } of events)
    expect(BigInt(cost), `exact cost of ${event_id}`).toBe(exactCost(model, input_tokens, output_tokens));
  for (const { id, model, max_input_tokens, max_output_tokens, amount_micros } of holds) {
    const most = exactCost(model, max_input_tokens, max_output_tokens);
    expect(amount_micros, `what ${id} holds`).toBe((most + MILLIONTHS - 1n) / MILLIONTHS);
  }
  const tokensMicros = auditCharges(team, events, transfers);
  auditEventsAnswered(api, team, events);
  auditHoldsAnswered(api, team, holds, events);
  const heldMicrosAt = (second: bigint) =>
    sum(holds.filter((hold) => holdsAt(hold, second)).map(({ amount_micros }) => amount_micros));
  auditHeld(team, transfers, holds, heldMicrosAt);
  return { tokensMicros, heldMicrosAt };
}

const readUsage = async (sql: Sql, { id }: Team) =>
  Promise.all([
    sql<EventRow>('SELECT * FROM usage_events WHERE team_id = $1', [id]),
    sql<HoldRow>('SELECT * FROM holds WHERE team_id = $1', [id]),
    sql<TransferRow>('SELECT * FROM transfers WHERE team_id = $1', [id]),
    sql<PriceRow>(LISTED),
  ]);

/** All that was posted is the floor of all that was used, and each posting is that of the events recorded with it. */
function auditCharges(team: Team, events: EventRow[], transfers: TransferRow[]): bigint {
  const tokens = sum(events.map(({ cost }) => BigInt(cost))) / MILLIONTHS;
  expect(sum(events.map(({ charge_micros }) => charge_micros)), `charges of events of ${team.id}`).toBe(tokens);
  const charges = new Map<string, bigint>();
  for (const { charged_with, charge_micros } of events)
    charges.set(charged_with, (charges.get(charged_with) ?? 0n) + charge_micros);
  const posted = new Map([...charges.keys()].map((event) => [event, 0n]));
  for (const { code, reference, amount_micros } of transfers) {
    if (code !== 'token_usage' && code !== 'owed_usage') continue;
    const event = reference.split('/')[2] ?? '';
    posted.set(event, (posted.get(event) ?? 0n) + amount_micros);
  }
  expect(posted, `postings of tokens of ${team.id}, by their first event`).toEqual(charges);
  return tokens;
}

/** What was answered of each of the team's events, in the order of the answers. */
function eventsTold(api: Api, team: Team): Map<string, Told[]> {
  const answersById = new Map<string, Told[]>();
  for (const { path, sent, answer } of api.heard) {
    if (path !== '/v1/usage' || answer.status !== 200) continue;
    for (const [index, event] of sent.events.entries())
      if (event.team === team.id)
        answersById.set(event.id, [
          ...(answersById.get(event.id) ?? []),
          { sent: event, answer: answer.body.events[index] },
        ]);
  }
  return answersById;
}

/** What was taken is recorded once, as it was sent and at the cost that each answer named; what was refused is not. */
function auditEventsAnswered(api: Api, team: Team, events: EventRow[]): void {
  const rows = new Map(events.map((event) => [event.event_id, event]));
  const answersById = eventsTold(api, team);
  expect(
    [...rows.keys()].filter((id) => !answersById.has(id)),
    `events of ${team.id} that nobody was told of`,
  ).toEqual([]);
  for (const [id, all] of answersById) {
    const taken = all.filter(({ answer: { status } }) => status === 'accepted' || status === 'duplicate');
    const row = rows.get(id);
    expect(row !== undefined, `${id} is recorded`).toBe(taken.length > 0);
    for (const { sent, answer } of taken)
      expect({ ...sent, cost: answer.cost }, `${id} as it was answered`).toMatchObject({
        inputTokens: Number(row?.input_tokens),
        outputTokens: Number(row?.output_tokens),
        cost: dollars(row?.charge_micros ?? -1n),
      });
    const times = taken.filter(({ answer: { status } }) => status === 'accepted').length;
    expect(times, `how often ${id} was accepted`).toBeLessThanOrEqual(1);
  }
}

const answeredOf = ({ path, answer }: Heard, wanted: RegExp, status: number): boolean =>
  wanted.test(path) && answer.status === status;

/** By what a story tells a team's orders of holds apart: each asks for other numbers of tokens. */
const orderOf = (input: number | bigint, output: number | bigint): string => `${input}/${output}`;

/**
 * Each order is one hold, however often it was sent: the hold that was answered, or none where the order was refused. Each
 * ended as its callers were told.
 */
function auditHoldsAnswered(api: Api, team: Team, holds: HoldRow[], events: EventRow[]): void {
  const orders = new Map<string, Heard[]>();
  for (const heard of api.heard) {
    if (heard.path !== '/v1/holds' || heard.sent.team !== team.id) continue;
    const order = orderOf(heard.sent.maxInputTokens, heard.sent.maxOutputTokens);
    orders.set(order, [...(orders.get(order) ?? []), heard]);
  }
  const placed = new Map(holds.map((hold) => [orderOf(hold.max_input_tokens, hold.max_output_tokens), hold]));
  expect(placed.size, `orders of the holds of ${team.id}`).toBe(holds.length);
  for (const order of placed.keys()) expect(orders.has(order), `${order} was ordered`).toBe(true);
  for (const [order, calls] of orders) {
    const statuses = calls.map(({ answer }) => answer.status);
    const ids = new Set(calls.filter(({ answer }) => answer.status === 201).map(({ answer }) => answer.body.id));
    if (ids.size > 0) expect([...ids], `holds of the order ${order}`).toEqual([placed.get(order)?.id]);
    expect(placed.has(order), `${order}, answered ${statuses.join()}, is held`).toBe(ids.size > 0);
  }
  const voided = new Set(
    api.heard
      .filter((heard) => answeredOf(heard, /^\/v1\/holds\/\w+\/void$/, 200))
      .map(({ path }) => path.split('/')[3]),
  );
  for (const { id, status, settled_by, closed_second, expires_second } of holds) {
    const naming = events.filter((event) => event.hold_id === id).map(({ event_id }) => event_id);
    expect(status === 'voided', `${id}, which is ${status}, was voided`).toBe(voided.has(id));
    if (status === 'settled') expect(naming, `usage that names ${id}`).toContain(settled_by);
    if (status === 'pending') expect(naming, `usage that names ${id}, which is pending`).toEqual([]);
    if (status === 'settled' || status === 'voided') expect((closed_second ?? 0n) < expires_second, id).toBe(true);
  }
}

const holdsAt = ({ placed_second, expires_second, closed_second }: HoldRow, second: bigint): boolean =>
  placed_second <= second && second < expires_second && (closed_second === null || second < closed_second);

/** Whatever was held at the end of a second was there. */
function auditHeld(
  team: Team,
  transfers: TransferRow[],
  holds: HoldRow[],
  heldMicrosAt: (second: bigint) => bigint,
): void {
  const account = `team/${team.id}/credit`;
  const moves = transfers.flatMap(({ debit_account, credit_account, amount_micros, second }) => {
    if (credit_account === account) return [{ second, micros: amount_micros }];
    return debit_account === account ? [{ second, micros: -amount_micros }] : [];
  });
  for (const second of new Set([
    ...holds.map(({ placed_second }) => placed_second),
    ...moves.map((move) => move.second),
  ])) {
    const posted = sum(moves.filter((move) => move.second <= second).map(({ micros }) => micros));
    expect(posted >= heldMicrosAt(second), `credit of ${team.id} covers what is held at ${second}`).toBe(true);
  }
}
