/**
 * A receipt as PDF: from the facts of a deposit alone, so that the same deposit is the same file, byte for byte, however
 * often and wherever it is drawn.
 */
import PDFDocument from 'pdfkit';
import { formatDollars, type Micros } from '../../billing/money.ts';
import { utc } from '../mails/facts.ts';

export interface ReceiptFacts {
  number: string;
  /** Who gives the receipt: the deployment's name. */
  issuer: string;
  teamId: string;
  teamName: string;
  depositId: string;
  label: string;
  /** How it was paid, in words: `Visa ending in 4242`. */
  method: string;
  /** What was paid, in micros. */
  paidMicros: Micros;
  /** When it was credited: a unix second. */
  creditedSecond: number;
}

const MARGIN = 64;
const VALUE_AT = 210;
const INK = '#1a1f2b';
const QUIET = '#5c6475';

export function receiptPdf(facts: ReceiptFacts): Promise<Buffer> {
  const document = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    // PDF would put the time of drawing here, and make the file's id from it.
    info: {
      Title: inLatin(`Receipt ${facts.number}`),
      Author: inLatin(facts.issuer),
      CreationDate: new Date(facts.creditedSecond * 1000),
    },
  });
  const done = new Promise<Buffer>((resolve, reject) => {
    const pieces: Buffer[] = [];
    document.on('data', (piece: Buffer) => pieces.push(piece));
    document.on('end', () => resolve(Buffer.concat(pieces)));
    document.on('error', reject);
  });
  draw(document, facts);
  document.end();
  return done;
}

function draw(document: PDFKit.PDFDocument, facts: ReceiptFacts): void {
  document.font('Helvetica-Bold').fontSize(22).fillColor(INK).text('Receipt');
  document.font('Helvetica').fontSize(11).fillColor(QUIET).text(inLatin(facts.issuer)).moveDown(2);
  const rows: Array<[string, string]> = [
    ['Receipt number', facts.number],
    ['Date', utc(facts.creditedSecond)],
    ['Team', `${facts.teamName} (${facts.teamId})`],
    ['Description', facts.label],
    ['Method', facts.method],
    ['Amount paid', `USD ${formatDollars(facts.paidMicros)}`],
    ['Credits added', `${formatDollars(facts.paidMicros)} (1 credit = USD 1)`],
    ['Deposit', facts.depositId],
  ];
  for (const [label, value] of rows) {
    const top = document.y;
    document.font('Helvetica').fillColor(QUIET).text(label, MARGIN, top);
    const below = document.y;
    document.fillColor(INK).text(inLatin(value), VALUE_AT, top, { width: document.page.width - VALUE_AT - MARGIN });
    document.y = Math.max(below, document.y) + 8;
  }
  document.moveDown(2).fontSize(9).fillColor(QUIET);
  document.text('For prepaid credit. Not a tax invoice. All times are UTC.', MARGIN);
}

/** What the built-in fonts can draw (Latin-1); any other letter becomes a question mark, and the team's id says who it is. */
const inLatin = (text: string): string => text.normalize('NFC').replace(/[^\x20-\x7e\xa0-\xff]/gu, '?');
