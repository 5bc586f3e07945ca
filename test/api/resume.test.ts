/** Tests resumes over HTTP: one machine runs, in repeated and simultaneous requests. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let ended: string;

beforeAll(async () => {
  api = await startCommandedApi();
});
beforeEach(async () => {
  api.clock.aheadMs = 0;
  team = await teamWith(api, '100');
  ended = await endedInstance();
});
afterAll(() => api.close());

let names = 0;
const newName = () => {
  names += 1;
  return `machine-${names}`;
};
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
async function endedInstance(change: object = {}): Promise<string> {
  const { body } = await api.post('/v1/instances', instanceOf(team, { id: newName(), ...change }));
  await api.post(`/v1/instances/${body.id}/stop`);
  return body.id;
}
const resume = (id: string, body: object = {}, headers: Record<string, string> = {}) =>
  api.post(`/v1/instances/${id}/resume`, body, { headers });
const running = async (): Promise<string[]> =>
  (await api.get(`/v1/instances?team=${team}&status=active`)).body.data.map(({ id }: { id: string }) => id);

describe('a repeated resume', () => {
  it('is refused while the successor runs, and the refusal names the successor', async () => {
    const first = await resume(ended);
    expect([first.status, first.body.resumedFrom]).toEqual([201, ended]);
    const second = await resume(ended);
    expect([second.status, second.body.error.code]).toEqual([409, 'instance_active']);
    expect(second.body.error.instance).toBe(first.body.id);
    expect(second.body.error.message).toContain(first.body.id);
    expect(await running()).toEqual([first.body.id]);
  });

  it('is the same instance under the same id, even after that instance has ended', async () => {
    const id = newName();
    const first = await resume(ended, { id });
    expect([first.status, first.body.id]).toEqual([201, id]);
    const again = await resume(ended, { id });
    expect([again.status, again.body.id, again.body.startedAt]).toEqual([201, id, first.body.startedAt]);
    await api.post(`/v1/instances/${id}/stop`);
    const late = await resume(ended, { id });
    expect([late.status, late.body.id, late.body.status]).toEqual([201, id, 'terminated']);
    expect(await running()).toEqual([]);
  });

  it('starts one machine in simultaneous requests without an id and without an Idempotency-Key', async () => {
    const answers = await Promise.all([resume(ended), resume(ended), resume(ended), resume(ended)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    const started = answers.find(({ status }) => status === 201)?.body.id;
    for (const { body } of answers.filter(({ status }) => status === 409))
      expect(body.error).toMatchObject({ code: 'instance_active', instance: started });
    expect(await running()).toEqual([started]);
  });

  it('starts one machine in simultaneous requests under one id', async () => {
    const id = newName();
    const answers = await Promise.all([resume(ended, { id }), resume(ended, { id })]);
    expect(answers.map(({ status, body }) => [status, body.id])).toEqual([
      [201, id],
      [201, id],
    ]);
    expect(await running()).toEqual([id]);
  });

  it('receives the first answer under one Idempotency-Key', async () => {
    const headers = { 'Idempotency-Key': newName() };
    const first = await resume(ended, {}, headers);
    const again = await resume(ended, {}, headers);
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
  });
});

describe('an id for a resume', () => {
  it('that another instance has is a conflict', async () => {
    const other = await endedInstance();
    for (const id of [other, ended]) {
      const { status, body } = await resume(ended, { id });
      expect([status, body.error.code, body.error.param]).toEqual([409, 'id_taken', 'id']);
    }
    const id = newName();
    await resume(ended, { id });
    await api.post(`/v1/instances/${id}/stop`);
    expect((await resume(other, { id })).body.error.code).toBe('id_taken');
    expect(await running()).toEqual([]);
  });

  it('that is invalid is refused by name', async () => {
    const { status, body } = await resume(ended, { id: 'not an id' });
    expect([status, body.error.param]).toEqual([400, 'id']);
    expect((await resume(ended, { name: 'x' })).status).toBe(400);
  });
});

describe('a chain of resumes', () => {
  it('runs one instance at a time, whichever instance of the chain is resumed', async () => {
    const second = (await resume(ended)).body.id;
    await api.post(`/v1/instances/${second}/stop`);
    const third = (await resume(second)).body.id;
    for (const earlier of [ended, second]) {
      const refused = await resume(earlier);
      expect([refused.status, refused.body.error.instance]).toEqual([409, third]);
    }
    await api.post(`/v1/instances/${third}/stop`);
    // From the first again: a second branch, which the others meet too.
    const fourth = (await resume(ended)).body;
    expect(fourth.resumedFrom).toBe(ended);
    for (const earlier of [ended, second, third]) expect((await resume(earlier)).body.error.instance).toBe(fourth.id);
    expect(await running()).toEqual([fourth.id]);
  });

  it('continues after its successor ran out of credit, before that end is recorded', async () => {
    const poor = await teamWith(api, '3.10');
    const { body: first } = await api.post('/v1/instances', instanceOf(poor, { id: newName(), hourly: '36' }));
    await api.post(`/v1/instances/${first.id}/stop`);
    const second = (await resume(first.id)).body.id;
    pass(3600);
    const withoutCredit = await resume(first.id);
    expect([withoutCredit.status, withoutCredit.body.error.code]).toEqual([402, 'insufficient_credit']);
    await api.post(`/v1/teams/${poor}/grants`, { amount: '50', note: 'more' });
    const third = await resume(first.id);
    expect([third.status, third.body.resumedFrom]).toEqual([201, first.id]);
    expect((await api.get(`/v1/instances/${second}`)).body.reason).toBe('out_of_credits');
  });
});

describe('a resume is refused for', () => {
  it('a running instance, which the refusal names', async () => {
    const { body } = await api.post('/v1/instances', instanceOf(team, { id: newName() }));
    const refused = await resume(body.id);
    expect([refused.status, refused.body.error.code, refused.body.error.instance]).toEqual([
      409,
      'instance_active',
      body.id,
    ]);
  });

  it('an instance whose start was refused, because it does not exist', async () => {
    const poor = await teamWith(api);
    const id = newName();
    expect((await api.post('/v1/instances', instanceOf(poor, { id }))).status).toBe(402);
    expect((await resume(id)).status).toBe(404);
  });

  it('an instance of a suspended team', async () => {
    await api.post(`/v1/teams/${team}/suspend`, {});
    expect((await resume(ended)).body.error.code).toBe('team_suspended');
    expect(await running()).toEqual([]);
  });
});

it('A resumed instance keeps the metadata of the first instance', async () => {
  const metadata = { job: '42' };
  const first = await endedInstance({ metadata });
  expect((await resume(first)).body.metadata).toEqual(metadata);
});
