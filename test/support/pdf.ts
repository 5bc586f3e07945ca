/** Reads the PDFs that papers are: what each line of text says, as a reader that copies it would get it. */
import { inflateSync } from 'node:zlib';

export interface DrawnLine {
  /** The letters of its glyphs, from left to right. */
  letters: string[];
  x: number;
  /** From the bottom of the page. */
  y: number;
  /** The right end, in points. */
  right: number;
}

interface PdfFont {
  letters: string[];
  widths: Map<number, number>;
}

/** The lines of all pages, in the order in which they were drawn. */
export function linesOf(pdf: Buffer): DrawnLine[] {
  const objects = objectsOf(pdf);
  const fonts = new Map<string, PdfFont>();
  for (const [, body] of objects)
    for (const [, name = '', id = ''] of (/\/Font <<([\s\S]*?)>>/.exec(body)?.[1] ?? '').matchAll(/\/(\w+) (\d+) 0 R/g))
      if (!fonts.has(name)) fonts.set(name, fontOf(objects, id));
  return [...objects.values()].flatMap((body) => {
    const content = streamOf(body);
    return [...content.matchAll(/BT\n([\s\S]*?)\nET/g)].map(([, text = '']) => lineOf(text, fonts));
  });
}

/** The lines as texts, for what runs from left to right. */
export const textOf = (pdf: Buffer): string =>
  linesOf(pdf)
    .map(({ letters }) => letters.join(''))
    .join('\n');

function objectsOf(pdf: Buffer): Map<string, string> {
  const text = pdf.toString('latin1');
  return new Map([...text.matchAll(/(\d+) 0 obj\n([\s\S]*?)\nendobj/g)].map(([, id = '', body = '']) => [id, body]));
}

function streamOf(body: string): string {
  const [head, length] = /\/Length (\d+)[\s\S]*?stream\r?\n/.exec(body) ?? [];
  if (head === undefined) return '';
  const start = body.indexOf(head) + head.length;
  const bytes = Buffer.from(body.slice(start, start + Number(length)), 'latin1');
  return (body.includes('/FlateDecode') ? inflateSync(bytes) : bytes).toString('latin1');
}

function fontOf(objects: Map<string, string>, id: string): PdfFont {
  const font = objects.get(id) ?? '';
  const cmap = streamOf(objects.get(/\/ToUnicode (\d+) 0 R/.exec(font)?.[1] ?? '') ?? '');
  const letters = [...cmap.matchAll(/> \[(.*?)\]/g)].flatMap(([, entries = '']) =>
    [...entries.matchAll(/<([0-9a-f ]*)>/g)].map(([, hex = '']) =>
      Buffer.from(hex.replaceAll(' ', ''), 'hex').swap16().toString('utf16le'),
    ),
  );
  const descendant = objects.get(/\/DescendantFonts \[(\d+) 0 R/.exec(font)?.[1] ?? '') ?? '';
  const widths = /\/W \[0 \[([\d. ]*)\]/.exec(descendant)?.[1] ?? '';
  return { letters, widths: new Map(widths.split(' ').map((width, code) => [code, Number(width)])) };
}

function lineOf(text: string, fonts: Map<string, PdfFont>): DrawnLine {
  const [, x = '0', y = '0'] = /1 0 0 1 ([\d.-]+) ([\d.-]+) Tm/.exec(text) ?? [];
  const line: DrawnLine = { letters: [], x: Number(x), y: Number(y), right: Number(x) };
  let font: PdfFont | undefined;
  let size = 0;
  for (const row of text.split('\n')) {
    const [, name, points] = /^\/(\w+) ([\d.]+) Tf/.exec(row) ?? [];
    if (name !== undefined) [font, size] = [fonts.get(name), Number(points)];
    const [, shown] = /^\[(.*)\] TJ/.exec(row) ?? [];
    for (const [, hex, shift] of (shown ?? '').matchAll(/<([0-9a-f]+)>|(-?[\d.]+)/g)) {
      if (hex !== undefined) line.letters.push(font?.letters[Number.parseInt(hex, 16)] ?? '');
      const thousandths = hex === undefined ? -Number(shift) : (font?.widths.get(Number.parseInt(hex, 16)) ?? 0);
      line.right += (thousandths * size) / 1000;
    }
  }
  return line;
}
