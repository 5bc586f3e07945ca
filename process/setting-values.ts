/** The valid values of the settings. A value that could not work later is refused when the process starts. */
import { isIP } from 'node:net';
import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { parseMailbox } from '../activities/mail/mailbox.ts';
import type { VolumeTier } from '../billing/discounts.ts';
import { parseDollars } from '../billing/money.ts';

/** A custom rule: `read` returns the value, or throws an error that describes the expected form. */
const readBy = <T>(read: (text: string) => T) =>
  z.string().transform((text, context) => {
    try {
      return read(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });

/** Node's setTimeout fires at once for a longer time. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Reads a duration such as `300s`, in milliseconds. A number without a unit is refused, because `ms` would read
 * milliseconds.
 */
export const duration = readBy((text) => {
  const value = ms(text as StringValue);
  if (!Number.isFinite(value) || value < 0 || (value > 0 && /^[\d.]+$/.test(text)))
    throw new Error('expected a duration such as 300s or 1h');
  if (value > LONGEST_MS) throw new Error('expected a duration of 24 days or less');
  return value;
});

export const dollars = readBy(parseDollars);

export const presets = z
  .string()
  .transform((text) => text.split(',').map((item) => item.trim()))
  .pipe(z.array(dollars).min(1));

/** `https://app.example,https://admin.example`: addresses without a path. */
export const origins = readBy((text) =>
  text.split(',').map((item) => {
    const written = item.trim().replace(/\/$/, '');
    const url = URL.canParse(written) ? new URL(written) : null;
    if (!url || url.origin !== written.toLowerCase() || !/^https?:$/.test(url.protocol))
      throw new Error('expected origins such as https://app.example, separated by commas');
    return url.origin;
  }),
);

export const count = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number')
  .transform(Number);

export const countFromOne = count.refine((value) => value >= 1, 'expected a whole number of 1 or more');

export const port = count.refine((value) => value >= 1 && value <= 65_535, 'expected a port from 1 to 65535');

export const flag = z.enum(['true', 'false'], 'expected true or false').transform((text) => text === 'true');

const CONTROL = /[\p{Cc}\p{Cs}]/u;

/** A single line for a paper. */
export const paperLine = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine((text) => text.trim() !== '' && !CONTROL.test(text), 'expected one line of text');

/** Lines for a paper, with the two characters `\n` between them: `1 Main Street\n10115 Berlin`. */
export const paperLines = (longest: number, mostLines: number) =>
  readBy((text) => {
    const lines = text.split('\\n').map((line) => line.trim());
    if (text.length > longest || lines.length > mostLines || lines.some((line) => line === '' || CONTROL.test(line)))
      throw new Error(`expected up to ${mostLines} lines of text with \\n between them, ${longest} characters in all`);
    return lines.join('\n');
  });

const TIER = /^(\d{1,9}):(\d{1,2}(?:\.\d{1,2})?)$/;

/** `1000:2,5000:5`: who has spent $1,000 in the last 30 days pays 2 % less, $5,000 5 %. */
export function readTiers(text: string): VolumeTier[] {
  return text.split(',').map((item) => {
    const [, spent, percent] = TIER.exec(item.trim()) ?? [];
    if (spent === undefined || percent === undefined)
      throw new Error('expected dollars:percent,… such as 1000:2,5000:5, or none');
    return { spendMicros: parseDollars(spent), basisPoints: Math.round(Number(percent) * 100) };
  });
}

export const tiers = readBy((text) => (text.trim() === 'none' ? [] : readTiers(text)));

/** The longest key that the api reads from an Authorization header. */
const LONGEST_KEY = 512;

/** A secret for an HTTP header. Other characters are changed on the way. */
const headerValue = z
  .string()
  .max(LONGEST_KEY, `expected ${LONGEST_KEY} characters or fewer`)
  .regex(/^[\x21-\x7e]*$/, 'expected letters, digits and punctuation of ASCII, without spaces');

export const apiKey = headerValue;

export const platformKey = headerValue.min(16, 'expected 16 characters or more');

export const stripeSecretKey = headerValue.refine(
  (key) => /^(sk|rk)_/.test(key),
  "expected Stripe's secret key (sk_…) or a restricted key (rk_…); a publishable key (pk_…) cannot charge",
);

export const stripeWebhookSecret = headerValue.refine(
  (secret) => /^whsec_./.test(secret),
  "expected the signing secret of Stripe's webhook endpoint, which begins with whsec_",
);

/** A receiver's library reads the text after `whsec_` as base64, so a secret with the prefix must be base64. */
export const signingSecret = z
  .string()
  .min(16, 'expected 16 characters or more')
  .max(LONGEST_KEY, `expected ${LONGEST_KEY} characters or fewer`)
  .refine(
    (secret) =>
      !secret.startsWith('whsec_') || /^whsec_(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2,3}={0,2})?$/.test(secret),
    'expected base64 after whsec_',
  );

/** An address with one of the schemes, readable by `new URL`. */
export const address = (...schemes: string[]) =>
  z
    .string()
    .refine(
      (text) => schemes.some((scheme) => text.startsWith(`${scheme}://`)) && URL.canParse(text) && !/\s/.test(text),
      `expected an address that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    );

/** An address to which paths are appended. */
export const baseAddress = address('http', 'https').refine(
  (text) => !/[?#]/.test(text),
  'expected an address without ? and #',
);

export const hostAndPort = z
  .string()
  .refine(
    (text) => /^[^\s/@]+:\d{1,5}$/.test(text) && Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535,
    'expected host:port, without a scheme',
  );

export const mailbox = readBy(parseMailbox);

/** The address of a mail server. Addresses that Nodemailer would misread are refused. */
export const smtpUrl = readBy((text) => {
  if (!/^smtps?:\/\//.test(text)) throw new Error('expected an address that begins with smtp:// or smtps://');
  if (!URL.canParse(text))
    throw new Error(
      'expected smtp://name:password@host:port with a port of 65535 or less, and special characters of the name and the password as %40 and so on',
    );
  const { hostname, pathname, hash, username, password } = new URL(text);
  if (hostname === '') throw new Error('expected a host: smtp://name:password@host:port');
  if (!/^\/?$/.test(pathname) || hash !== '' || /[@\s]/.test(pathname))
    throw new Error(
      'expected nothing after the port but options (?…); write / # ? and @ of a password as %2F %23 %3F %40',
    );
  if ((username === '') !== (password === '')) throw new Error('expected a name and a password, or neither');
  if (/%(?![0-9a-fA-F]{2})/.test(username + password))
    throw new Error('expected a % of the name or the password as %25');
  return text;
});

export const color = z.string().regex(/^#[0-9a-fA-F]{6}$/, 'expected a colour such as #1d4ed8');

/** A single line for people. */
export const line = (longest: number) => z.string().min(1).max(longest, `expected ${longest} characters or fewer`);

/** The address of a team's page: `{team}` is replaced by the team's id. */
export const pageAddress = readBy((text) => {
  const example = text.replaceAll('{team}', 'team-1');
  if (!/^https?:\/\//.test(text) || !URL.canParse(example) || /\s/.test(text))
    throw new Error('expected an address such as https://console.example/teams/{team}/billing');
  const unknown = /\{[^}]*\}?/.exec(example);
  if (unknown) throw new Error(`expected no placeholder but {team}, and found ${unknown[0]}`);
  if (new URL(example).hostname.includes('team-1'))
    throw new Error('expected {team} in the path or after ?, not in the host');
  return text;
});

/** The mail address or page at which people ask for help. */
export const contact = readBy((text) => {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  const { name, address } = parseMailbox(text);
  if (name !== '') throw new Error('expected an address alone, without a name');
  return address;
});

/** The name or number of an interface to listen on. */
export const host = z.string().regex(/^[A-Za-z0-9.:_-]{1,255}$/, 'expected a host name or an IP address');

/**
 * The general fault of a value, for any setting: a line break from a file that was read whole, or a space from a quoted
 * value, would become a part of a key, an address or a name.
 */
export function blemishOf(value: string): string | undefined {
  if (/[\r\n]$/.test(value)) return 'ends with a line break';
  if (value !== value.trim()) return 'begins or ends with a space';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is searched for
  if (/[\u0000-\u001f\u007f]/.test(value)) return 'holds a control character';
  return undefined;
}

/** `1` for one load balancer, or the addresses and networks of all of them: `10.0.0.0/8,fd00::/8`. */
export const proxies = z.string().transform((text, context): number | string[] | false => {
  if (text === 'none') return false;
  if (/^[1-9]$/.test(text)) return Number(text);
  const networks = text.split(',').map((network) => network.trim());
  if (networks.every(isNetwork)) return networks;
  context.addIssue({
    code: 'custom',
    message: 'expected none, a number of proxies from 1 to 9, or addresses and networks such as 10.0.0.0/8',
  });
  return z.NEVER;
});

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (longest === -1 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest);
}
