/**
 * Tests the whole product through its public interfaces, with real processes, real time, and working or faulty
 * neighbours.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleAndAudit } from './books.ts';
import { mustBe, type ProductUnderTest, secondsOf, startProductUnderTest, type Team, until } from './support.ts';

const STORY_MS = 150_000;
const COOLDOWN_SECONDS = 5;
/** Long enough for a charge to come in time on a machine that has much else to do. */
const GRACE_SECONDS = 30;
/** $2.50 a second. */
const FAST = '9000';

let product: ProductUnderTest;

beforeAll(async () => {
  product = await startProductUnderTest({
    TOP_UP_COOLDOWN: `${COOLDOWN_SECONDS}s`,
    TOP_UP_GRACE: `${GRACE_SECONDS}s`,
    SETTLE_EVERY: '4s',
  });
});
afterAll(() => product?.stop());

const mailTo = (team: Team, subject: string) =>
  product.inbox.waitFor((mail) => mail.to.includes(team.email) && mail.subject.startsWith(subject), 120_000);

/** The team as Stripe knows it. */
function customerOf(team: Team): string {
  const customer = product.stripe.customers().find(({ email }) => email === team.email);
  if (!customer) throw new Error(`Stripe does not know ${team.id}`);
  return customer.id;
}

describe.concurrent('The whole product, with working and faulty neighbours', () => {
  it('A team pays in, runs three machines, is topped up, is declined, and is notified when its credit ends', {
    timeout: STORY_MS,
  }, async () => {
    const { api, stripe, platform } = product;
    const team = await api.newTeam();
    stripe.cards.decline({ customer: customerOf(team), after: 2, declineCode: 'insufficient_funds' });

    await api.deposit(team, '15.00');
    expect(await api.read(`${team.path}/balance`)).toMatchObject({ available: '15.000000', runsOutAt: null });
    expect(mustBe(200, await api.topUp(team))).toMatchObject({ enabled: true, state: 'watching' });

    const machines = [`${team.id}-a`, `${team.id}-b`, `${team.id}-c`];
    const rates = ['2000.37', '1400.000011', '1003.5'];
    for (const [index, id] of machines.entries()) {
      const started = mustBe(201, await api.insist(() => api.start(team, id, rates[index] ?? '')));
      expect(started).toMatchObject({ id, team: team.id, status: 'active', reason: null });
    }
    expect(await api.read(`${team.path}/balance`)).toMatchObject({ burnPerHour: '4403.870011', activeInstances: 3 });

    await mailTo(team, 'Auto top-up charged $15');
    expect((await mailTo(team, 'Auto top-up failed and is now off')).text).toContain('does not have enough funds');
    const end = await mailTo(team, 'Credit used up');
    for (const id of machines) {
      expect(end.text).toContain(id);
      await platform.waitFor(({ type, data }) => type === 'instance.terminate' && data.id === id, 120_000);
    }

    const ended = await Promise.all(machines.map((id) => api.read(`/v1/instances/${id}`)));
    for (const instance of ended) {
      expect(instance).toMatchObject({ status: 'terminated', reason: 'out_of_credits', endedAt: ended[0].endedAt });
      const receipt = mustBe(200, await api.stop(instance.id));
      expect(mustBe(200, await api.stop(instance.id))).toEqual(receipt);
    }
    expect(mustBe(402, await api.start(team, `${team.id}-d`, '1')).error.code).toBe('insufficient_credit');
    expect(await api.read(`${team.path}/auto-top-up`)).toMatchObject({
      enabled: false,
      state: 'off',
      disabledReason: 'insufficient_funds',
    });
    const { data: deposits } = await api.read(`${team.path}/deposits`);
    expect(deposits.map(({ label, status }: Record<string, string>) => `${label} ${status}`)).toEqual([
      'Auto Top-Up failed',
      'Auto Top-Up succeeded',
      'Deposit succeeded',
    ]);
    await settleAndAudit(product, [team]);
  });

  it('A payment is credited once when its webhooks are lost, doubled, late, or sent again', {
    timeout: STORY_MS,
  }, async () => {
    const { api, stripe } = product;
    const { webhooks } = stripe;
    const team = await api.newTeam();
    const openPage = async (amount: string): Promise<string> => {
      const page = () => api.post(`${team.path}/deposits`, { amount, method: 'card' });
      const { id } = mustBe(201, await api.insist(page));
      const hasPage = () => stripe.checkoutSessions().some((session) => session.client_reference_id === id);
      await until('the page is open', hasPage);
      return id;
    };
    const pay = (deposit: string) => {
      const page = stripe.checkoutSessions().find((session) => session.client_reference_id === deposit);
      stripe.submitCheckout(page?.id ?? '');
    };
    const credited = (deposit: string) => async () =>
      (await api.read(`${team.path}/deposits/${deposit}`)).status === 'succeeded';

    const [lost, doubled, late] = [await openPage('15.00'), await openPage('16.00'), await openPage('17.00')];
    // A payment's events go out while it is made, so what is scripted around it meets no other team's.
    webhooks.lose(100);
    pay(lost);
    webhooks.reset();
    webhooks.duplicate(100, '*', 3);
    pay(doubled);
    webhooks.reset();
    webhooks.delay(3_000, 100);
    pay(late);
    webhooks.reset();

    await until('the doubled payment is credited', credited(doubled));
    for (const event of stripe.events()) if (JSON.stringify(event).includes(doubled)) void stripe.resendEvent(event.id);
    await until('the late payment is credited', credited(late));
    await until('the payment that nobody told of is credited', credited(lost));
    await webhooks.settled();
    expect(await api.read(`${team.path}/balance`)).toMatchObject({ available: '48.000000' });
    await settleAndAudit(product, [team]);
  });

  it('Of twenty simultaneous starts against $3, the starts of the first second are admitted, and no more than $3 is spent', {
    timeout: STORY_MS,
  }, async () => {
    const { api } = product;
    const team = await api.newTeam();
    mustBe(201, await api.post(`${team.path}/grants`, { amount: '3.00', note: 'to try with' }));

    const ids = Array.from({ length: 20 }, (_, index) => `${team.id}-${index}`);
    const answers = await Promise.all(ids.map((id) => api.insist(() => api.start(team, id, '720'))));

    const admitted = answers.filter(({ status }) => status === 201).map(({ body }) => body);
    const refused = answers.filter(({ status }) => status === 402);
    expect(admitted.length).toBeGreaterThan(0);
    expect(admitted.length + refused.length).toBe(ids.length);
    // A second later the first of them has used some of the $3.
    expect(new Set(admitted.map(({ startedAt }) => startedAt)).size).toBe(1);
    for (const { id } of admitted)
      await until(`${id} has ended`, async () => (await api.read(`/v1/instances/${id}`)).status === 'terminated');
    await settleAndAudit(product, [team]);
  });

  it('A charge in flight at the end of credit delays the end, for the grace at the longest', {
    timeout: STORY_MS,
  }, async () => {
    const { api, stripe } = product;
    const slow = stripe.faults.add({
      on: 'POST /v1/payment_intents/:id/confirm',
      kind: 'slow',
      ms: 5_000,
      times: 'always',
      where: { off_session: 'true' },
    });
    const machine = (team: Team, which: 'a' | 'b') => `${team.id}-${which}`;
    /** A team whose credit ends a second after its card begins to be charged, and that second. */
    const given = async (charge: 'is slow' | 'is left with the bank') => {
      const team = await api.newTeam();
      await api.deposit(team, '15.00');
      if (charge === 'is left with the bank') stripe.cards.leaveProcessing({ customer: customerOf(team) });
      mustBe(200, await api.topUp(team, { enabled: true, threshold: '5.00', amount: '200.00' }));
      for (const which of ['a', 'b'] as const)
        mustBe(201, await api.insist(() => api.start(team, machine(team, which), '4500.01')));
      return { team, endOfCredit: secondsOf((await api.read(`${team.path}/balance`)).runsOutAt) };
    };
    const isOpen = async (team: Team, endOfCredit: number) => {
      const balance = await api.read(`${team.path}/balance`);
      return secondsOf(balance.asOf) > endOfCredit && balance.available === '0.000000';
    };
    const succeed = async (team: Team) => {
      const waiting = () =>
        stripe.paymentIntents().find(({ metadata, status }) => metadata.team === team.id && status === 'processing');
      await until(`the charge of ${team.id} is with the bank`, () => waiting() !== undefined);
      stripe.settlePayment(waiting()?.id ?? '', 'succeeded');
    };
    const topUp = async (team: Team) =>
      (await api.read(`${team.path}/deposits`)).data.find(({ label }: { label: string }) => label === 'Auto Top-Up');
    const charged = (team: Team) =>
      until(`${team.id} is charged`, async () => (await topUp(team))?.status === 'succeeded');

    const inTime = async () => {
      const { team, endOfCredit } = await given('is slow');
      await until('the end of credit is open', () => isOpen(team, endOfCredit));
      expect(await api.read(`${team.path}/auto-top-up`)).toMatchObject({ state: 'charging', enabled: true });
      await charged(team);
      for (const which of ['a', 'b'] as const)
        expect(await api.read(`/v1/instances/${machine(team, which)}`)).toMatchObject({ status: 'active' });
      return team;
    };
    const stoppedMeanwhile = async () => {
      const { team, endOfCredit } = await given('is left with the bank');
      await until('the end of credit is open', () => isOpen(team, endOfCredit));
      expect(await api.read(`${team.path}/auto-top-up`)).toMatchObject({ state: 'charging' });
      const [refused, stopped] = await Promise.all([
        api.start(team, `${team.id}-c`, '1'),
        api.stop(machine(team, 'a')),
      ]);
      expect(mustBe(402, refused).error.code).toBe('insufficient_credit');
      expect(secondsOf(mustBe(200, stopped).endedAt)).toBe(endOfCredit);
      await succeed(team);
      await charged(team);
      expect(await api.read(`/v1/instances/${machine(team, 'b')}`)).toMatchObject({ status: 'active' });
      return team;
    };
    const tooLate = async () => {
      const { team, endOfCredit } = await given('is left with the bank');
      await mailTo(team, 'Credit used up');
      for (const which of ['a', 'b'] as const) {
        const ended = await api.read(`/v1/instances/${machine(team, which)}`);
        expect(ended).toMatchObject({ status: 'terminated', reason: 'out_of_credits' });
        expect(secondsOf(ended.endedAt)).toBe(endOfCredit);
      }
      await succeed(team);
      await charged(team);
      expect(secondsOf((await topUp(team)).at)).toBeGreaterThan(endOfCredit + GRACE_SECONDS);
      expect((await api.read(`${team.path}/balance`)).available).toMatch(/^20\d\./);
      return team;
    };
    const teams = await Promise.all([
      inTime().finally(() => stripe.faults.remove(slow)),
      stoppedMeanwhile(),
      tooLate(),
    ]);
    await settleAndAudit(product, teams);
  });

  it('Billing ends at its second while the platform is unavailable, and the machine is stopped when the platform returns', {
    timeout: STORY_MS,
  }, async () => {
    const { api, platform, sql } = product;
    const team = await api.newTeam();
    await api.deposit(team, '15.00');
    await platform.setMode('gone');
    const id = `${team.id}-a`;
    mustBe(201, await api.insist(() => api.start(team, id, FAST)));
    const { runsOutAt } = await api.read(`${team.path}/balance`);

    await mailTo(team, 'Credit used up');
    expect(await api.read(`/v1/instances/${id}`)).toMatchObject({ endedAt: runsOutAt, seconds: 6, cost: '15.000000' });
    const confirmed = async () =>
      (
        await sql<{ confirmed: bigint | null }>(
          'SELECT terminated_confirmed_second AS confirmed FROM instances WHERE id = $1',
          [id],
        )
      )[0]?.confirmed ?? null;
    expect(await confirmed()).toBeNull();

    const ordersFor = () =>
      platform.events().filter(({ type, data }) => type === 'instance.terminate' && data.id === id);
    await platform.setMode('fail');
    await until('the platform fails at it', () => ordersFor().length > 0);
    expect(ordersFor().every(({ ok }) => !ok)).toBe(true);
    await platform.setMode('ok');
    await until('the end of the machine is confirmed', async () => (await confirmed()) !== null);
    expect(ordersFor().at(-1)).toMatchObject({ ok: true, data: { endedAt: runsOutAt, cost: '15.000000' } });
    await settleAndAudit(product, [team]);
  });

  it('A policy that is switched on again stays on when the delayed mail about its failure arrives', {
    timeout: STORY_MS,
  }, async () => {
    const { api, inbox, sql } = product;
    const team = await api.newTeam('pm_card_chargeCustomerFail');
    mustBe(201, await api.post(`${team.path}/grants`, { amount: '15.00', note: 'to begin with' }));
    inbox.refuse('4xx');
    const policy = { enabled: true, threshold: '20.00', amount: '15.00' };
    mustBe(200, await api.topUp(team, policy));
    const topUp = () => api.read(`${team.path}/auto-top-up`);
    await until('the policy went off', async () => (await topUp()).state === 'off');
    expect(await topUp()).toMatchObject({ enabled: false, disabledReason: 'declined' });

    const card = mustBe(201, await api.post(`${team.path}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' }));
    expect(mustBe(200, await api.topUp(team, { ...policy, paymentMethod: card.id }))).toMatchObject({
      enabled: true,
      disabledReason: null,
    });
    const charged = async () => (await api.read(`${team.path}/balance`)).available === '30.000000';
    await until('the other card is charged after the cooldown', charged);
    expect(inbox.messages().filter(({ to }) => to.includes(team.email))).toEqual([]);

    inbox.refuse(null);
    await mailTo(team, 'Auto top-up failed and is now off');
    await mailTo(team, 'Auto top-up charged $15');
    expect(await topUp()).toMatchObject({ enabled: true, disabledReason: null });
    const attempts = await sql<{ opened_second: bigint; status: string }>(
      'SELECT opened_second, status FROM deposits WHERE team_id = $1 ORDER BY attempt',
      [team.id],
    );
    expect(attempts.map(({ status }) => status)).toEqual(['failed', 'succeeded']);
    const [first, second] = attempts.map(({ opened_second }) => Number(opened_second));
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(COOLDOWN_SECONDS);
    const consents = await sql<{ on: boolean }>(
      `SELECT (new_policy->>'enabled')::boolean AS on FROM consents WHERE team_id = $1 ORDER BY second, id`,
      [team.id],
    );
    expect(consents.map(({ on }) => on)).toEqual([true, false, true]);
    await settleAndAudit(product, [team]);
  });
});
