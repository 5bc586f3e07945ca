/**
 * The typefaces of papers: Noto Sans, in the packages of Fontsource, a package for each script. Each package splits its
 * font into files by ranges of Unicode, so a paper reads only the few files with its letters.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Blob, Face, Font } from 'harfbuzzjs';
import subsetFont from 'subset-font';

export type Weight = 'regular' | 'semibold';

export interface Typeface {
  /** Unique for each file and weight. */
  key: string;
  /** A TrueType font of one weight, for embedding by pdfkit. */
  ttf: Buffer;
  /** The same font, for shaping by HarfBuzz. */
  font: Font;
  unitsPerEm: number;
  codePoints: ReadonlySet<number>;
}

/** In the order of preference: the first font that holds a character draws the character. */
const BEFORE_HAN = [
  'noto-sans',
  ...['arabic', 'hebrew', 'thai', 'georgian', 'armenian', 'ethiopic', 'bengali', 'gujarati', 'gurmukhi', 'kannada'],
  ...['khmer', 'lao', 'malayalam', 'myanmar', 'oriya', 'sinhala', 'tamil', 'telugu', 'thaana'],
].map((name) => (name === 'noto-sans' ? name : `noto-sans-${name}`));
const AFTER_HAN = ['noto-sans-symbols', 'noto-emoji'];

/** The national forms of Han characters. */
export type Han = 'sc' | 'tc' | 'jp' | 'kr';
const HAN: Han[] = ['sc', 'tc', 'jp', 'kr'];

export const familiesOf = (han: Han): string[] => [
  ...BEFORE_HAN,
  ...[han, ...HAN.filter((other) => other !== han)].map((name) => `noto-sans-${name}`),
  ...AFTER_HAN,
];

interface FontFile {
  path: string;
  ranges: Array<[first: number, last: number]>;
}

const require = createRequire(import.meta.url);
const filesByFamily = new Map<string, FontFile[]>();

/** The files of a family, with the characters that each file may hold. */
function filesOf(family: string): FontFile[] {
  const knownFile = filesByFamily.get(family);
  if (knownFile) return knownFile;
  const index = require.resolve(`@fontsource-variable/${family}/unicode.json`);
  const rangesBySubset: Record<string, string> = JSON.parse(readFileSync(index, 'utf8'));
  const files = Object.entries(rangesBySubset).map(([subset, ranges]) => ({
    path: join(dirname(index), 'files', `${family}-${subset.replace(/[[\]]/g, '')}-wght-normal.woff2`),
    ranges: ranges.split(',').map(readRange),
  }));
  filesByFamily.set(family, files);
  return files;
}

/** Reads `U+0401` or `U+0401-040F`. */
function readRange(text: string): [number, number] {
  const [first = '', last = first] = text.trim().replace(/^U\+/i, '').split('-');
  return [Number.parseInt(first, 16), Number.parseInt(last, 16)];
}

const WEIGHTS: Record<Weight, number> = { regular: 400, semibold: 600 };

/**
 * The number of parsed fonts to keep: fonts of common names stay, and a long run of rare fonts does not fill the
 * memory.
 */
const KEPT = 48;
const typefaces = new Map<string, Promise<Typeface>>();

function load(path: string, weight: Weight): Promise<Typeface> {
  const key = `${path}:${weight}`;
  const typeface = typefaces.get(key) ?? readTypeface(path, weight, key);
  // The most recently used is last.
  typefaces.delete(key);
  typefaces.set(key, typeface);
  typeface.catch(() => typefaces.delete(key));
  const [oldest] = typefaces.keys();
  if (typefaces.size > KEPT && oldest !== undefined) typefaces.delete(oldest);
  return typeface;
}

/** Makes a font of one weight from a variable font, because pdfkit cannot embed variable fonts. */
async function readTypeface(path: string, weight: Weight, key: string): Promise<Typeface> {
  const ttf = await subsetFont(await readFile(path), undefined, {
    keepAllGlyphs: true,
    noHinting: true,
    targetFormat: 'truetype',
    variationAxes: { wght: WEIGHTS[weight] },
  });
  // A copy, because HarfBuzz reads a whole ArrayBuffer, and a Buffer may be a part of an ArrayBuffer.
  const face = new Face(new Blob(new Uint8Array(ttf).buffer));
  return { key, ttf, font: new Font(face), unitsPerEm: face.upem, codePoints: new Set(face.collectUnicodes()) };
}

/** The first typeface that holds all of the characters. Null where no typeface does. */
export async function typefaceFor(
  codePoints: readonly number[],
  weight: Weight,
  families: readonly string[],
): Promise<Typeface | null> {
  const [base] = codePoints;
  if (base === undefined) return null;
  for (const family of families)
    for (const { path, ranges } of filesOf(family)) {
      if (!ranges.some(([first, last]) => base >= first && base <= last)) continue;
      const typeface = await load(path, weight);
      if (codePoints.every((codePoint) => typeface.codePoints.has(codePoint))) return typeface;
    }
  return null;
}
