/** Tests the return from a payment page: a redirect to the given address, or a page with the outcome of the payment. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { returnUrlFault } from '../../api/http/return-url.ts';
import { type CommandedApi, commandedCards, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
/** What the next look at a page for saving a card finds. */
let savedCard: string | null = null;

beforeAll(async () => {
  api = await startCommandedApi({ verifyCopperxEvent: () => ({}) as never });
  const cards = commandedCards(api.db);
  Object.assign(api.world.cards, {
    adoptFromSetup: (input: Parameters<typeof cards.adoptFromSetup>[0]) =>
      savedCard === null
        ? null
        : cards.attach({ ...input, teamId: team, stripePaymentMethod: savedCard, newId: savedCard }),
  });
});
beforeEach(async () => {
  savedCard = null;
  Object.assign(api.engine, { away: false, sentWakes: [] });
  team = await teamWith(api);
});
afterAll(() => api.close());

const pay = (change: object = {}) =>
  api.post(`/v1/teams/${team}/deposits`, { amount: '20', method: 'card', ...change });
const now = () => Math.floor(Date.now() / 1000);
const credit = (depositId: string) =>
  api.world.ledger.creditDeposit({ depositId, nowSecond: now(), receiptUrl: null }, 'test');
const fail = (depositId: string, status: 'failed' | 'expired') =>
  api.world.ledger.failDeposit({ depositId, nowSecond: now(), status, failureCode: 'expired' }, 'test');

async function back(
  query: string,
): Promise<{ status: number; location: string | null; text: string; headers: Headers }> {
  const response = await fetch(`${api.url}/return?${query}`, { redirect: 'manual' });
  const { status, headers } = response;
  return { status, headers, location: headers.get('location'), text: await response.text() };
}
const titleOf = ({ text }: { text: string }) => /<h1>(.*)<\/h1>/.exec(text)?.[1];

