import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ReceiptFacts, receiptPdf } from '../../activities/receipts/receipt-pdf.ts';
import { dollars, NOW } from './fixtures.ts';

const FACTS: ReceiptFacts = {
  number: 'acme-000001',
  issuer: 'Acme Clouds',
  teamId: 'acme',
  teamName: 'Acmé',
  depositId: 'dep_1',
  label: 'Auto Top-Up',
  method: 'Visa ending in 4242',
  paidMicros: dollars(25.5),
  creditedSecond: NOW,
};

/** The words of a PDF that pdfkit wrote: each page's stream unpacked, its strings of hex read as Latin-1. */
function wordsOf(pdf: Buffer): string {
  const text = pdf.toString('latin1');
  const streams = [...text.matchAll(/stream\r?\n([\s\S]*?)endstream/g)].map(([, stream = '']) => {
    try {
      return inflateSync(Buffer.from(stream, 'latin1')).toString('latin1');
    } catch {
      return '';
    }
  });
  const shown = [...streams.join('\n').matchAll(/\[(.*?)\] TJ/g)].map(([, pieces = '']) =>
    [...pieces.matchAll(/<([0-9a-f]*)>/g)].map(([, hex = '']) => Buffer.from(hex, 'hex').toString('latin1')).join(''),
  );
  return shown.join('\n');
}

describe('a receipt', () => {
  it('says who paid whom what, when and how, and that it is no tax invoice', async () => {
    const words = wordsOf(await receiptPdf(FACTS));
    for (const said of [
      'Acme Clouds',
      'acme-000001',
      '2026-03-01 00:00:00 UTC',
      'Acmé (acme)',
      'Auto Top-Up',
      'Visa ending in 4242',
      'USD 25.500000',
      'dep_1',
      'Not a tax invoice',
    ])
      expect(words).toContain(said);
  });

  it('is the same file whenever it is drawn, and another for other facts', async () => {
    const first = await receiptPdf(FACTS);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await receiptPdf(FACTS)).equals(first)).toBe(true);
    expect((await receiptPdf({ ...FACTS, creditedSecond: NOW + 1 })).equals(first)).toBe(false);
  });

  it('draws a name that its fonts have no letters for without failing, and names the team by its id', async () => {
    const words = wordsOf(await receiptPdf({ ...FACTS, teamName: '株式会社\u0000Acme' }));
    expect(words).toContain('?????Acme (acme)');
  });
});
