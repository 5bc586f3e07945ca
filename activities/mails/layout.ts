/**
 * What all mails look like. A mail is written once, as blocks; its text and its HTML are two faces of the same blocks, so
 * that neither says less. No colour is set for text or ground, so that it reads in the dark as in the light.
 */

export interface Mail {
  subject: string;
  text: string;
  html: string;
  /** Gets a copy of a mail that carries a paper. */
  cc?: { name: string; address: string };
  attachments?: Array<{ filename: string; content: Buffer; contentType: string }>;
}

export type Block =
  | { kind: 'words'; words: string }
  | { kind: 'facts'; rows: Array<[label: string, value: string]> }
  | { kind: 'table'; head: string[]; rows: string[][] }
  | { kind: 'link'; label: string; url: string };

export const words = (text: string): Block => ({ kind: 'words', words: text });
export const facts = (...rows: Array<[label: string, value: string]>): Block => ({ kind: 'facts', rows });
export const table = (head: string[], rows: string[][]): Block => ({ kind: 'table', head, rows });
export const link = (label: string, url: string): Block => ({ kind: 'link', label, url });

/** Puts a mail together. Whatever the blocks hold is text: names of teams and machines are escaped here. */
export const compose = (subject: string, teamName: string, blocks: Block[]): Mail => ({
  subject,
  text: `${[...blocks.map(asText), `-- \n${footer(teamName)}`].join('\n\n')}\n`,
  html: page(subject, blocks.map(asHtml).join('\n'), footer(teamName)),
});

const footer = (teamName: string) =>
  `Burnrate wrote this by itself to the billing address of ${teamName}. All times are UTC.`;

// ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function asText(block: Block): string {
  switch (block.kind) {
    case 'words':
      return block.words;
    case 'facts':
      return block.rows.map(([label, value]) => `${label}: ${value}`).join('\n');
    case 'table':
      return block.rows.map((row) => row.map((cell, at) => `  ${block.head[at]}: ${cell}`).join('\n')).join('\n\n');
    case 'link':
      return `${block.label}:\n${block.url}`;
  }
}

// ── HTML ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

const FONT = "font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const LINE = 'border-bottom:1px solid rgba(128,128,128,.35)';
const CELL = `padding:6px 16px 6px 0;text-align:left;vertical-align:top;${LINE}`;
const BUTTON =
  'display:inline-block;padding:10px 18px;border-radius:6px;background:#1d4ed8;color:#fff;text-decoration:none';

function asHtml(block: Block): string {
  switch (block.kind) {
    case 'words':
      return `<p style="margin:0 0 16px">${escapeHtml(block.words)}</p>`;
    case 'facts':
      return htmlTable(block.rows.map(([label, value]) => htmlRow([label, value], true)).join(''));
    case 'table': {
      const head = block.head.map((cell) => `<th style="${CELL}">${escapeHtml(cell)}</th>`).join('');
      return htmlTable(`<tr>${head}</tr>${block.rows.map((row) => htmlRow(row, false)).join('')}`);
    }
    case 'link':
      return `<p style="margin:0 0 16px"><a href="${escapeHtml(block.url)}" style="${BUTTON}">${escapeHtml(block.label)}</a></p>`;
  }
}

const htmlTable = (rows: string) =>
  `<table cellspacing="0" style="border-collapse:collapse;margin:0 0 16px;font-size:15px">${rows}</table>`;

const htmlRow = (cells: string[], labelled: boolean) =>
  `<tr>${cells
    .map((cell, at) =>
      labelled && at === 0 ? htmlCell('th', cell, ';font-weight:normal;opacity:.7') : htmlCell('td', cell),
    )
    .join('')}</tr>`;

const htmlCell = (tag: 'th' | 'td', text: string, more = '') =>
  `<${tag} style="${CELL}${more}">${escapeHtml(text)}</${tag}>`;

const page = (title: string, body: string, foot: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
</head>
<body style="margin:0;padding:24px;${FONT}">
<div style="max-width:760px;margin:0 auto">
<h1 style="font-size:20px;margin:0 0 16px">${escapeHtml(title)}</h1>
${body}
<p style="margin:24px 0 0;font-size:13px;opacity:.7">${escapeHtml(foot)}</p>
</div>
</body>
</html>
`;
