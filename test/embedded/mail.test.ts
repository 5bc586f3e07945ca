/** Tests the mail inbox: storage, waits, SMTP faults, web page and restarts. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nodemailer, { type SendMailOptions } from 'nodemailer';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type MailInbox, startMailInbox } from '../../embedded/mail/inbox.ts';

let inbox: MailInbox;
beforeAll(async () => {
  inbox = await startMailInbox();
});
afterAll(() => inbox.stop());
afterEach(async () => {
  inbox.refuse(null);
  await inbox.clear();
});

const mail = {
  from: 'Burnrate <billing@burnrate.test>',
  to: 'ada@example.com',
  subject: 'Credits low',
  text: 'Top up.',
};

/** Sends as the product does, with Nodemailer. */
async function send(extra: SendMailOptions = {}, to: MailInbox = inbox, timeouts: object = {}) {
  const transport = nodemailer.createTransport({ url: to.smtpUrl, ...timeouts } as object);
  return await transport.sendMail({ ...mail, ...extra }).finally(() => transport.close());
}
const page = async (path: string) => await (await fetch(inbox.webUrl + path)).text();

describe('the mail inbox', () => {
  it('stores a sent mail, parsed', async () => {
    await send({ html: '<p>Top <b>up</b>.</p>', attachments: [{ filename: 'invoice.csv', content: 'a,b\n1,2\n' }] });
    const [message, ...others] = inbox.messages();
    expect(others).toEqual([]);
    expect(message).toMatchObject({
      from: 'Burnrate <billing@burnrate.test>',
      to: ['ada@example.com'],
      subject: 'Credits low',
      attachments: [{ filename: 'invoice.csv', mimeType: 'text/csv', bytes: 8 }],
    });
    expect(message?.html.trim()).toBe('<p>Top <b>up</b>.</p>');
    expect(message?.text.trim()).toBe('Top up.');
    expect(message?.headers).toContainEqual({ name: 'Subject', value: 'Credits low' });
  });

  it('reads subjects and names beyond ASCII, and lists blind-copy recipients', async () => {
    await send({ subject: 'Guthaben knapp – 2,49 €', to: 'Žofie <zofie@example.com>', bcc: 'audit@example.com' });
    expect(inbox.messages()[0]).toMatchObject({
      subject: 'Guthaben knapp – 2,49 €',
      to: ['zofie@example.com', 'audit@example.com'],
    });
  });

  it('can be awaited for past and future mails', async () => {
    const coming = inbox.waitFor(({ subject }) => subject === 'second');
    await send({ subject: 'first' });
    await send({ subject: 'second' });
    expect((await coming).subject).toBe('second');
    expect((await inbox.waitFor(({ subject }) => subject === 'first')).subject).toBe('first');
  });

  it('lists the mails that arrived when a wait times out', async () => {
    await send();
    await expect(inbox.waitFor(() => false, 20)).rejects.toThrow(
      'Waited 20 ms in vain. What arrived: "Credits low" to ada@example.com.',
    );
  });

  it('accepts any name and password, because a sender may be configured with credentials', async () => {
    const url = inbox.smtpUrl.replace('smtp://', 'smtp://user:secret@');
    const transport = nodemailer.createTransport(url);
    await transport.sendMail(mail).finally(() => transport.close());
    expect(inbox.messages()).toHaveLength(1);
  });
});

describe('a faulty mail server', () => {
  it('can refuse temporarily (4xx) and permanently (5xx), and stores nothing', async () => {
    inbox.refuse('4xx');
    await expect(send()).rejects.toMatchObject({ responseCode: 451 });
    inbox.refuse('5xx');
    await expect(send()).rejects.toMatchObject({ responseCode: 550 });
    expect(inbox.messages()).toEqual([]);
  });

  it('can leave a sender without an answer', async () => {
    inbox.refuse('hang');
    const timeouts = { greetingTimeout: 300, socketTimeout: 300 };
    await expect(send({}, inbox, timeouts)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  });

  it('can close the connection', async () => {
    inbox.refuse('drop');
    await expect(send()).rejects.toThrow('Connection closed unexpectedly');
    expect(inbox.messages()).toEqual([]);
  });

  it('can close the connection after it stored the mail, so that the result is unknown to the sender', async () => {
    inbox.refuse('drop-after');
    await expect(send()).rejects.toThrow('Connection closed unexpectedly');
    expect(inbox.messages()).toHaveLength(1);
  });

  it('recovers, by a call over HTTP too', async () => {
    const tell = (mode: unknown) =>
      fetch(`${inbox.webUrl}/_control/refuse`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ mode }),
      });
    expect((await tell('drop')).status).toBe(200);
    await expect(send()).rejects.toThrow();
    expect((await tell('sulk')).status).toBe(400);
    expect((await tell(null)).status).toBe(200);
    await send();
    expect(inbox.messages()).toHaveLength(1);
  });
});

