/**
 * The layout of all mails. A mail is written once, as blocks. Text and HTML are made from the same blocks, so both have
 * the same content.
 */
import type { Block } from './blocks.ts';
import type { About } from './facts.ts';
import { htmlOf } from './html.ts';

export interface Mail {
  subject: string;
  text: string;
  html: string;
  /** The recipient of a copy of a mail with a paper. */
  cc?: { name: string; address: string };
  attachments?: Array<{ filename: string; content: Buffer; contentType: string }>;
}

/**
 * Composes a mail. The content of blocks is text: names of teams and machines are escaped in the HTML. The subject is
 * the title with the team's name, so a person with several teams can tell the mails apart.
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

/** Cuts between whole characters, because half a character is no text. */
const shortened = (text: string, most: number): string => {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
};

/** The text that an inbox shows beside the subject. */
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
