/** The blocks of a mail. layout.ts and html.ts make text and HTML from the same blocks. */

/** An entry of a list: a name, an amount at the side, and lines below. */
export interface Item {
  name: string;
  amount?: string;
  lines: string[];
}

export type Block =
  | { kind: 'heading'; words: string }
  | { kind: 'words'; words: string }
  | { kind: 'facts'; rows: Array<[label: string, value: string]> }
  | { kind: 'items'; items: Item[] }
  | { kind: 'link'; label: string; url: string; as: 'button' | 'line' };

export const heading = (text: string): Block => ({ kind: 'heading', words: text });
export const words = (text: string): Block => ({ kind: 'words', words: text });
export const facts = (...rows: Array<[label: string, value: string]>): Block => ({ kind: 'facts', rows });
export const items = (list: Item[]): Block => ({ kind: 'items', items: list });
/** The main action of the mail. */
export const button = (label: string, url: string): Block => ({ kind: 'link', label, url, as: 'button' });
/** A secondary link. */
export const link = (label: string, url: string): Block => ({ kind: 'link', label, url, as: 'line' });
