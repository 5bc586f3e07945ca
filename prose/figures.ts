/**
 * Counts words that make a comment hard to read: pronouns in place of names, and first words that delay the subject.
 */
import { type Comment, commentsOf } from './comments.ts';

/** Words that point to a subject without naming the subject. */
const POINTING_WORDS = new Set(
  'it its that what which those this these one ones whoever whatever they them their'.split(' '),
);
/** First words of comments without a noun or a verb at the beginning. */
const LATE_BEGINNINGS = new Set(['What', 'Those', 'Of', 'That', 'One', 'Whoever', 'Whatever', 'How', 'It']);

/** The goal: of 100 words at most so many point, and of 100 comments at most so many begin late. */
export const GOAL = { pointingPer100: 4, lateBeginningsPer100: 2 };

export interface Figures {
  words: number;
  pointing: number;
  comments: number;
  lateBeginnings: number;
}

export const NO_FIGURES: Figures = { words: 0, pointing: 0, comments: 0, lateBeginnings: 0 };

export const figuresOf = (source: string): Figures => commentsOf(source).map(figuresOfComment).reduce(add, NO_FIGURES);

export function figuresOfComment({ text }: Comment): Figures {
  const words = text.match(/[a-z]+(?:['’][a-z]+)?/gi) ?? [];
  const pointing = words.filter((word) => POINTING_WORDS.has(word.toLowerCase().replace(/['’]s$/, ''))).length;
  const first = words[0] ?? '';
  return { words: words.length, pointing, comments: 1, lateBeginnings: LATE_BEGINNINGS.has(first) ? 1 : 0 };
}

export const add = (a: Figures, b: Figures): Figures => ({
  words: a.words + b.words,
  pointing: a.pointing + b.pointing,
  comments: a.comments + b.comments,
  lateBeginnings: a.lateBeginnings + b.lateBeginnings,
});

const per100 = (part: number, whole: number): number => (whole === 0 ? 0 : (100 * part) / whole);
export const pointingPer100 = ({ pointing, words }: Figures): number => per100(pointing, words);
export const lateBeginningsPer100 = ({ lateBeginnings, comments }: Figures): number => per100(lateBeginnings, comments);
