/**
 * Writes shaped lines into a PDF. pdfkit embeds each font as the subset of the drawn glyphs. The glyphs and their
 * positions come from HarfBuzz, because pdfkit has no interface to HarfBuzz.
 */
import type { Line, Run } from './lines.ts';
import type { Typeface } from './typefaces.ts';

/** The parts of pdfkit's embedded font that take glyphs instead of text. The version of pdfkit is pinned. */
interface EmbeddedFont {
  id: string;
  scale: number;
  font: { getGlyph(id: number): { advanceWidth: number } };
  subset: { glyphs: number[]; includeGlyph(id: number): number };
  widths: number[];
  unicode: number[][];
  ref(): unknown;
}

interface GlyphDocument {
  _font: EmbeddedFont;
  page: { height: number; fonts: Record<string, unknown> };
  addContent(content: string): void;
}

interface Embedded {
  font: EmbeddedFont;
  /** The code of each glyph with its letters. A glyph that stands for other letters has another code. */
  codes: Map<string, number>;
}

const rounded = (value: number): string => String(Math.round(value * 1000) / 1000);

export class GlyphWriter {
  private readonly embedded = new Map<string, Embedded>();
  private readonly document: PDFKit.PDFDocument;

  constructor(document: PDFKit.PDFDocument) {
    this.document = document;
  }

  /** Draws a line with its left end and baseline at a point, in points from the page's upper left corner. */
  draw(line: Line, x: number, baseline: number, size: number, colour: string): void {
    const document = this.document as unknown as GlyphDocument;
    const { height } = document.page;
    this.document.save().fillColor(colour).transform(1, 0, 0, -1, 0, height);
    document.addContent('BT');
    document.addContent(`1 0 0 1 ${rounded(x)} ${rounded(height - baseline)} Tm`);
    for (const run of line.runs) document.addContent(this.operatorsOf(run, document, size));
    document.addContent('ET');
    this.document.restore();
  }

  private operatorsOf({ typeface, glyphs }: Run, document: GlyphDocument, size: number): string {
    const { font, codes } = this.embed(typeface, document);
    document.page.fonts[font.id] ??= font.ref();
    const shown: string[] = [];
    let rise = 0;
    let pieces: string[] = [];
    const flush = () => {
      if (pieces.length > 0) shown.push(`[${pieces.join(' ')}] TJ`);
      pieces = [];
    };
    for (const { id, text, advance, offsetX, offsetY } of glyphs) {
      const nominal = font.font.getGlyph(id).advanceWidth * font.scale;
      if (offsetY !== rise) {
        flush();
        rise = offsetY;
        shown.push(`${rounded((rise * size) / 1000)} Ts`);
      }
      if (offsetX !== 0) pieces.push(rounded(-offsetX));
      pieces.push(`<${codeOf(font, codes, id, text).toString(16).padStart(4, '0')}>`);
      const after = nominal + offsetX - advance;
      if (Math.abs(after) >= 0.001) pieces.push(rounded(after));
    }
    flush();
    if (rise !== 0) shown.push('0 Ts');
    return [`/${font.id} ${rounded(size)} Tf`, ...shown].join('\n');
  }

  private embed(typeface: Typeface, document: GlyphDocument): Embedded {
    const embeddedFont = this.embedded.get(typeface.key);
    if (embeddedFont) return embeddedFont;
    this.document.font(typeface.ttf);
    const embedded = { font: document._font, codes: new Map<string, number>() };
    this.embedded.set(typeface.key, embedded);
    return embedded;
  }
}

function codeOf(font: EmbeddedFont, codes: Map<string, number>, id: number, text: string): number {
  const key = `${id}/${text}`;
  const knownCode = codes.get(key);
  if (knownCode !== undefined) return knownCode;
  let code = font.subset.includeGlyph(id);
  // The same glyph with other letters is embedded a second time.
  if (font.unicode[code] !== undefined) code = font.subset.glyphs.push(id) - 1;
  font.unicode[code] = [...text].map((character) => character.codePointAt(0) ?? 0);
  font.widths[code] = font.font.getGlyph(id).advanceWidth * font.scale;
  codes.set(key, code);
  return code;
}
