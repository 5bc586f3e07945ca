/** Prepares a text of any script for drawing: one line, in a normal form, with drawable characters only. */
import { familiesOf, type Han, type Typeface, typefaceFor, type Weight } from './typefaces.ts';

/** A piece of text and the typeface that draws the piece. */
export interface Unit {
  text: string;
  typeface: Typeface;
}

/**
 * Characters without a shape of their own that papers do not need: direction marks (the letters decide), soft hyphens,
 * variation selectors, fillers. The joiners of Persian and of Indian scripts are kept.
 */
const INVISIBLE = /(?![\u200c\u200d])[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}]/gu;
const CONTROL_OR_SPACE = /[\p{Cc}\p{Cs}\p{Z}]+/gu;
const JOINER = /^[\u200c\u200d]$/u;

export const cleaned = (text: string): string =>
  text.normalize('NFC').replace(INVISIBLE, '').replace(CONTROL_OR_SPACE, ' ').trim();

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Characters as a reader counts characters: a letter with its accents is one. */
export const graphemesOf = (text: string): string[] => [...graphemes.segment(text)].map(({ segment }) => segment);

const codePointsOf = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);

/**
 * Finds a typeface for each character. A character without a typeface is written as its code point, `[U+13000]`, so a
 * paper shows no empty boxes and loses nothing.
 */
export async function unitsOf(text: string, weight: Weight): Promise<Unit[]> {
  const families = familiesOf(hanOf(text));
  const units: Unit[] = [];
  for (const grapheme of graphemesOf(text)) {
    const whole = await typefaceFor(codePointsOf(grapheme), weight, families);
    if (whole) units.push({ text: grapheme, typeface: whole });
    else for (const character of grapheme) units.push(...(await unitsOfCharacter(character, weight, families)));
  }
  return units;
}

/**
 * A character of a grapheme that no single typeface holds: an accent that no language puts on this letter, a joined
 * emoji.
 */
async function unitsOfCharacter(character: string, weight: Weight, families: readonly string[]): Promise<Unit[]> {
  if (JOINER.test(character)) return [];
  const typeface = await typefaceFor(codePointsOf(character), weight, families);
  if (typeface) return [{ text: character, typeface }];
  const code = `[U+${codePointsOf(character)[0]?.toString(16).toUpperCase().padStart(4, '0')}]`;
  const latin = await typefaceFor(codePointsOf(code), weight, families);
  if (!latin) throw new Error('the Latin typeface is not installed');
  return [...code].map((text) => ({ text, typeface: latin }));
}

/**
 * Which national forms a text's Han characters take. Kana, hangul and bopomofo tell; so does the Japanese word for
 * company. Otherwise simplified forms, unless a character is known to traditional Chinese alone.
 */
export function hanOf(text: string): Han {
  if (/[\p{scx=Hiragana}\p{scx=Katakana}]/u.test(text.replace(/[^\p{L}]/gu, '')) || text.includes('会社')) return 'jp';
  if (/\p{Script=Hangul}/u.test(text)) return 'kr';
  if (/\p{Script=Bopomofo}/u.test(text)) return 'tc';
  const han = text.match(/\p{Script=Han}/gu) ?? [];
  const isTraditional = han.some((character) => !simplified().has(character) && traditional().has(character));
  return isTraditional ? 'tc' : 'sc';
}

/** The characters of a two-byte encoding with a lead byte and a trail byte in these ranges. */
function charactersOf(encoding: string, [lead, lastLead]: [number, number], [trail, lastTrail]: [number, number]) {
  const decoder = new TextDecoder(encoding);
  const characters = new Set<string>();
  for (let first = lead; first <= lastLead; first++)
    for (let second = trail; second <= lastTrail; second++)
      for (const character of decoder.decode(Uint8Array.of(first, second))) characters.add(character);
  return characters;
}

const once = <T>(make: () => T): (() => T) => {
  let value: T | undefined;
  return () => {
    value ??= make();
    return value;
  };
};

/** The characters of GB 2312, in use in mainland China. */
const simplified = once(() => charactersOf('gbk', [0xb0, 0xf7], [0xa1, 0xfe]));
/** The frequent characters of Big5, in use in Taiwan and Hong Kong. */
const traditional = once(() => charactersOf('big5', [0xa4, 0xc6], [0x40, 0xfe]));
