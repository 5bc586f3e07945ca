/** Tests the audit: each chain in both directions, and the explanation of each amount with its numbers put in. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith, theWatchLooks } from './support.ts';

interface Link {
  kind: string;
  id: string;
  text: string;
}

const MODEL = 'llama-3.3-70b-instruct';
let api: CommandedApi;
let team: string;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api?.close());

const clock = (time: string) => {
  api.clock.stoppedMs = Date.parse(time);
};
const read = (id: string) => api.get(`/v1/audit/${encodeURIComponent(id)}`);
const audit = async (id: string) => {
  const { status, body } = await read(id);
  expect([id, status]).toEqual([id, 200]);
  return body;
};
const transactions = async (query = '') =>
  (await api.get(`/v1/teams/${team}/transactions${query}`)).body.data as Array<{
    id: string;
    code: string;
    amount: string;
    reference: string;
  }>;
const ids = (links: Link[], kind: string) => links.filter((link) => link.kind === kind).map(({ id }) => id);
const start = (id: string, more: object = {}) =>
  api.post('/v1/instances', instanceOf(team, { id, hourly: '2.49', ...more }));
const settle = (instanceId: string) =>
  api.world.ledger.settleInstance(
    { instanceId, nowSecond: Math.floor((api.clock.stoppedMs ?? 0) / 1000) },
    `instance/${instanceId}`,
  );

beforeEach(async () => {
  clock('2026-10-01T12:00:00Z');
  team = await teamWith(api, '100');
});

describe('the audit of a transaction', () => {
  it('explains a posting by its segment, its rate and reason, and the formula', async () => {
    const id = `${team}-i`;
    await start(id);
    clock('2026-10-01T12:00:01Z');
    await settle(id);
    clock('2026-10-01T12:00:05Z');
    await api.post(`/v1/instances/${id}/reprice`, { hourly: '4.98' });
    clock('2026-10-01T12:00:16Z');
    await api.post(`/v1/instances/${id}/stop`, {});
    const rows = await transactions('?code=instance_usage');
    expect(rows).toHaveLength(3);
    const [last, middle, first] = await Promise.all(rows.map((row) => audit(row.id)));
    expect(first).toMatchObject({
      ...{ kind: 'transaction', team, workflow: `instance/${id}` },
      explanation: { formula: 'floor(2490000 × 1 ÷ 3600) − 0 = 691', postedAt: '2026-10-01T12:00:01Z' },
    });
    expect(middle.explanation.formula).toBe('floor(2490000 × 5 ÷ 3600) − 691 = 2767');
    expect(last.explanation).toMatchObject({
      formula: 'floor(4980000 × 11 ÷ 3600) − 0 = 15216',
      postedAt: '2026-10-01T12:00:16Z',
      segments: [
        { startedAt: '2026-10-01T12:00:00Z', endedAt: '2026-10-01T12:00:05Z', hourly: '2.490000', posts: false },
        { startedAt: '2026-10-01T12:00:05Z', endedAt: '2026-10-01T12:00:16Z', hourly: '4.980000', posts: true },
      ],
    });
    for (const segment of last.explanation.segments) expect(segment.why).toContain('given');
    // A call wrote the last row; the workflow that drives the instance is named beside it.
    expect(last).toMatchObject({ workflow: `instance/${id}` });
    expect(ids(last.causes, 'request')).toHaveLength(1);
    expect(ids(last.causes, 'instance')).toEqual([id]);
    expect(ids(first.causes, 'workflow')).toEqual([`instance/${id}`]);
    expect(await audit(rows[0]?.reference ?? '')).toEqual(last);
  });

  it('explains the correction of an earlier end, and names the corrected row', async () => {
    const id = `${team}-c`;
    await start(id, { hourly: '36' });
    clock('2026-10-01T12:01:40Z');
    await settle(id);
    clock('2026-10-01T12:02:00Z');
    await api.post(`/v1/instances/${id}/stop`, { at: '2026-10-01T12:00:10Z' });
    const [correction] = await transactions('?code=instance_correction');
    const view = await audit(correction?.id ?? '');
    expect(view.explanation.formula).toBe('1000000 − (floor(36000000 × 10 ÷ 3600)) = 900000');
    const [usage] = ids(view.causes, 'transaction');
    expect((await audit(usage ?? '')).effects).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'transaction', id: correction?.id })]),
    );
  });

  it('explains tokens by their events, with the prices of their second', async () => {
    const event = (n: number) => ({ id: `${team}-e${n}`, team, model: MODEL, inputTokens: 1_001 * n, outputTokens: 3 });
    await api.post('/v1/usage', { events: [event(1), event(2)] });
    const [row] = await transactions('?code=token_usage');
    const { explanation, causes } = await audit(row?.id ?? '');
    expect(explanation.events.map(({ id }: Link) => id)).toEqual([`${team}-e1`, `${team}-e2`]);
    const micros = (dollars: string) => BigInt(dollars.replace(/[-.]/g, ''));
    let [exact, posted] = [0n, 0n];
    for (const { inputTokens, outputTokens, inputPrice, outputPrice, exactCost, cost } of explanation.events) {
      const price = BigInt(inputTokens) * micros(inputPrice) + BigInt(outputTokens) * micros(outputPrice);
      expect(BigInt(exactCost)).toBe(price);
      exact += price;
      posted += micros(cost);
    }
    expect(posted).toBe(exact / 1_000_000n);
    expect(explanation.formula).toBe(
      `${explanation.events.map(({ cost }: { cost: string }) => Number(micros(cost))).join(' + ')} = ${posted}`,
    );
    expect(micros(row?.amount ?? '')).toBe(posted);
    expect(ids(causes, 'request')).toHaveLength(1);
  });

  it('explains the cost of a reservation, and a grant in words', async () => {
    const of = { team, gpuType: 'h100-80gb', region: 'eu-west-1', count: 2, term: '1m' };
    const { body } = await api.post('/v1/reservations', { id: `${team}-r`, ...of });
    clock('2026-10-01T13:00:00Z');
    await api.world.ledger.settleReservation(
      { reservationId: `${team}-r`, nowSecond: Math.floor((api.clock.stoppedMs ?? 0) / 1000) },
      `reservation/${team}-r`,
    );
    const [row] = await transactions('?code=reservation_usage');
    const { explanation, workflow } = await audit(row?.id ?? '');
    const rate = Number(body.hourly.replace('.', ''));
    expect(explanation.formula).toBe(`floor(${rate} × 3600 ÷ 3600) − 0 = ${rate}`);
    expect(workflow).toBe(`reservation/${team}-r`);
    const [grant] = await transactions('?code=grant');
    const granted = await audit(grant?.id ?? '');
    expect(granted.explanation).toMatchObject({ text: 'Credit granted: for a test', formula: null });
    expect(ids(granted.causes, 'grant')).toHaveLength(1);
    const [grantId] = ids(granted.causes, 'grant');
    expect(ids((await audit(grantId ?? '')).effects, 'transaction')).toEqual([grant?.id]);
  });
});

describe('the chain', () => {
  it('leads from a deposit to its rows, its refund and its mail, and back', async () => {
    const { body: card } = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const { body: deposit } = await api.post(`/v1/teams/${team}/deposits`, {
      ...{ amount: '20', method: 'card', paymentMethod: card.id },
    });
    await api.post(`/v1/deposits/${deposit.id}/refund`, { amount: '5' });
    const view = await audit(deposit.id);
    expect(view).toMatchObject({ kind: 'deposit', team, workflow: `deposit/${deposit.id}` });
    const rows = await transactions(`?deposit=${deposit.id}`);
    expect(ids(view.effects, 'transaction')).toEqual(rows.map(({ id }) => id));
    const [refund] = ids(view.effects, 'refund');
    expect(ids((await audit(refund ?? '')).causes, 'deposit')).toEqual([deposit.id]);
    const notices = ids(view.effects, 'notice');
    expect(notices).toContain(`deposit_receipt/${deposit.id}`);
    for (const notice of notices) expect(ids((await audit(notice)).causes, 'deposit')).toEqual([deposit.id]);
    for (const { id } of rows) expect(ids((await audit(id)).causes, 'deposit')).toEqual([deposit.id]);
    const workflow = await audit(`deposit/${deposit.id}`);
    // The reference of the credit is the id of the workflow too: the workflow is meant.
    expect(workflow).toMatchObject({ kind: 'workflow', team });
    expect(ids(workflow.causes, 'deposit')).toEqual([deposit.id]);
  });

  it('leads from an instance to the end of credit that ended it, and back', async () => {
    const id = `${team}-dry`;
    await start(id, { hourly: '36000' });
    clock('2026-10-01T13:00:00Z');
    await theWatchLooks(api, team);
    const view = await audit(id);
    expect(view).toMatchObject({ kind: 'instance', team, workflow: `instance/${id}` });
    expect(view.explanation.formula).toBe('floor(36000000000 × 10 ÷ 3600) = 100000000');
    const [mail] = ids(view.effects, 'notice').filter((notice) => notice.startsWith('credits_exhausted/'));
    const notice = await audit(mail ?? '');
    expect(notice).toMatchObject({ kind: 'notice', workflow: `notice/${mail}` });
    expect(ids(notice.causes, 'instance')).toEqual([id]);
    const [row] = ids(view.effects, 'transaction');
    expect(ids((await audit(row ?? '')).causes, 'instance')).toEqual([id]);
    const watch = await audit(`balance-watch/${team}`);
    expect(watch).toMatchObject({ kind: 'workflow', team });
    expect(ids(watch.effects, 'notice')).toContain(mail);
  });

  it('leads from a workflow to the rows that it wrote, and from a resumed instance to the ended one', async () => {
    const id = `${team}-w`;
    await start(id, { hourly: '3.60' });
    clock('2026-10-01T12:10:00Z');
    await settle(id);
    const workflow = await audit(`instance/${id}`);
    expect(workflow).toMatchObject({ kind: 'workflow', id: `instance/${id}`, team });
    expect(ids(workflow.causes, 'instance')).toEqual([id]);
    const [row] = await transactions(`?instance=${id}`);
    expect(ids(workflow.effects, 'transaction')).toEqual([row?.id]);
    expect(ids((await audit(row?.id ?? '')).causes, 'workflow')).toEqual([`instance/${id}`]);
    await api.post(`/v1/instances/${id}/stop`, {});
    const { body: resumed } = await api.post(`/v1/instances/${id}/resume`, {});
    expect(ids((await audit(resumed.id)).causes, 'instance')).toEqual([id]);
  });

  it('is answered for the platform only, and not for unknown ids', async () => {
    for (const id of [
      'nobodys',
      'instance/nobodys',
      'balance-watch/nobodys',
      'colour/red',
      '00000000-0000-7000-8000-000000000000',
    ])
      expect([id, (await read(id)).status]).toEqual([id, 404]);
    const key = await keyFor(api, team, ['read', 'billing', 'usage']);
    expect((await api.get(`/v1/audit/${team}`, { key })).status).toBe(403);
  });
});
