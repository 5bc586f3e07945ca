/** Tests the balance, auto top-up, cards, deposits and transactions over HTTP. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import { secondOf } from '../../billing/time.ts';
import { dueDeposits, FROM_THE_FIRST } from '../../prisma/due-work.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi();
});
beforeEach(async () => {
  Object.assign(api.engine, { away: false, deaf: false, starting: 'seen', sentWakes: [], charge: 'succeeds' });
  api.clock.aheadMs = 0;
  team = await teamWith(api);
});
afterAll(async () => {
  expect(await trialBalance(api.db)).toMatchObject({ balanced: true, differences: [] });
  await api.close();
});

const at = (path: string) => `/v1/teams/${team}/${path}`;
const attach = async () => (await api.post(at('payment-methods'), { stripePaymentMethod: 'pm_card_visa' })).body;
const grant = (amount: string) => api.post(at('grants'), { amount, note: 'test' });
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
const whole = (second: number) => new Date(second * 1_000).toISOString().replace('.000Z', 'Z');

describe('the balance', () => {
  it('falls every second, and shows when it reaches its levels', async () => {
    await grant('20');
    const { body } = await api.post('/v1/instances', instanceOf(team, { hourly: '36' }));
    const started = secondOf(Date.parse(body.startedAt));
    pass(100);
    const balance = (await api.get(at('balance'))).body;
    const seconds = secondOf(Date.parse(balance.asOf)) - started;
    expect(balance).toEqual({
      available: (20 - seconds / 100).toFixed(6),
      posted: '20.000000',
      held: '0.000000',
      owed: '0.000000',
      burnPerHour: '36.000000',
      runsOutAt: whole(started + 2_000),
      lowAt: whole(started + 1_001),
      thisMonth: (seconds / 100).toFixed(6),
      activeInstances: 1,
      asOf: expect.any(String),
    });
  });

  it('includes token usage of the month and the owed amount', async () => {
    await grant('1');
    const price = { inputMicrosPerMillion: micros(2_000_000), outputMicrosPerMillion: micros(0) };
    const event = { teamId: team, model: 'm', price, outputTokens: 0, project: null, atSecond: null, holdId: null };
    const receivedSecond = secondOf(Date.now());
    const use = (eventId: string, inputTokens: number) =>
      api.world.ledger.recordUsage({
        events: [{ ...event, eventId, inputTokens }],
        receivedSecond,
        causedBy: 'test',
      });
    await use('e1', 250_000);
    await use('e2', 500_000);
    const { body } = await api.get(at('balance'));
    expect(body).toMatchObject({ available: '0.000000', owed: '0.500000', thisMonth: '1.500000', lowAt: body.asOf });
    await grant('2');
    expect((await api.get(at('balance'))).body).toMatchObject({ available: '1.500000', owed: '0.000000' });
    const { data } = (await api.get(at('transactions'))).body;
    const credit = data.filter((row: { account: string }) => row.account === 'credit');
    const sum = credit.reduce((total: number, row: { amount: string }) => total + Number(row.amount), 0);
    expect(sum).toBe(1.5);
  });
});

describe('auto top-up', () => {
  const policy = { enabled: true, threshold: '10', amount: '25' };

  it('is off until it is enabled, and uses the default card unless another card is named', async () => {
    expect((await api.get(at('auto-top-up'))).body).toEqual({
      version: 0,
      enabled: false,
      threshold: null,
      amount: null,
      paymentMethod: null,
      paymentMethodMissing: false,
      monthlyCap: null,
      state: 'off',
      lastAttempt: null,
      cooldownUntil: null,
      disabledReason: null,
      disabledMessage: null,
      warnings: [],
    });
    expect((await api.put(at('auto-top-up'), policy)).body.error).toMatchObject({
      code: 'payment_method_required',
      param: 'paymentMethod',
    });
    await grant('50');
    const first = await attach();
    const second = await attach();
    const put = await api.put(at('auto-top-up'), policy);
    expect([put.status, put.body.paymentMethod, put.body.state]).toEqual([200, first.id, 'watching']);
    expect(api.engine.sentWakes).toEqual(expect.arrayContaining([`autoTopUp ${team}`, `watch ${team}`]));
    const other = await api.put(at('auto-top-up'), { ...policy, paymentMethod: second.id, monthlyCap: '100' });
    expect(other.body).toMatchObject({ paymentMethod: second.id, monthlyCap: '100.000000' });
    expect((await api.get(at('auto-top-up'))).body).toEqual(other.body);

    const off = await api.put(at('auto-top-up'), { enabled: false });
    expect(off.body).toMatchObject({ enabled: false, state: 'off', threshold: '10.000000', paymentMethod: second.id });
    const consents = await api.db.consent.findMany({ where: { teamId: team } });
    expect(consents.map(({ actor }) => actor)).toEqual(['platform', 'platform', 'platform']);
  });

  it('is refused a save from a form where another change came between, and lets the last writer win without a version', async () => {
    await attach();
    await grant('50');
    expect((await api.put(at('auto-top-up'), { ...policy, version: 0 })).body.version).toBe(1);
    const late = await api.put(at('auto-top-up'), { ...policy, amount: '50', version: 0 });
    expect([late.status, late.body.error.code, late.body.error.param]).toEqual([409, 'version_conflict', 'version']);
    expect((await api.get(at('auto-top-up'))).body).toMatchObject({ amount: '25.000000', version: 1 });
    expect((await api.put(at('auto-top-up'), { ...policy, amount: '50' })).body).toMatchObject({ version: 2 });
    const puts = Array.from({ length: 5 }, () => api.put(at('auto-top-up'), { ...policy, version: 2 }));
    expect((await Promise.all(puts)).map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
  });

  it('reads as charging at once when it is enabled below the threshold, and shows the attempt', async () => {
    await attach();
    const put = await api.put(at('auto-top-up'), policy);
    expect(put.body).toMatchObject({
      state: 'charging',
      lastAttempt: { amount: '25.000000', status: 'pending', failureCode: null },
    });
    const depositId = put.body.lastAttempt.deposit;
    const nowSecond = secondOf(Date.now());
    await api.world.ledger.failDeposit({ depositId, nowSecond, status: 'failed', failureCode: 'card_expired' }, 'test');
    const { body } = await api.get(at('auto-top-up'));
    expect(body).toMatchObject({
      enabled: false,
      state: 'off',
      disabledReason: 'card_expired',
      lastAttempt: { status: 'failed', failureCode: 'card_expired' },
    });
    expect(Date.parse(body.cooldownUntil) - Date.parse(body.lastAttempt.at)).toBe(300_000);
    const again = await api.put(at('auto-top-up'), policy);
    expect(again.body).toMatchObject({ enabled: true, state: 'cooling_down', disabledReason: null });
    const { data } = (await api.get(at('deposits'))).body;
    expect(data).toMatchObject([{ label: 'Auto Top-Up', status: 'failed', failureCode: 'card_expired' }]);
    expect(data[0].at).toBe(body.lastAttempt.at);
  });

  it('reads as charging, with nothing available, while a charge delays an exhaustion', async () => {
    await grant('10');
    await attach();
    const { body: started } = await api.post('/v1/instances', instanceOf(team, { hourly: '3600' }));
    await api.put(at('auto-top-up'), { ...policy, threshold: '5' });
    pass(30);
    expect((await api.get(at('auto-top-up'))).body.state).toBe('charging');
    expect((await api.get(at('balance'))).body).toMatchObject({ available: '0.000000', activeInstances: 1 });
    expect((await api.get(`/v1/instances/${started.id}`)).body).toMatchObject({ status: 'active', cost: '10.000000' });
    await grant('7');
    expect((await api.get(at('balance'))).body).toMatchObject({ available: '7.000000', activeInstances: 1 });
  });

  it('is recorded with its consent while the engine is unavailable', async () => {
    await grant('50');
    await attach();
    api.engine.away = true;
    const put = await api.put(at('auto-top-up'), policy);
    expect([put.status, put.body.enabled]).toEqual([200, true]);
    expect(await api.db.consent.count({ where: { teamId: team } })).toBe(1);
  });
});

describe('cards', () => {
  it('are listed, made the default and removed', async () => {
    const first = await attach();
    const second = await attach();
    expect(first).toMatchObject({ id: expect.stringMatching(/^pm_/), brand: 'visa', last4: '4242', isDefault: true });
    expect(second.isDefault).toBe(false);
    const made = await api.post(at(`payment-methods/${second.id}/default`));
    expect([made.status, made.body.isDefault]).toEqual([200, true]);
    const removed = await api.send('DELETE', at(`payment-methods/${second.id}`));
    expect([removed.status, removed.body]).toEqual([200, { id: second.id, deleted: true, usedByAutoTopUp: false }]);
    const { data } = (await api.get(at('payment-methods'))).body;
    expect(data).toMatchObject([{ id: first.id, isDefault: true }]);
    expect((await api.send('DELETE', at(`payment-methods/${second.id}`))).status).toBe(404);
  });

  it('that auto top-up charges cannot be removed until it is off', async () => {
    await grant('50');
    const card = await attach();
    await api.put(at('auto-top-up'), { enabled: true, threshold: '10', amount: '25' });
    const kept = await api.send('DELETE', at(`payment-methods/${card.id}`));
    expect([kept.status, kept.body.error.code]).toEqual([409, 'payment_method_in_use']);
    expect(kept.body.error.message).toMatch(/less than \$10\.00.*evenInUse=true/);
    await api.put(at('auto-top-up'), { enabled: false });
    expect((await api.send('DELETE', at(`payment-methods/${card.id}`))).status).toBe(200);
  });

  it('that auto top-up charges can be removed by force: the policy shows it, and its next charge fails safely', async () => {
    await grant('50');
    const card = await attach();
    await api.put(at('auto-top-up'), { enabled: true, threshold: '10', amount: '25' });
    const gone = await api.send('DELETE', at(`payment-methods/${card.id}?evenInUse=true`));
    expect(gone.body).toEqual({ id: card.id, deleted: true, usedByAutoTopUp: true });
    const policy = { enabled: true, state: 'watching', paymentMethod: null, paymentMethodMissing: true };
    expect((await api.get(at('auto-top-up'))).body).toMatchObject(policy);
    const other = await attach();
    const unused = await api.send('DELETE', at(`payment-methods/${other.id}?evenInUse=true`));
    expect(unused.body).toMatchObject({ usedByAutoTopUp: false });
    const misspelt = await api.send('DELETE', at(`payment-methods/${other.id}?evenInUse=yes`));
    expect([misspelt.status, misspelt.body.error.param]).toEqual([400, 'evenInUse']);
  });

  it('leave the default to the newest remaining card, and show their expiry', async () => {
    const first = await attach();
    pass(1);
    await attach();
    pass(1);
    const newest = await attach();
    await api.send('DELETE', at(`payment-methods/${first.id}`));
    const { data } = (await api.get(at('payment-methods'))).body;
    expect(data.map(({ id, isDefault }: { id: string; isDefault: boolean }) => [id, isDefault])[0]).toEqual([
      newest.id,
      true,
    ]);
    expect(data[0]).toMatchObject({
      brand: 'visa',
      last4: '4242',
      expMonth: 12,
      expYear: 2040,
      expired: false,
      expiresSoon: false,
    });
    const end = Date.parse('2041-01-01T00:00:00Z');
    api.clock.aheadMs = end - Date.now() - 60_000;
    expect((await api.get(at('payment-methods'))).body.data[0]).toMatchObject({ expired: false, expiresSoon: true });
    api.clock.aheadMs = end - Date.now() + 60_000;
    expect((await api.get(at('payment-methods'))).body.data[0]).toMatchObject({ expired: true, expiresSoon: false });
  });

  it('wake the watch when they are added and removed, because it announces their expiry', async () => {
    const card = await attach();
    expect(api.engine.sentWakes).toEqual([`watch ${team}`]);
    await api.post(at(`payment-methods/${card.id}/default`));
    await api.send('DELETE', at(`payment-methods/${card.id}`));
    expect(api.engine.sentWakes).toEqual([`watch ${team}`, `watch ${team}`, `watch ${team}`]);
  });

  it('that were removed do not prevent a switch-off of auto top-up', async () => {
    await grant('50');
    const card = await attach();
    await api.put(at('auto-top-up'), { enabled: true, threshold: '10', amount: '25' });
    await api.put(at('auto-top-up'), { enabled: false });
    await api.send('DELETE', at(`payment-methods/${card.id}`));
    const off = await api.put(at('auto-top-up'), { enabled: false });
    expect([off.status, off.body.state, off.body.paymentMethod]).toEqual([200, 'off', null]);
    const named = await api.put(at('auto-top-up'), { enabled: false, paymentMethod: card.id });
    expect([named.status, named.body.error.param]).toEqual([404, 'paymentMethod']);
  });

  it('are saved on a page when the request names none', async () => {
    expect((await api.post(at('payment-methods'), {})).body).toEqual({
      checkoutUrl: expect.stringContaining('https://'),
    });
  });
});

describe('deposits', () => {
  const pay = async (change: object = {}) =>
    api.post(at('deposits'), { amount: '20', method: 'card', paymentMethod: (await attach()).id, ...change });

  it('by a saved card answer the outcome', async () => {
    const paid = await pay();
    expect(paid.status).toBe(201);
    expect(paid.body).toMatchObject({ status: 'succeeded', amount: '20.000000', label: 'Deposit', method: 'card' });
    expect((await api.get(at(`deposits/${paid.body.id}`))).body).toEqual(paid.body);
    expect((await api.get(at('balance'))).body.available).toBe('20.000000');
  });

  it('that were credited have a receipt, numbered without a gap, and failed deposits take no number', async () => {
    const first = (await pay()).body;
    api.engine.charge = 'declines';
    const refused = (await pay()).body.error.deposit;
    api.engine.charge = 'succeeds';
    const second = (await pay()).body;
    expect([first.receiptNumber, second.receiptNumber]).toEqual([`${team}-000001`, `${team}-000002`]);
    expect(first.receiptUrl).toBe(`http://127.0.0.1${at(`deposits/${first.id}/receipt`)}`);

    const receipt = await api.get(at(`deposits/${first.id}/receipt`));
    expect(receipt.status).toBe(200);
    expect(receipt.headers.get('content-type')).toBe('application/pdf');
    expect(receipt.headers.get('content-disposition')).toBe(`attachment; filename=receipt-${team}-000001.pdf`);
    expect(receipt.text.slice(0, 5)).toBe('%PDF-');
    const none = await api.get(at(`deposits/${refused}/receipt`));
    expect([none.status, none.body.error.param]).toEqual([404, 'receipt']);
    expect((await api.get(at(`deposits/${refused}`))).body).toMatchObject({ receiptUrl: null, receiptNumber: null });
    const others = await teamWith(api);
    expect((await api.get(`/v1/teams/${others}/deposits/${first.id}/receipt`)).body.error.param).toBe('deposit');
  });

  it('that are declined answer 402, and are kept as failed rows', async () => {
    api.engine.charge = 'declines';
    const declined = await pay();
    expect(declined.status).toBe(402);
    const { error } = declined.body;
    expect(error).toMatchObject({
      code: 'card_declined',
      reason: 'insufficient_funds',
      message: expect.stringMatching(/funds/),
    });
    expect((await api.get(at(`deposits/${error.deposit}`))).body).toMatchObject({ status: 'failed' });
    expect((await api.get(at('balance'))).body.available).toBe('0.000000');
  });

  it('whose outcome takes longer are pending', async () => {
    api.engine.charge = 'waits';
    expect((await pay()).body).toMatchObject({ status: 'pending' });
  });

  it('without a saved card open a page', async () => {
    await attach();
    const opened = await api.post(at('deposits'), { amount: '20', method: 'card' });
    expect(opened.body).toMatchObject({ status: 'pending', checkoutUrl: expect.stringContaining('https://') });
  });

  it('save the card of their page on request, and refuse the request for a saved card', async () => {
    const card = await attach();
    const asked = await api.post(at('deposits'), {
      amount: '20',
      method: 'card',
      paymentMethod: card.id,
      saveCard: true,
    });
    expect([asked.status, asked.body.error.param]).toEqual([400, 'saveCard']);
    const opened = await api.post(at('deposits'), { amount: '20', method: 'card', saveCard: true });
    const row = await api.db.deposit.findUniqueOrThrow({ where: { id: opened.body.id } });
    expect([row.kind, row.saveCard]).toEqual(['checkout', true]);
  });

  it('are read at the provider when the payer returns from the page while they are open', async () => {
    const opened = await api.post(at('deposits'), { amount: '20', method: 'card' });
    const back = await api.get(`/return?deposit=${opened.body.id}`, { key: null });
    expect([back.status, back.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(api.engine.sentWakes).toEqual([`deposit ${opened.body.id}`]);
    await api.world.ledger.creditDeposit({ depositId: opened.body.id, nowSecond: 0, receiptUrl: null }, 'test');
    for (const query of [
      `deposit=${opened.body.id}`,
      'deposit=dep_nobodys',
      'deposit=%00',
      'deposit=a&deposit=b',
      'setup=x',
    ])
      expect((await api.get(`/return?${query}`, { key: null })).status).toBe(200);
    expect(api.engine.sentWakes).toHaveLength(1);
    api.engine.away = true;
    const other = await api.get(`/return?deposit=${opened.body.id}`, { key: null });
    expect(other.status).toBe(200);
  });

  it('that the engine does not accept are pending and left to the sweeper, and a repeat is the same deposit', async () => {
    api.engine.starting = 'unaccepted';
    const paymentMethod = (await attach()).id;
    const opened = await pay({ id: `kept-${team}`, paymentMethod });
    expect([opened.status, opened.body.status]).toEqual([201, 'pending']);
    const due = await dueDeposits(api.db, 2 ** 40, FROM_THE_FIRST, 1_000);
    expect(due.filter(({ teamId }) => teamId === team)).toMatchObject([{ depositId: `kept-${team}` }]);
    const again = await pay({ id: `kept-${team}`, paymentMethod });
    expect([again.status, again.body]).toEqual([201, opened.body]);
    expect((await api.get(at('deposits'))).body.data).toHaveLength(1);
  });

  it('of a team whose earlier deposit has waited more than ten seconds for its workflow are 503, and of another team are paid', async () => {
    const other = await teamWith(api);
    api.engine.starting = 'unseen';
    expect((await pay({ id: `waits-${team}` })).body.status).toBe('pending');
    api.engine.starting = 'seen';
    api.clock.aheadMs += 10_000;
    const refused = await pay();
    expect([refused.status, refused.body.error.code]).toEqual([503, 'engine_unavailable']);
    expect((await api.get(at('deposits'))).body.data).toHaveLength(1);
    expect((await api.post(`/v1/teams/${other}/deposits`, { amount: '20', method: 'card' })).status).toBe(201);
    await api.world.ledger.getDepositOrder({ depositId: `waits-${team}` });
    expect((await pay()).body.status).toBe('succeeded');
  });

  it('that the engine does not answer are 503 without a charge, and deposits that it received are answered', async () => {
    api.engine.away = true;
    expect((await pay()).status).toBe(503);
    api.engine.away = false;
    expect((await api.get(at('deposits'))).body.data).toEqual([]);
    api.engine.deaf = true;
    expect(await pay()).toMatchObject({ status: 201, body: { status: 'succeeded' } });
    expect((await api.get(at('balance'))).body.available).toBe('20.000000');
  });

  it('have their limits and suggested amounts', async () => {
    const { body } = await api.get('/v1/deposit-options');
    expect(body).toEqual({
      min: '15.000000',
      max: '5000.000000',
      presets: [
        { amount: '50.000000', recommended: false },
        { amount: '100.000000', recommended: true },
        { amount: '200.000000', recommended: false },
      ],
      methods: ['card'],
    });
  });
});

describe('the history of payments', () => {
  it('is one CSV file, in the order and with the amounts of the list', async () => {
    await attach();
    const { id: card } = (await api.get(at('payment-methods'))).body.data[0];
    for (const amount of ['20', '30.50'])
      await api.post(at('deposits'), { amount, method: 'card', paymentMethod: card });
    const csv = await api.get(at('deposits'), { headers: { Accept: 'text/csv' } });
    expect(csv.headers.get('content-disposition')).toContain(`deposits-${team}.csv`);
    const [header, ...rows] = csv.text.trim().split('\n');
    expect(header).toBe(
      'id,at (UTC),amount,method,card,label,status,refunded,deposit,receiptNumber,failureCode,openedAt (UTC),received,transactions,failureMessage',
    );
    expect(rows.map((row) => row.split(',').slice(2, 10).join())).toEqual([
      `30.500000,card,visa 4242,Deposit,succeeded,0.000000,,${team}-000002`,
      `20.000000,card,visa 4242,Deposit,succeeded,0.000000,,${team}-000001`,
    ]);
  });
});

describe('the changes of a policy', () => {
  const put = (body: object) => api.put(at('auto-top-up'), body);
  const changes = (query = '') => api.get(at(`auto-top-up/changes${query}`));

  it('are kept, newest first, each with actor, time, old and new values', async () => {
    const { id: card } = await attach();
    await grant('100');
    expect((await put({ enabled: true, threshold: '20', amount: '50', monthlyCap: '200' })).status).toBe(200);
    expect((await put({ enabled: false })).status).toBe(200);
    const on = {
      enabled: true,
      threshold: '20.000000',
      amount: '50.000000',
      paymentMethod: card,
      monthlyCap: '200.000000',
    };
    const { data } = (await changes()).body;
    expect(data).toMatchObject([
      { old: on, new: { ...on, enabled: false }, actor: 'platform' },
      { old: null, new: on, actor: 'platform' },
    ]);
    const first = (await changes('?limit=1')).body;
    const second = (await changes(`?limit=1&cursor=${first.nextCursor}`)).body;
    expect([...first.data, ...second.data]).toEqual(data);
    expect(second.nextCursor).toBeNull();
  });

  it('are hidden from other teams, and refuse a cursor of another list', async () => {
    expect((await api.get('/v1/teams/nobody/auto-top-up/changes')).status).toBe(404);
    expect(await changes('?cursor=bm9uZQ')).toMatchObject({ status: 400, body: { error: { param: 'cursor' } } });
  });
});

describe('transactions', () => {
  it('are one CSV file with signed amounts, however many there are', async () => {
    await grant('100');
    const { body } = await api.post('/v1/instances', instanceOf(team, { hourly: '36' }));
    pass(10);
    await api.post(`/v1/instances/${body.id}/stop`);
    const csv = await api.get(at('transactions'), { headers: { Accept: 'text/csv' } });
    expect(csv.status).toBe(200);
    expect(csv.headers.get('content-type')).toContain('text/csv');
    expect(csv.headers.get('content-disposition')).toContain(`transactions-${team}.csv`);
    const [header, ...rows] = csv.text.trim().split('\n');
    expect(header).toBe(
      'id,at (UTC),amount,account,code,status,reference,cause,instance,reservation,deposit,corrects,description,method,receiptNumber,model,project,balance',
    );
    expect(rows).toHaveLength(3);
    expect(rows.pop()).toMatch(/^total,,99\.\d{6},credit,/);
    expect(rows[0]).toMatch(/,-0\.\d{6},credit,instance_usage,posted,/);
    const json = await api.get(at('transactions'));
    expect(json.body.data.map((row: { id: string }) => row.id)).toEqual(rows.map((row) => row.split(',')[0]));
    const posted = json.body.data.reduce((sum: number, row: { amount: string }) => sum + Number(row.amount), 0);
    expect((await api.get(at('balance'))).body.posted).toBe(posted.toFixed(6));
  });
});
