/**
 * What all mails look like. A mail is written once, as blocks; its text and its HTML are made of the same blocks, so that
 * neither of them says less.
 */
import type { About } from './facts.ts';
import { htmlOf } from './html.ts';

export interface Mail {
  subject: string;
  text: string;
  html: string;
  /** Gets a copy of a mail that carries a paper. */
  cc?: { name: string; address: string };
  attachments?: Array<{ filename: string; content: Buffer; contentType: string }>;
}

/** One entry of a list: a name, an amount at its side, and lines below. */
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
/** The one thing to do about the mail. */
export const button = (label: string, url: string): Block => ({ kind: 'link', label, url, as: 'button' });
/** Something to look at beside it. */
export const link = (label: string, url: string): Block => ({ kind: 'link', label, url, as: 'line' });

/**
 * Puts a mail together. Whatever the blocks hold is text: names of teams and machines are escaped in the HTML. The subject
 * is the title with the team's name, so that a person with several teams can tell their mails apart.
 */
export function compose(title: string, about: About, blocks: Block[]): Mail {
  const { brand, teamName } = about;
  const foot = footLines(about);
  return {
    subject: `${title} (${shortened(teamName, LONGEST_NAME)})`,
    text: `${[title, ...blocks.map(asText), `-- \n${foot.join('\n')}`].join('\n\n')}\n`,
    html: htmlOf({ title, brand, blocks, foot, preview: shortened(previewOf(blocks), LONGEST_PREVIEW) }),
  };
}

const LONGEST_NAME = 60;
const LONGEST_PREVIEW = 140;

/** By whole characters: half of one would be no text. */
const shortened = (text: string, most: number): string => {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
};

/** What an inbox shows beside the subject. */
const previewOf = (blocks: Block[]): string => blocks.find((block) => block.kind === 'words')?.words ?? '';

const footLines = ({ brand, teamName, help }: About): string[] => [
  `${brand.name} sent this mail automatically to the billing address of ${teamName}. All times are UTC.`,
  `Do you have a question? Please ${help}.`,
  ...(brand.footer === null ? [] : [brand.footer]),
];

function asText(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `${block.words}:`;
    case 'words':
      return block.words;
    case 'facts':
      return block.rows.map(([label, value]) => `${label}: ${value}`).join('\n');
    case 'items':
      return block.items
        .map(({ name, amount, lines }) =>
          [`* ${name}${amount === undefined ? '' : `: ${amount}`}`, ...lines.map((line) => `  ${line}`)].join('\n'),
        )
        .join('\n');
    case 'link':
      return `${block.label}:\n${block.url}`;
  }
}
