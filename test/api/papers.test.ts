/** Tests receipts and billing details over HTTP: each payment has one receipt, which never changes. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyCopperxEvent } from '../../activities/copperx/events.ts';
import { DEFAULT_ISSUER } from '../../activities/papers/issuer.ts';
import { parseDollars } from '../../billing/money.ts';
import { textOf } from '../support/pdf.ts';
import { type CommandedApi, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
beforeAll(async () => {
  api = await startCommandedApi({
    verifyCopperxEvent: (raw, signature, nowMs) => verifyCopperxEvent(raw, signature, 'secret', nowMs),
  });
});
afterAll(() => api?.close());
beforeEach(async () => {
  api.world.issuer = DEFAULT_ISSUER;
  api.clock.aheadMs = 0;
  team = await teamWith(api);
});

const at = (path: string) => `/v1/teams/${team}/${path}`;

async function payByCard(amount = '20') {
  const { body: card } = await api.post(at('payment-methods'), { stripePaymentMethod: 'pm_card_visa' });
  return (await api.post(at('deposits'), { amount, method: 'card', paymentMethod: card.id })).body;
}

async function download(path: string): Promise<Buffer> {
  const response = await fetch(api.url + path, { headers: { Authorization: `Bearer ${api.world.platformKey}` } });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/pdf');
  return Buffer.from(await response.arrayBuffer());
}
const digest = (file: Buffer) => createHash('sha256').update(file).digest('hex');
const receiptOf = (deposit: string, number?: string) =>
  download(at(`deposits/${deposit}/receipt${number === undefined ? '' : `s/${number}`}`));
const depositNow = async (id: string) => (await api.get(at(`deposits/${id}`))).body;

const openCrypto = async () => (await api.post(at('deposits'), { amount: '100', method: 'crypto' })).body.id as string;
const credit = (depositId: string, nth: string, amount: string, nowSecond = Math.floor(Date.now() / 1000)) =>
  api.world.ledger.creditCrypto(
    {
      depositId,
      nowSecond,
      outputs: [
        {
          transactionHash: `0x${depositId}${nth}`,
          output: 0,
          chain: '8453',
          currency: 'usdc',
          amountMicros: parseDollars(amount),
        },
      ],
    },
    'test',
  );

const DETAILS = {
  company: 'Łódzkie Roboty Sp. z o.o.',
  address: 'ul. Piotrkowska 1\n90-001 Łódź',
  taxId: 'PL1234567890',
  reference: 'PO-7',
  email: 'ksiegowosc@roboty.example',
};

describe('a receipt', () => {
  it('is byte for byte the same after the name, the billing details, the issuer, the card and the deposit have changed', async () => {
    await api.put(at('billing-details'), DETAILS);
    const { id } = await payByCard();
    const first = await receiptOf(id);

    await api.send('PATCH', `/v1/teams/${team}`, { body: { name: 'Another name' } });
    await api.put(at('billing-details'), { ...DETAILS, company: 'Another company', address: null });
    api.world.issuer = { name: 'Another issuer', address: 'Elsewhere', taxId: '1', contact: 'x@y.example' };
    await api.db.deposit.update({ where: { id }, data: { cardBrand: 'amex', cardLast4: '0005', status: 'disputed' } });
    await api.post(`/v1/deposits/${id}/refund`, { amount: '5' });
    api.clock.aheadMs += 86_400_000;

    expect(digest(await receiptOf(id))).toBe(digest(first));
    expect(textOf(first)).toContain('Visa ending in 4242');
  });

  it('shows the team’s details at the time of the payment, even if it is first downloaded later', async () => {
    await api.send('PATCH', `/v1/teams/${team}`, { body: { name: 'Zażółć Łódź 株式会社' } });
    const before = await payByCard();
    await api.put(at('billing-details'), DETAILS);
    await api.send('PATCH', `/v1/teams/${team}`, { body: { name: 'Another name' } });
    const after = await payByCard();
    const [first, second] = [textOf(await receiptOf(before.id)), textOf(await receiptOf(after.id))];
    expect(first).toContain('Zażółć Łódź 株式会社');
    expect(first).not.toContain('Łódzkie Roboty');
    expect(second).toContain('Łódzkie Roboty Sp. z o.o.');
    expect(second).toContain('Tax ID PL1234567890');
    expect(second).toContain('Team Another name');
  });

  it('is one stored receipt for ten simultaneous requests', async () => {
    const { id } = await payByCard();
    const files = await Promise.all(
      Array.from({ length: 10 }, async (_, nth) => {
        api.world.issuer = { ...DEFAULT_ISSUER, name: `Issuer ${nth}` };
        return digest(await receiptOf(id));
      }),
    );
    expect(new Set(files).size).toBe(1);
  });

  it('of a payment from before receipts were stored is made at the first download, and then stored', async () => {
    const { id, receiptNumber } = await payByCard();
    await api.owner.$executeRaw`ALTER TABLE papers DISABLE TRIGGER ALL`;
    await api.owner.paper.deleteMany({ where: { number: receiptNumber } });
    await api.owner.$executeRaw`ALTER TABLE papers ENABLE TRIGGER ALL`;
    const first = await receiptOf(id);
    await api.send('PATCH', `/v1/teams/${team}`, { body: { name: 'Another name' } });
    expect(digest(await receiptOf(id))).toBe(digest(first));
  });

  it('cannot be changed or deleted in the database', async () => {
    const { id, receiptNumber } = await payByCard();
    await receiptOf(id);
    const paperId = `receipt/${receiptNumber}`;
    const content = new Uint8Array([1]);
    await expect(api.owner.paperFile.updateMany({ where: { paperId }, data: { content } })).rejects.toThrow(
      /never changed/,
    );
    await expect(api.owner.paperFile.deleteMany({ where: { paperId } })).rejects.toThrow(/never changed/);
    await expect(api.owner.paper.deleteMany({ where: { id: paperId } })).rejects.toThrow(/never changed/);
  });

  it('does not exist for an unpaid deposit, under another deposit, or for another team', async () => {
    const paid = await payByCard();
    const open = await openCrypto();
    const none = await api.get(at(`deposits/${open}/receipt`));
    expect([none.status, none.body.error.param]).toEqual([404, 'receipt']);
    expect((await api.get(at(`deposits/${open}/receipts`))).body).toEqual({ data: [] });
    const wrong = await api.get(at(`deposits/${open}/receipts/${paid.receiptNumber}`));
    expect([wrong.status, wrong.body.error.param]).toEqual([404, 'receipt']);
    const key = await keyFor(api, await teamWith(api), ['read']);
    expect((await api.get(at(`deposits/${paid.id}/receipts`), { key })).status).toBe(404);
    expect((await api.get(at(`deposits/${paid.id}/receipts/${paid.receiptNumber}`), { key })).status).toBe(404);
  });
});

describe('crypto that is paid in parts', () => {
  it('has a receipt for each part, with its own number, amount, coin and transaction', async () => {
    const id = await openCrypto();
    await credit(id, 'a', '60.50');
    const partly = await depositNow(id);
    expect(partly).toMatchObject({
      status: 'pending',
      receiptNumber: `${team}-000001`,
      receiptUrl: `http://127.0.0.1${at(`deposits/${id}/receipt`)}`,
      transactions: [
        {
          amount: '60.500000',
          receiptNumber: `${team}-000001`,
          receiptUrl: `http://127.0.0.1${at(`deposits/${id}/receipts/${team}-000001`)}`,
        },
      ],
    });
    const first = await receiptOf(id);
    for (const said of ['USD 60.50', '60.50 USDC', `0x${id}a`, '$100.00', '$60.50, as of this payment'])
      expect(textOf(first)).toContain(said);
    expect(textOf(first)).not.toContain('39.50');

    await credit(id, 'b', '39.50');
    const listed = (await api.get(at(`deposits/${id}/receipts`))).body.data;
    expect(listed).toMatchObject([
      { number: `${team}-000001`, amount: '60.500000', transactions: [{ hash: `0x${id}a`, currency: 'usdc' }] },
      { number: `${team}-000002`, amount: '39.500000', transactions: [{ hash: `0x${id}b` }] },
    ]);
    const second = textOf(await download(new URL(listed[1].url).pathname));
    for (const said of [
      `${team}-000002`,
      'USD 39.50',
      '39.50 USDC',
      `0x${id}b`,
      '$60.50',
      '$100.00, as of this payment',
    ])
      expect(second).toContain(said);
    expect(digest(await receiptOf(id))).toBe(digest(first));
    expect(digest(await receiptOf(id, `${team}-000001`))).toBe(digest(first));
    expect((await depositNow(id)).receiptNumber).toBe(`${team}-000001`);
  });

  it('keeps each earlier receipt when a late or excess part arrives', async () => {
    const id = await openCrypto();
    await credit(id, 'a', '100');
    const first = digest(await receiptOf(id));
    await api.world.ledger.expireCrypto({ depositId: id, nowSecond: Math.floor(Date.now() / 1000) }, 'test');
    await credit(id, 'b', '0.123456');
    const { data } = (await api.get(at(`deposits/${id}/receipts`))).body;
    expect(data.map((receipt: { number: string }) => receipt.number)).toEqual([`${team}-000001`, `${team}-000002`]);
    expect(textOf(await receiptOf(id, `${team}-000002`))).toContain('USD 0.123456');
    expect(digest(await receiptOf(id))).toBe(first);
  });

  it('shares the number sequence of cards, without a gap or a second number for a repeated report', async () => {
    const id = await openCrypto();
    await credit(id, 'a', '60');
    const card = await payByCard();
    await credit(id, 'a', '60');
    await credit(id, 'b', '40');
    const numbers = (await depositNow(id)).transactions.map((part: { receiptNumber: string }) => part.receiptNumber);
    expect([numbers[0], card.receiptNumber, numbers[1]]).toEqual([1, 2, 3].map((nth) => `${team}-00000${nth}`));
  });

  it('from before each part had its receipt keeps the receipt of the deposit', async () => {
    const id = await openCrypto();
    await credit(id, 'a', '60');
    await credit(id, 'b', '40');
    await api.owner.cryptoReceipt.updateMany({
      where: { depositId: id },
      data: { receiptNumber: null, totalMicros: null },
    });
    const { data } = (await api.get(at(`deposits/${id}/receipts`))).body;
    expect(data).toMatchObject([{ number: `${team}-000001`, amount: '100.000000' }]);
    expect(data[0].transactions).toHaveLength(2);
    await credit(id, 'c', '5');
    expect((await api.get(at(`deposits/${id}/receipts`))).body.data).toMatchObject([
      { amount: '100.000000' },
      { amount: '5.000000' },
    ]);
  });
});

describe('billing details', () => {
  const NONE = { company: null, address: null, taxId: null, reference: null, email: null };

  it('are empty at first, and are answered as they were set', async () => {
    expect((await api.get(at('billing-details'))).body).toEqual({ ...NONE, version: 0 });
    const set = await api.put(at('billing-details'), DETAILS);
    expect([set.status, set.body]).toEqual([200, { ...DETAILS, version: 1 }]);
    expect((await api.get(at('billing-details'))).body).toEqual(set.body);
  });

  it('lose a field that is missing, null or blank, and are trimmed', async () => {
    await api.put(at('billing-details'), DETAILS);
    const { body } = await api.put(at('billing-details'), {
      company: '  Acme  ',
      address: ' 1 Main St \r\n\r\n Springfield ',
      taxId: ' ',
      reference: null,
    });
    expect(body).toEqual({ ...NONE, company: 'Acme', address: '1 Main St\nSpringfield', version: 2 });
  });

  it('refuse a change of an outdated version, and accept the last writer without a version', async () => {
    await api.put(at('billing-details'), DETAILS);
    expect((await api.put(at('billing-details'), { ...DETAILS, taxId: 'A', version: 1 })).body.version).toBe(2);
    const late = await api.put(at('billing-details'), { ...DETAILS, taxId: 'B', version: 1 });
    expect([late.status, late.body.error.code, late.body.error.param]).toEqual([409, 'version_conflict', 'version']);
    expect((await api.get(at('billing-details'))).body.taxId).toBe('A');
    expect((await api.put(at('billing-details'), { ...DETAILS, taxId: 'B' })).body).toMatchObject({
      taxId: 'B',
      version: 3,
    });
  });

  it('accept one of ten writers of the same version', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, nth) => api.put(at('billing-details'), { taxId: `T${nth}`, version: 0 })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)]);
    expect((await api.get(at('billing-details'))).body.version).toBe(1);
  });

  it('keep every change with actor and time, newest first, and equal details are no change', async () => {
    const key = await keyFor(api, team, ['billing']);
    await api.put(at('billing-details'), DETAILS, { key });
    await api.put(at('billing-details'), DETAILS);
    await api.put(at('billing-details'), { ...DETAILS, taxId: null });
    const { data } = (await api.get(at('billing-details/changes'))).body;
    expect(data).toMatchObject([
      { version: 2, taxId: null, actor: 'platform', at: expect.stringMatching(/Z$/) },
      { version: 1, taxId: 'PL1234567890', actor: expect.stringMatching(/^key_/) },
    ]);
    const first = (await api.get(at('billing-details/changes?limit=1'))).body;
    const second = (await api.get(at(`billing-details/changes?limit=1&cursor=${first.nextCursor}`))).body;
    expect([first.data[0].version, second.data[0].version, second.nextCursor]).toEqual([2, 1, null]);
    await expect(api.owner.billingDetails.deleteMany({ where: { teamId: team } })).rejects.toThrow(/never changed/);
  });

  it.each([
    [{ company: 'x'.repeat(151) }, 'company'],
    [{ company: 'Acme\u0007' }, 'company'],
    [{ company: 7 }, 'company'],
    [{ address: `a${'\nb'.repeat(8)}` }, 'address'],
    [{ address: 'x'.repeat(301) }, 'address'],
    [{ address: 'Main St\u0000' }, 'address'],
    [{ taxId: 'DE\n123' }, 'taxId'],
    [{ reference: 'x'.repeat(61) }, 'reference'],
    [{ email: 'not an address' }, 'email'],
    [{ email: 'a@b.example, c@d.example' }, 'email'],
    [{ version: '1' }, 'version'],
    [{ version: -1 }, 'version'],
    [{ vatId: 'DE1' }, 'vatId'],
  ])('refuse %j and name the field', async (body, param) => {
    const { status, body: answer } = await api.put(at('billing-details'), body);
    expect([status, answer.error.code, answer.error.param]).toEqual([400, 'invalid_request', param]);
    expect((await api.get(at('billing-details'))).body.version).toBe(0);
  });

  it('are read with the scope read, changed with billing, and hidden from another team', async () => {
    const [reader, writer] = [await keyFor(api, team, ['read']), await keyFor(api, team, ['billing'])];
    expect((await api.get(at('billing-details'), { key: reader })).status).toBe(200);
    expect((await api.put(at('billing-details'), DETAILS, { key: reader })).status).toBe(403);
    expect((await api.put(at('billing-details'), DETAILS, { key: writer })).status).toBe(200);
    const stranger = await keyFor(api, await teamWith(api), ['billing']);
    expect((await api.get(at('billing-details'), { key: stranger })).status).toBe(404);
    expect((await api.put(at('billing-details'), DETAILS, { key: stranger })).status).toBe(404);
    expect((await api.get(at('billing-details'), { key: null })).status).toBe(401);
  });
});
