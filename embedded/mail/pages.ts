import { type Html, html, page, time } from '../page.ts';
import type { Message } from './message.ts';

export const VIEWS = ['html', 'text', 'headers', 'source'] as const;
export type View = (typeof VIEWS)[number];

const LABELS: Record<View, string> = { html: 'HTML', text: 'Text', headers: 'Headers', source: 'Source' };

/** All mails, the newest first. */
export function listPage(messages: readonly Message[]): Html {
  const rows = messages.toReversed().map(
    (message) => html`<tr>
      <td><a href="/messages/${message.id}">${message.subject || '(no subject)'}</a></td>
      <td>${message.to.join(', ')}</td>
      <td>${time(message.at)}</td>
    </tr>`,
  );
  const table = html`<table>
    <thead><tr><th>Subject</th><th>To</th><th>Received</th></tr></thead>
    <tbody>${rows}</tbody>
  </table>`;
  const count = messages.length === 1 ? '1 mail' : `${messages.length} mails`;
  return page(
    `${count} · Inbox`,
    html`<header><h1>Inbox</h1><p>${count}. Nothing here has left this machine.</p></header>
    <main>${messages.length === 0 ? html`<p class="empty">No mail yet. This page shows it as it comes.</p>` : table}</main>`,
  );
}

export function messagePage(message: Message, view: View): Html {
  const tabs = VIEWS.map((name) => {
    const current = name === view ? html` aria-current="page"` : html``;
    return html`<a href="/messages/${message.id}?view=${name}"${current}>${LABELS[name]}</a>`;
  });
  const attachments = message.attachments.map(
    ({ filename, bytes }, index) =>
      html`<br>Attached: <a href="/messages/${message.id}/attachments/${index}">${filename}</a> (${bytes} bytes)`,
  );
  return page(
    message.subject,
    html`<header>
      <p><a href="/">← Inbox</a></p>
      <h1>${message.subject || '(no subject)'}</h1>
      <p>${message.from} → ${message.to.join(', ')} · ${time(message.at)}${attachments}</p>
    </header>
    <nav>${tabs}</nav>
    ${content(message, view)}`,
    true,
  );
}

function content(message: Message, view: View): Html {
  if (view === 'html') {
    // Scripts and forms stay off. Links may open a new tab, as an ordinary page.
    return html`<main class="fill"><iframe title="The mail" src="/messages/${message.id}/html"
      sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe></main>`;
  }
  if (view === 'headers') {
    const rows = message.headers.map(({ name, value }) => html`<tr><th>${name}</th><td>${value}</td></tr>`);
    return html`<main><table><tbody>${rows}</tbody></table></main>`;
  }
  return html`<main><pre>${view === 'text' ? message.text || '(no text part)' : message.raw}</pre></main>`;
}