describe('the page after a payment', () => {
  it('shows the recorded outcome of the deposit, without thanks', async () => {
    const states: Array<[string, (id: string) => Promise<unknown>, string]> = [
      ['card', credit, 'Payment received'],
      ['card', (id) => fail(id, 'failed'), 'The payment was not made'],
      ['card', (id) => fail(id, 'expired'), 'The payment page has expired'],
      ['crypto', (id) => fail(id, 'expired'), 'The payment page has expired'],
    ];
    for (const [method, becomes, title] of states) {
      const { id } = (await pay({ method })).body;
      await becomes(id);
      const page = await back(`deposit=${id}`);
      expect([page.status, titleOf(page)]).toEqual([200, title]);
      expect(page.text).not.toMatch(/thank|stripe/i);
      expect(page.text).not.toContain('http-equiv="refresh"');
    }
  });

  it('refreshes itself while the outcome is open, for a limited time', async () => {
    const { id } = (await pay({ method: 'crypto' })).body;
    api.engine.away = true;
    const first = await back(`deposit=${id}`);
    expect(titleOf(first)).toBe('Payment not confirmed yet');
    expect(first.text).toContain(`content="2; url=/return?deposit=${id}&#38;look=1"`);
    expect(first.text).not.toMatch(/thank|stripe|<script/i);
    expect(first.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect((await back(`deposit=${id}&look=1`)).text).toContain('content="3; ');
    expect((await back(`deposit=${id}&look=20`)).text).toContain('content="30; ');
    for (const look of ['34', '999', '-1', 'x', '99999']) {
      const { text } = await back(`deposit=${id}&look=${look}`);
      expect(text.includes('http-equiv="refresh"')).toBe(!['34', '999'].includes(look));
      expect(text).toContain(['34', '999'].includes(look) ? 'Reload this page' : 'This page looks again');
    }
  });

  it('waits a moment for the provider, so that it shows a paid deposit at once', async () => {
    const { id } = (await pay()).body;
    const looking = back(`deposit=${id}`);
    await expect.poll(() => api.engine.sentWakes).toContain(`deposit ${id}`);
    await credit(id);
    // On a machine that is busy the moment may be over: then the page's own next look finds it.
    expect(['Payment received', 'Payment not confirmed yet']).toContain(titleOf(await looking));
    expect(titleOf(await back(`deposit=${id}`))).toBe('Payment received');
  });

  it('shows a stranger no amount, team, card or auto top-up', async () => {
    const { id } = (await pay()).body;
    await credit(id);
    const { text } = await back(`deposit=${id}`);
    for (const secret of ['20', team, 'visa', '4242', id]) expect(text).not.toContain(secret);
    for (const unknown of ['dep_nobodys', `dep_${team}_top_up_1`, '%00', "'><script>"])
      expect(titleOf(await back(`deposit=${unknown}`))).toBe('No such payment');
  });
});

describe('a returnUrl', () => {
  it('of a deposit receives the payer, with the known outcome of the deposit', async () => {
    const returnUrl = 'https://app.example/billing?tab=credit';
    const { body } = await pay({ returnUrl });
    expect(body.returnUrl).toBe(returnUrl);
    expect((await api.get(`/v1/teams/${team}/deposits/${body.id}`)).body.returnUrl).toBe(returnUrl);
    api.engine.away = true;
    const open = await back(`deposit=${body.id}`);
    expect([open.status, open.location]).toEqual([303, `${returnUrl}&deposit=${body.id}&status=pending`]);
    await credit(body.id);
    expect((await back(`deposit=${body.id}`)).location).toBe(`${returnUrl}&deposit=${body.id}&status=succeeded`);
  });

  it('of a page for saving a card receives the person, with or without a card', async () => {
    const returnUrl = 'https://app.example/cards';
    const { body } = await api.post(`/v1/teams/${team}/payment-methods`, { returnUrl });
    const to = new URL(body.checkoutUrl).searchParams.get('to');
    expect((await back(`setup=left&to=${to}`)).location).toBe(`${returnUrl}?setup=not_saved`);
    expect((await back(`setup=cs_1&to=${to}`)).location).toBe(`${returnUrl}?setup=not_yet`);
    savedCard = `pm_${team}`;
    expect((await back(`setup=cs_1&to=${to}`)).location).toBe(`${returnUrl}?setup=saved&paymentMethod=${savedCard}`);
  });

  it('redirects only to an address that a call has given', async () => {
    for (const query of [
      'setup=left&to=https://evil.example',
      'setup=left&to=//evil.example',
      `setup=left&to=${'0'.repeat(64)}`,
      'setup=left&to=a&to=b',
      'to=https://evil.example',
      'deposit=dep_nobodys&returnUrl=https://evil.example',
    ]) {
      const { status, location } = await back(query);
      expect([query, status, location]).toEqual([query, 200, null]);
    }
    expect(titleOf(await back('setup=left'))).toBe('No card was saved');
    expect(titleOf(await back(''))).toBe('You are back');
    savedCard = `pm_${team}`;
    expect(titleOf(await back('setup=cs_1'))).toBe('Your card is saved');
  });

  it.each<[string, unknown]>([
    ['another scheme', 'javascript:alert(1)'],
    ['data', 'data:text/html,x'],
    ['http on another machine', 'http://app.example/'],
    ['a path only', '/billing'],
    ['no scheme', '//app.example/'],
    ['a name and a password', 'https://app.example:x@evil.example/'],
    ['a backslash', 'https://app.example\\@evil.example'],
    ['a line break', 'https://app.example/\nLocation: x'],
    ['a loopback name in front', 'http://localhost.evil.example/'],
    ['too many characters', `https://app.example/${'x'.repeat(2000)}`],
    ['a number', 1],
    ['nothing', ''],
  ])('with %s is refused by name', async (_, returnUrl) => {
    for (const answer of [await pay({ returnUrl }), await api.post(`/v1/teams/${team}/payment-methods`, { returnUrl })])
      expect([answer.status, answer.body.error.param]).toEqual([400, 'returnUrl']);
  });

  it('is refused when there is no page', async () => {
    const attached = { stripePaymentMethod: 'pm_x', returnUrl: 'https://app.example/' };
    expect((await api.post(`/v1/teams/${team}/payment-methods`, attached)).body.error.param).toBe('returnUrl');
    const card = (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_x' })).body.id;
    const saved = await pay({ paymentMethod: card, returnUrl: 'https://app.example/' });
    expect(saved.body.error.param).toBe('returnUrl');
  });

  it('on localhost may be http, and has one of the configured origins if there are any', () => {
    const anywhere = { returnUrlOrigins: null, publicUrl: 'https://billing.example' };
    for (const address of ['http://localhost:3000/x', 'http://127.0.0.1:9/', 'http://[::1]/', 'https://any.example/'])
      expect([address, returnUrlFault(address, anywhere)]).toEqual([address, null]);
    const listed = { ...anywhere, returnUrlOrigins: ['https://app.example', 'http://10.0.0.5:8080'] };
    for (const address of ['https://app.example/x', 'http://10.0.0.5:8080/', 'https://billing.example/x'])
      expect([address, returnUrlFault(address, listed)]).toEqual([address, null]);
    for (const address of ['https://app.example.evil.example/', 'https://app.example:444/', 'http://localhost:3000/x'])
      expect(returnUrlFault(address, listed)).toContain('RETURN_URL_ORIGINS');
  });
});
