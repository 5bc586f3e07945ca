/**
 * Tests the settings of mails: a valid setting arrives unchanged in the header of a mail, and an invalid setting stops
 * the process.
 */
import fc from 'fast-check';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatMailbox, parseMailbox } from '../../activities/mail/mailbox.ts';
import { type MailInbox, startMailInbox } from '../../embedded/mail/inbox.ts';
import { readConfig } from '../../process/config.ts';
import { COMPLETE_ENVIRONMENT } from '../support/environment.ts';

const read = (change: Record<string, string>) => readConfig({ ...COMPLETE_ENVIRONMENT, ...change });

describe('a mailbox', () => {
  it.each([
    ['b@acme.example', '', 'b@acme.example'],
    ['<b@acme.example>', '', 'b@acme.example'],
    ['Acme <b@acme.example>', 'Acme', 'b@acme.example'],
    ['Acme: Billing <b@acme.example>', 'Acme: Billing', 'b@acme.example'],
    ['Acme, Inc. (EU); "Billing" <b@acme.example>', 'Acme, Inc. (EU); "Billing"', 'b@acme.example'],
    ['"Acme, Inc." <b@acme.example>', 'Acme, Inc.', 'b@acme.example'],
    ['"Acme \\"GPU\\" <cloud>" <b@acme.example>', 'Acme "GPU" <cloud>', 'b@acme.example'],
    ['Zażółć 株式会社 <b@acme.example>', 'Zażółć 株式会社', 'b@acme.example'],
    ['Billing <b@bücher.example>', 'Billing', 'b@xn--bcher-kva.example'],
    ['b+tag.x@mail.acme.example', '', 'b+tag.x@mail.acme.example'],
  ])('is read from %s', (text, name, address) => {
    expect(parseMailbox(text)).toEqual({ name, address });
  });

  it.each([
    'billing',
    'Acme <billing>',
    'Acme b@acme.example',
    'a@acme.example, b@acme.example',
    'Acme: a@acme.example, b@acme.example;',
    'b@acme',
    'b@@acme.example',
    'b @acme.example',
    '.b@acme.example',
    'ü@acme.example',
    'Acme <b@acme.example> (Billing)',
    'Acme\r\nBcc: c@evil.example <b@acme.example>',
    `${'n'.repeat(101)} <b@acme.example>`,
    '',
  ])('is refused as %j', (text) => {
    expect(() => parseMailbox(text)).toThrow(/^expected /);
  });

  it('that is invalid stops the process with a sentence that names the setting', () => {
    expect(() => read({ MAIL_FROM: 'billing' })).toThrow(
      /MAIL_FROM: expected an address such as billing@acme\.example/,
    );
    expect(() => read({ MAIL_REPLY_TO: 'a@b.example, c@d.example' })).toThrow(/MAIL_REPLY_TO: expected an address/);
  });

  describe('in the header of a mail', () => {
    let inbox: MailInbox;
    beforeAll(async () => {
      inbox = await startMailInbox();
    });
    afterAll(() => inbox.stop());

    it.each(['Acme: Billing', 'Acme, Inc.', 'Zażółć 株式会社', 'a@b.example', 'Group: x;', '<Acme>', '"quoted"'])(
      'is one sender with the name %s',
      async (name) => {
        const transport = createTransport({ url: inbox.smtpUrl });
        const from = parseMailbox(`${name} <b@acme.example>`);
        await transport.sendMail({ from, to: 'c@acme.example', subject: name, text: '…' });
        transport.close();
        const mail = inbox.messages().at(-1);
        expect(mail?.from).toBe(formatMailbox(from));
        expect(mail?.subject).toBe(name);
      },
    );
  });

  it('has any name that comes before an address in angle brackets', () => {
    const names = fc
      .string({ minLength: 1, maxLength: 40, unit: 'grapheme-ascii' })
      .filter((name) => !/^\s|\s$|^".*"$/.test(name));
    fc.assert(
      fc.property(names, (name) => {
        expect(parseMailbox(`${name} <b@acme.example>`)).toEqual({ name, address: 'b@acme.example' });
      }),
    );
  });
});

describe('SMTP_URL', () => {
  it.each([
    'smtp://mail:1025',
    'smtps://name:password@smtp.acme.example:465',
    'smtps://name%40acme.example:p%40ss%2F%23@smtp.acme.example',
    'smtp://127.0.0.1:25/?requireTLS=true',
  ])('can be %s', (url) => {
    expect(read({ SMTP_URL: url }).mail.smtpUrl).toBe(url);
  });

  it.each([
    'http://mail',
    'mail:25',
    'smtp://',
    'smtp://mail:99999',
    'smtp://mail:port',
    'smtps://name@smtp.acme.example',
    'smtps://:password@smtp.acme.example',
    'smtps://name:pass#word@smtp.acme.example',
    'smtps://name:pass/word@smtp.acme.example',
    'smtps://name:p%zz@smtp.acme.example',
    'smtp://mail:25/path',
  ])('cannot be %s, and the error repeats no password', (url) => {
    expect(() => read({ SMTP_URL: url })).toThrow(/SMTP_URL: /);
    try {
      read({ SMTP_URL: url });
    } catch (error) {
      expect((error as Error).message).not.toMatch(/pass#|pass\/|p%zz/);
    }
  });
});

describe('BILLING_URL', () => {
  it('is by default a page of this service, below the path of PUBLIC_URL', () => {
    expect(read({ PUBLIC_URL: 'https://x.example/bill//' })).toMatchObject({
      publicUrl: 'https://x.example/bill',
      billingUrl: 'https://x.example/bill/billing?team={team}',
    });
  });

  it.each([
    'https://console.example/teams/{team}/billing',
    'https://console.example/billing?t={team}',
    'https://x.example',
  ])('can be %s', (url) => {
    expect(read({ BILLING_URL: url }).billingUrl).toBe(url);
  });

  it.each([
    'console.example/{team}',
    'https://{team}.example/',
    'https://x.example/{id}',
    'javascript:{team}',
    'https://x.example/{team',
  ])('cannot be %s', (url) => {
    expect(() => read({ BILLING_URL: url })).toThrow(/BILLING_URL: expected/);
  });
});

describe('the brand', () => {
  it('is by default the name of the sender', () => {
    expect(read({ MAIL_FROM: 'Acme <b@acme.example>' }).mail.brand.name).toBe('Acme');
    expect(read({ MAIL_FROM: 'b@acme.example' }).mail.brand.name).toBe('Burnrate');
    expect(read({ MAIL_FROM: 'Acme <b@acme.example>', BRAND_NAME: 'Acme Cloud' }).mail.brand.name).toBe('Acme Cloud');
  });

  it.each([
    ['BRAND_COLOR', 'blue'],
    ['BRAND_COLOR', '#12345'],
    ['BRAND_LOGO_URL', 'logo.png'],
    ['BRAND_LOGO_URL', 'javascript:alert(1)'],
    ['SUPPORT_CONTACT', 'help'],
    ['SUPPORT_CONTACT', 'Help <help@acme.example>'],
    ['BRAND_NAME', 'n'.repeat(61)],
    ['MAIL_FOOTER', 'two\nlines'],
  ])('cannot have %s=%s', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(name);
  });

  it('has a support contact as a mail address or a page', () => {
    expect(read({ SUPPORT_CONTACT: 'help@acme.example' }).mail.brand.support).toBe('help@acme.example');
    expect(read({ SUPPORT_CONTACT: 'https://acme.example/help' }).mail.brand.support).toBe('https://acme.example/help');
  });
});
