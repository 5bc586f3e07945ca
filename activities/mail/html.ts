/**
 * The HTML of a mail. Styles stand on the elements, because some mail programs drop style sheets; the style sheet adds
 * dark colours and narrower margins where it is read. Nothing is wider than a phone: facts and list entries wrap.
 */
import type { Block, Item } from './blocks.ts';
import type { Brand } from './brand.ts';
import { darkPalette, lightPalette, type Palette } from './colors.ts';

export interface Page {
  title: string;
  brand: Brand;
  blocks: Block[];
  foot: string[];
  /** The text that an inbox shows beside the subject. */
  preview: string;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

const FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
/** Ids have no spaces and up to 64 characters, so a line may break anywhere in an id. */
const WRAP = 'overflow-wrap:anywhere;word-break:break-word';
const PRESENTATION = 'role="presentation" cellspacing="0" cellpadding="0" border="0" width="100%"';

export function htmlOf({ title, brand, blocks, foot, preview }: Page): string {
  const light = lightPalette(brand.color);
  const body = blocks.map((block) => blockHtml(block, light)).join('\n');
  return `<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${styleSheet(darkPalette(brand.color))}</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:${light.page}">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${escapeHtml(preview)}${'&#8199;&#847; '.repeat(30)}</div>
<table ${PRESENTATION} class="page" style="background-color:${light.page}"><tr><td align="center" class="around" style="padding:32px 16px">
<table ${PRESENTATION} style="max-width:600px;width:100%;margin:0 auto">
<tr><td class="head" style="padding:0 4px 16px;text-align:left">${headHtml(brand, light)}</td></tr>
<tr><td class="card text" style="padding:32px;background-color:${light.card};border:1px solid ${light.line};border-radius:12px;text-align:left;font:16px/1.55 ${FONT};color:${light.text};${WRAP}">
<h1 style="margin:0 0 16px;font:600 22px/1.3 ${FONT}">${escapeHtml(title)}</h1>
${body}
</td></tr>
<tr><td class="quiet foot" style="padding:20px 4px 0;text-align:left;font:13px/1.5 ${FONT};color:${light.quiet};${WRAP}">
${foot.map((line) => `<p style="margin:0 0 6px">${escapeHtml(line)}</p>`).join('\n')}
</td></tr>
</table>
</td></tr></table>
</body>
</html>
`;
}

const styleSheet = (dark: Palette): string => `
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
  .around { padding: 20px 8px !important; }
  .card { padding: 22px 18px !important; }
  .button { display: block !important; text-align: center !important; }
}
@media (prefers-color-scheme: dark) {
  .page { background-color: ${dark.page} !important; }
  .card { background-color: ${dark.card} !important; border-color: ${dark.line} !important; }
  .text { color: ${dark.text} !important; }
  .quiet { color: ${dark.quiet} !important; }
  .line { border-color: ${dark.line} !important; }
  .button { background-color: ${dark.button} !important; color: ${dark.onButton} !important; }
  .link { color: ${dark.link} !important; }
}
`;

function headHtml({ name, logoUrl }: Brand, light: Palette): string {
  const text = escapeHtml(name);
  if (logoUrl === null)
    return `<span class="text" style="font:600 17px/1.3 ${FONT};color:${light.text}">${text}</span>`;
  return `<img src="${escapeHtml(logoUrl)}" alt="${text}" height="36" style="display:block;height:36px;max-width:220px;border:0;font:600 17px/36px ${FONT};color:${light.text}" class="text">`;
}

function blockHtml(block: Block, light: Palette): string {
  switch (block.kind) {
    case 'heading':
      return `<h2 style="margin:8px 0 10px;font:600 16px/1.3 ${FONT}">${escapeHtml(block.words)}</h2>`;
    case 'words':
      return `<p style="margin:0 0 16px">${escapeHtml(block.words)}</p>`;
    case 'facts':
      return factsHtml(block.rows, light);
    case 'items':
      return itemsHtml(block.items, light);
    case 'link':
      return linkHtml(block, light);
  }
}

const CELL = 'padding:8px 0;text-align:left;vertical-align:top';

function factsHtml(rows: Array<[string, string]>, light: Palette): string {
  const line = `border-top:1px solid ${light.line}`;
  const cells = rows.map(
    ([label, value]) =>
      `<tr><th scope="row" class="quiet line" style="${CELL};${line};width:34%;padding-right:14px;font-weight:400;color:${light.quiet}">${escapeHtml(label)}</th><td class="line" style="${CELL};${line};${WRAP}">${escapeHtml(value)}</td></tr>`,
  );
  return `<table cellspacing="0" cellpadding="0" border="0" width="100%" class="text" style="border-collapse:collapse;margin:4px 0 20px;font:15px/1.45 ${FONT};color:${light.text}">${cells.join('\n')}</table>`;
}

function itemsHtml(list: Item[], light: Palette): string {
  const entries = list.map(({ name, amount, lines }) => {
    const side =
      amount === undefined
        ? ''
        : `<td style="${CELL};text-align:right;white-space:nowrap;padding-left:14px;font-weight:600">${escapeHtml(amount)}</td>`;
    const below = lines.map(
      (text) => `<br><span class="quiet" style="color:${light.quiet}">${escapeHtml(text)}</span>`,
    );
    return `<li style="margin:0;padding:0"><table ${PRESENTATION} class="text line" style="border-top:1px solid ${light.line};font:15px/1.45 ${FONT};color:${light.text}"><tr><td style="${CELL};${WRAP}"><strong style="font-weight:600">${escapeHtml(name)}</strong>${below.join('')}</td>${side}</tr></table></li>`;
  });
  return `<ul style="list-style:none;margin:4px 0 20px;padding:0">${entries.join('\n')}</ul>`;
}

function linkHtml({ label, url, as }: Extract<Block, { kind: 'link' }>, light: Palette): string {
  const style =
    as === 'button'
      ? `display:inline-block;padding:12px 20px;border-radius:8px;background-color:${light.button};color:${light.onButton};font:600 16px/1.3 ${FONT};text-decoration:none`
      : `color:${light.link};text-decoration:underline`;
  return `<p style="margin:4px 0 16px"><a href="${escapeHtml(url)}" class="${as === 'button' ? 'button' : 'link'}" style="${style}">${escapeHtml(label)}</a></p>`;
}
