/** Tests the PDF of a receipt: its content, format and properties. */
import { describe, expect, it, vi } from 'vitest';
import { receiptPaper } from '../../activities/papers/receipt-paper.ts';
import { micros, parseDollars } from '../../billing/money.ts';
import { linesOf, textOf } from '../support/pdf.ts';
import { facts, madeOutTo } from './fixtures.ts';

/** The box between the margins of a page, in points from its lower left corner. */
const BOX = { left: 60, right: 595.28 - 60, bottom: 40, top: 842 - 50 };

describe('a receipt', () => {
  it('has the number, the time, both parties, the method, the amount, and the note that it is no tax invoice', async () => {
    const text = textOf(await receiptPaper(facts()));
    for (const said of [
      'acme-000001',
      '2026-03-01 00:00:00 UTC',
      'Acme Clouds',
      '1 Main Street',
      'Springfield',
      'Tax ID US-12',
      'help@clouds.example',
      'Acme Robotics',
      'Team ID acme',
      'Auto Top-Up',
      'Visa ending in 4242',
      'dep_1',
      'Not a tax invoice',
    ])
      expect(text).toContain(said);
  });

  it('has cents for a card, with a comma between thousands', async () => {
    const text = textOf(await receiptPaper(facts({ paidMicros: parseDollars('1250') })));
    expect(text).toContain('$1,250.00');
    expect(text).toContain('USD 1,250.00');
    expect(text).not.toContain('1,250.000000');
  });

  it('has six places for an amount with a fraction of a cent', async () => {
    expect(textOf(await receiptPaper(facts({ paidMicros: micros(39_123_456) })))).toContain('USD 39.123456');
  });

  it('has the company, the address, the tax id and the reference of the billing details', async () => {
    const recipient = {
      teamName: 'Robots',
      company: 'Łódzkie Roboty Sp. z o.o.',
      address: 'ul. Piotrkowska 1\n90-001 Łódź',
      taxId: 'PL1234567890',
      reference: 'PO-7',
    };
    const lines = textOf(await receiptPaper(facts({ recipient }))).split('\n');
    for (const said of [
      'Łódzkie Roboty Sp. z o.o.',
      'ul. Piotrkowska 1',
      '90-001 Łódź',
      'Tax ID PL1234567890',
      'Reference PO-7',
      'Team Robots',
      'Team ID acme',
    ])
      expect(lines).toContain(said);
  });

  it('has the coin, the chain and the transaction of a crypto payment, and the total received as of that payment', async () => {
    const transactionHash = `0x${'ab12'.repeat(16)}`;
    const amountMicros = parseDollars('39.5');
    const text = textOf(
      await receiptPaper(
        facts({
          method: 'USDC, by CopperX',
          paidMicros: amountMicros,
          coins: [{ currency: 'usdc', chain: '8453', transactionHash, output: 3, amountMicros }],
          deposit: { askedMicros: parseDollars('100'), totalMicros: parseDollars('100') },
        }),
      ),
    );
    for (const said of [
      '39.50 USDC',
      'Base (chain 8453)',
      transactionHash,
      '$60.50',
      '$100.00, as of this payment',
      'USD 39.50',
    ])
      expect(text).toContain(said);
  });

  it('is the same file for the same facts, whenever it is drawn', async () => {
    const first = await receiptPaper(facts());
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2031, 1, 2) });
    try {
      expect((await receiptPaper(facts())).equals(first)).toBe(true);
    } finally {
      vi.useRealTimers();
    }
    expect((await receiptPaper(facts({ paidMicros: micros(1) }))).equals(first)).toBe(false);
  });

  it('has its title, its issuer and its language in the properties of the file, and is tagged', async () => {
    const pdf = (await receiptPaper(facts({ issuer: { ...facts().issuer, name: '株式会社雲' } }))).toString('latin1');
    const inUtf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16().toString('latin1');
    expect(pdf).toContain('(Receipt acme-000001)');
    expect(pdf).toContain(inUtf16('株式会社雲'));
    expect(pdf).toContain('/Lang (en-US)');
    expect(pdf).toContain('/Marked true');
    expect(pdf).toContain('/S /Table');
  });

  it.each([
    ['words', 'A very long name of many words '.repeat(6).trim()],
    ['one word', 'W'.repeat(200)],
    ['Chinese', '株'.repeat(200)],
    ['Arabic', 'شركة الذكاء الاصطناعي '.repeat(9).trim()],
  ])('keeps a very long name in %s within the margins', async (_, name) => {
    const { issuer, recipient } = facts();
    const long = facts({
      issuer: { ...issuer, name: name.slice(0, 100), address: 'x'.repeat(300) },
      recipient: { ...recipient, teamName: name, company: name.slice(0, 150), address: 'Ł'.repeat(300) },
    });
    const lines = linesOf(await receiptPaper(long));
    expect(lines.length).toBeGreaterThan(20);
    for (const { x, y, right } of lines) {
      expect(x).toBeGreaterThanOrEqual(BOX.left - 0.5);
      expect(right).toBeLessThanOrEqual(BOX.right + 0.5);
      expect(y).toBeGreaterThan(BOX.bottom);
      expect(y).toBeLessThan(BOX.top);
    }
  });

  it('embeds only the glyphs that it draws', async () => {
    expect((await receiptPaper(madeOutTo('株式会社ロボット'))).length).toBeLessThan(80_000);
  });
});