describe('the page of the inbox', () => {
  const evil = '<script>alert(1)</script>';

  it('lists the mails, newest first, and escapes their content', async () => {
    await send({ subject: 'older' });
    await send({ subject: evil });
    const list = await page('/');
    expect(list).not.toContain(evil);
    expect(list.indexOf('&lt;script&gt;alert(1)')).toBeGreaterThan(0);
    expect(list.indexOf('&lt;script&gt;alert(1)')).toBeLessThan(list.indexOf('older'));
  });

  it("shows a mail's HTML in a frame without scripts or external images", async () => {
    await send({ html: `<p>Hello</p>${evil}` });
    const { id } = inbox.messages()[0]!;
    expect(await page(`/messages/${id}`)).toContain('sandbox="allow-popups allow-popups-to-escape-sandbox"');
    const framed = await fetch(`${inbox.webUrl}/messages/${id}/html`);
    const policy = framed.headers.get('Content-Security-Policy');
    expect(policy).toMatch(/^sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'/);
    expect(policy).not.toMatch(/script|https?:/);
    expect(await framed.text()).toContain('<p>Hello</p>');
  });

  it('shows the text, the headers and the source, escaped', async () => {
    await send({ text: `Text ${evil}`, headers: { 'X-Cause': evil } });
    const { id } = inbox.messages()[0]!;
    for (const [view, expected] of [
      ['text', 'Text &lt;script&gt;'],
      ['headers', 'X-Cause'],
      ['source', 'X-Cause: &lt;script&gt;'],
    ]) {
      const shown = await page(`/messages/${id}?view=${view}`);
      expect(shown).toContain(expected);
      expect(shown).not.toContain(evil);
    }
  });

  it('allows only its own style and script', async () => {
    const { headers } = await fetch(inbox.webUrl);
    expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'; style-src 'self'; script-src 'self'");
    for (const part of ['/style.css', '/reload.js']) expect((await fetch(inbox.webUrl + part)).status).toBe(200);
  });

  it('serves attachments', async () => {
    await send({ attachments: [{ filename: 'statement.bin', content: Buffer.from([0, 1, 254, 255]) }] });
    const { id } = inbox.messages()[0]!;
    const answer = await fetch(`${inbox.webUrl}/messages/${id}/attachments/0`);
    expect(answer.headers.get('Content-Disposition')).toBe('attachment; filename=statement.bin');
    expect([...new Uint8Array(await answer.arrayBuffer())]).toEqual([0, 1, 254, 255]);
    expect((await fetch(`${inbox.webUrl}/messages/${id}/attachments/1`)).status).toBe(404);
  });

  it('answers JSON, and can be emptied', async () => {
    await send();
    const list = JSON.parse(await page('/api/messages'));
    expect(list).toMatchObject([{ subject: 'Credits low', to: ['ada@example.com'] }]);
    expect(JSON.parse(await page(`/api/messages/${list[0].id}`)).raw).toContain('Subject: Credits low');
    expect((await fetch(`${inbox.webUrl}/api/messages`, { method: 'DELETE' })).status).toBe(204);
    expect(inbox.messages()).toEqual([]);
  });

  it('notifies an open page of a new mail', async () => {
    const changes = await fetch(`${inbox.webUrl}/api/changes`);
    const reader = changes.body!.getReader();
    await send();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: look again\n\n');
    await reader.cancel();
  });
});

describe('an inbox with a file', () => {
  it('has its mails again after a restart, except a mail that a crash truncated', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'burnrate-mail-'));
    const file = join(dir, 'folder', 'mail.jsonl');
    const first = await startMailInbox({ file });
    await send({ subject: 'kept' }, first);
    await first.stop();
    await appendFile(file, '{"id": "half');
    const second = await startMailInbox({ file });
    expect(second.messages().map(({ subject }) => subject)).toEqual(['kept']);
    await second.stop();
    await rm(dir, { recursive: true });
  });
});
