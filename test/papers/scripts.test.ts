/** Tests names in every script: each letter of a name is on the receipt, in its place, and can be copied. */
import { describe, expect, it } from 'vitest';
import { layOut, layOutLine } from '../../activities/papers/lines.ts';
import { hanOf } from '../../activities/papers/readable.ts';
import { receiptPaper } from '../../activities/papers/receipt-paper.ts';
import { linesOf, textOf } from '../support/pdf.ts';
import { facts, madeOutTo } from './fixtures.ts';

const LEFT_TO_RIGHT = {
  'typographic Latin': 'Tom’s “Robots” – Müller & Søn…',
  Polish: 'Zażółć gęślą jaźń Łódź',
  Turkish: 'İstanbul Işık Şirketi',
  Greek: 'Ρομποτική Ελλάδος',
  'ancient Greek': 'Ἀθῆναι',
  Cyrillic: 'Роботы Тома ЇЄҐ',
  Vietnamese: 'Công ty Trí tuệ nhân tạo Việt Nam',
  'simplified Chinese': '深圳市机器人有限公司',
  'traditional Chinese': '台灣積體電路製造股份有限公司',
  Japanese: '株式会社ロボット・トムズ',
  Korean: '주식회사 로봇',
  Thai: 'บริษัท หุ่นยนต์ จำกัด',
  Devanagari: 'क्षत्रिय रोबोटिक्स',
  Bengali: 'বাংলা রোবট',
  Tamil: 'தமிழ் ரோபோ',
  Armenian: 'Հայկական',
  Georgian: 'რობოტები',
  Ethiopic: 'ኢትዮጵያ',
  Khmer: 'កម្ពុជា',
  mixed: 'Zażółć Łódź 株式会社 로봇 Ωмега',
  rare: '𠮷野家 㐂',
};

const RIGHT_TO_LEFT = {
  Arabic: 'شركة الذكاء',
  Persian: 'شرکت پژوهش',
  Urdu: 'پاکستان ٹیکنالوجی',
  Hebrew: 'רובוטים של תום',
};

describe('a name on a receipt', () => {
  it.each(Object.entries(LEFT_TO_RIGHT))('in %s is complete and in order', async (_, name) => {
    expect(textOf(await receiptPaper(madeOutTo(name))).split('\n')).toContain(name);
  });

  it.each(Object.entries(RIGHT_TO_LEFT))('in %s is complete and in order, from right to left', async (_, name) => {
    const names = linesOf(await receiptPaper(madeOutTo(name))).map(({ letters }) => letters.toReversed().join(''));
    expect(names).toContain(name);
  });

  it('can be the issuer’s too', async () => {
    const { issuer } = facts();
    const pdf = await receiptPaper(
      facts({ issuer: { ...issuer, name: 'Хмара Łódź 株式会社', address: '東京都千代田区' } }),
    );
    expect(textOf(pdf)).toContain('Хмара Łódź 株式会社');
    expect(textOf(pdf)).toContain('東京都千代田区');
  });

  it('shows a character without a glyph by its code point, and never as a box or a question mark', async () => {
    const text = textOf(await receiptPaper(madeOutTo('𓀀 Pyramids \u{10FFFD}')));
    expect(text).toContain('[U+13000] Pyramids [U+10FFFD]');
    expect(text).not.toContain('?');
  });

  it('has its emoji in one colour, and joined emoji as one or in their parts', async () => {
    const text = textOf(await receiptPaper(madeOutTo('Rocket 🚀 ❤️ 👩‍🚀')));
    for (const drawn of ['🚀', '❤', '👩']) expect(text).toContain(drawn);
    expect(text).not.toContain('[U+');
  });

  it('loses only control characters and direction marks', async () => {
    const name = 'Acme\u0000\u202eRobots\u200f\u2066!\ufeff';
    expect(textOf(await receiptPaper(madeOutTo(name))).split('\n')).toContain('Acme Robots!');
  });

  it('has separate accents composed with their letter, or placed beside it', async () => {
    const text = textOf(await receiptPaper(madeOutTo('Zoe\u0308 x\u0301')));
    expect(text).toContain('Zoë x\u0301');
  });
});

describe('a line', () => {
  const glyphIds = async (text: string) =>
    (await layOutLine(text, 'regular')).runs.flatMap(({ glyphs }) => glyphs.map(({ id }) => id));

  it('joins Arabic letters: a letter within a word has another shape than alone', async () => {
    const [alone] = await glyphIds('ه');
    expect(await glyphIds('ههه')).not.toContain(alone);
  });

  it('draws Arabic from right to left, and Latin and digits within it from left to right', async () => {
    const { runs } = await layOutLine('شركة ABC 12', 'regular');
    const drawn = runs.map(({ glyphs }) => glyphs.map(({ text }) => text).join('')).join('');
    expect(drawn.indexOf('12')).toBeLessThan(drawn.indexOf('ABC') < 0 ? Number.POSITIVE_INFINITY : drawn.length);
    expect(drawn).toContain('ABC 12');
    expect(drawn.indexOf('ABC')).toBeLessThan(drawn.indexOf('ش'));
  });

  it('mirrors a bracket within right-to-left text', async () => {
    const bracketOf = async (text: string, letter: string) =>
      (await layOutLine(text, 'regular')).runs.flatMap(({ glyphs }) => glyphs).find((glyph) => glyph.text === letter)
        ?.id;
    expect(await bracketOf('(ש', '(')).toBe(await bracketOf(')a', ')'));
  });

  it('ends after a word, and within a word only if a whole line is too short for it', async () => {
    const lines = await layOut('Acme Robotics Pneumonoultramicroscopic', 'regular', 9_000);
    expect(lines.map(({ text }) => text)).toEqual(['Acme Robotics', 'Pneumonoultrami', 'croscopic']);
    for (const { width } of lines) expect(width).toBeLessThanOrEqual(9_000);
  });

  it('ends between Chinese characters, and not before a closing bracket', async () => {
    const lines = await layOut('深圳市（机器人）有限公司', 'regular', 7_000);
    for (const { text } of lines) expect(text).not.toMatch(/^）/);
    expect(lines.map(({ text }) => text).join('')).toBe('深圳市（机器人）有限公司');
  });

  it('keeps line breaks, and is empty for an empty text', async () => {
    expect((await layOut('a\nb', 'regular', 9_000)).map(({ text }) => text)).toEqual(['a', 'b']);
    expect((await layOut('', 'regular', 9_000)).map(({ text }) => text)).toEqual(['']);
  });
});

describe('the forms of Han characters', () => {
  it.each([
    ['深圳市机器人有限公司', 'sc'],
    ['台灣積體電路製造', 'tc'],
    ['株式会社東京', 'jp'],
    ['トヨタ自動車', 'jp'],
    ['三星電子 주식회사', 'kr'],
    ['Acme', 'sc'],
  ])('of %s are the forms of %s', (text, han) => {
    expect(hanOf(text)).toBe(han);
  });
});
