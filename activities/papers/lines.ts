/**
 * Lays out a text of any script in lines: shaped by HarfBuzz, in the visual order of the Unicode bidirectional
 * algorithm, and broken so that nothing is wider than its column.
 */
import bidiModule, { type Bidi } from 'bidi-js';
import { Direction, Buffer as HarfBuzzBuffer, shape } from 'harfbuzzjs';
import { cleaned, graphemesOf, type Unit, unitsOf } from './readable.ts';
import type { Typeface, Weight } from './typefaces.ts';

/** Lengths are in thousandths of the font size, as PDF counts lengths. */
export interface Glyph {
  id: number;
  /** The letters of the glyph, for copying and searching; empty for a part of another glyph's letters. */
  text: string;
  advance: number;
  offsetX: number;
  offsetY: number;
}

export interface Run {
  typeface: Typeface;
  /** From left to right. */
  glyphs: Glyph[];
}

export interface Line {
  text: string;
  /** From left to right. */
  runs: Run[];
  width: number;
}

/** The package is CommonJS, and its types describe an ES module: the import is the factory itself. */
const bidi = (bidiModule as unknown as () => Bidi)();

/** A line, however long. */
export async function layOutLine(text: string, weight: Weight): Promise<Line> {
  return shapeLine(await paragraphOf(cleaned(text), weight), 0);
}

/** @param width the greatest width of a line, in thousandths of the font size */
export async function layOut(text: string, weight: Weight, width: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const row of text.split('\n')) {
    const paragraph = await paragraphOf(cleaned(row), weight);
    lines.push(...broken(paragraph, width));
  }
  return lines;
}

interface Paragraph {
  text: string;
  units: Unit[];
  /** The bidirectional level of each UTF-16 unit: odd runs from right to left. */
  levels: Uint8Array;
}

async function paragraphOf(text: string, weight: Weight): Promise<Paragraph> {
  const units = await unitsOf(text, weight);
  const drawn = units.map((unit) => unit.text).join('');
  return { text: drawn, units, levels: bidi.getEmbeddingLevels(drawn, 'auto').levels };
}

// ── breaking ─────────────────────────────────────────────────────────────────────────────────────────────────────

const words = new Intl.Segmenter('en', { granularity: 'word' });
/** Scripts without spaces between words. A line may end after each word. */
const UNSPACED =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const OPENING = /[\p{Ps}\p{Pi}]$/u;

/** The pieces of a text that stay together. A line may end after each piece. */
function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  for (const { segment, isWordLike } of words.segment(text)) {
    const before = pieces.at(-1);
    const mayBreak =
      before !== undefined &&
      (/\s$/.test(before) || (isWordLike === true && !OPENING.test(before) && UNSPACED.test(before + segment)));
    if (before === undefined || (mayBreak && segment.trim() !== '')) pieces.push(segment);
    else pieces[pieces.length - 1] = before + segment;
  }
  return pieces;
}

function broken(paragraph: Paragraph, width: number): Line[] {
  const lines: Line[] = [];
  let start = 0;
  let end = 0;
  let line: Line | null = null;
  const fits = (longer: Line) => longer.width <= width;
  const endLine = () => {
    if (line) lines.push(line);
    [line, start] = [null, end];
  };
  const take = (piece: string): boolean => {
    const longer = shapeLine(paragraph, start, end + piece.length);
    if (!fits(longer)) return false;
    [line, end] = [longer, end + piece.length];
    return true;
  };
  for (const piece of piecesOf(paragraph.text)) {
    if (take(piece)) continue;
    endLine();
    if (take(piece)) continue;
    // Wider than a line by itself: broken between any two characters.
    for (const grapheme of graphemesOf(piece)) {
      if (take(grapheme)) continue;
      endLine();
      if (take(grapheme)) continue;
      [line, end] = [shapeLine(paragraph, start, end + grapheme.length), end + grapheme.length];
    }
  }
  endLine();
  return lines.length > 0 ? lines : [shapeLine(paragraph, 0)];
}

// ── shaping ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface LogicalRun {
  text: string;
  level: number;
  typeface: Typeface;
}

/** Shapes a part of a paragraph as one line, without trailing spaces. */
function shapeLine({ text, units, levels }: Paragraph, start: number, end = text.length): Line {
  const shown = text.slice(start, end).trimEnd();
  const runs: LogicalRun[] = [];
  let at = 0;
  for (const unit of units) {
    const from = at;
    at += unit.text.length;
    if (from < start || from >= start + shown.length) continue;
    const level = levels[from] ?? 0;
    const last = runs.at(-1);
    if (last && last.level === level && last.typeface === unit.typeface) last.text += unit.text;
    else runs.push({ text: unit.text, level, typeface: unit.typeface });
  }
  const shaped = inVisualOrder(runs).map(shapeRun);
  const width = shaped.reduce((sum, { glyphs }) => sum + glyphs.reduce((total, { advance }) => total + advance, 0), 0);
  return { text: shown, runs: shaped, width };
}

/**
 * Rule L2 of the bidirectional algorithm, on runs: from the highest level to the lowest odd one, sequences are
 * reversed.
 */
function inVisualOrder(runs: LogicalRun[]): LogicalRun[] {
  const ordered = [...runs];
  const highest = Math.max(0, ...runs.map(({ level }) => level));
  for (let level = highest; level > 0; level--)
    for (let first = 0; first < ordered.length; first++) {
      let after = first;
      while ((ordered[after]?.level ?? -1) >= level) after++;
      if (after > first) ordered.splice(first, after - first, ...ordered.slice(first, after).reverse());
      first = Math.max(first, after);
    }
  return ordered;
}

function shapeRun({ text, level, typeface }: LogicalRun): Run {
  const buffer = new HarfBuzzBuffer();
  buffer.addText(text);
  buffer.guessSegmentProperties();
  buffer.setDirection(level % 2 === 1 ? Direction.RTL : Direction.LTR);
  shape(typeface.font, buffer);
  const infos = buffer.getGlyphInfos();
  const positions = buffer.getGlyphPositions();
  const thousandths = (length = 0) => (length * 1000) / typeface.unitsPerEm;
  const glyphs = infos.map(({ codepoint: id, cluster }, at) => ({
    id,
    cluster,
    advance: thousandths(positions[at]?.xAdvance),
    offsetX: thousandths(positions[at]?.xOffset),
    offsetY: thousandths(positions[at]?.yOffset),
  }));
  const letters = lettersByGlyph(text, glyphs);
  return { typeface, glyphs: glyphs.map(({ cluster: _, ...glyph }, at) => ({ ...glyph, text: letters[at] ?? '' })) };
}

/**
 * Divides the letters of each cluster among its glyphs, so a copy of the paper has each letter once. From left to
 * right, each glyph with a width gets one letter, and the last glyph gets the rest.
 */
function lettersByGlyph(text: string, glyphs: Array<{ cluster: number; advance: number }>): string[] {
  const starts = [...new Set(glyphs.map(({ cluster }) => cluster))].sort((a, b) => a - b);
  const letters = glyphs.map(() => '');
  for (const [index, start] of starts.entries()) {
    const all = [...glyphs.keys()].filter((at) => glyphs[at]?.cluster === start);
    const wide = all.filter((at) => (glyphs[at]?.advance ?? 0) > 0);
    const bearers = wide.length > 0 ? wide : all.slice(0, 1);
    const rest = [...text.slice(start, starts[index + 1])];
    for (const [nth, at] of bearers.entries())
      letters[at] = nth === bearers.length - 1 ? rest.join('') : (rest.shift() ?? '');
  }
  return letters;
}
