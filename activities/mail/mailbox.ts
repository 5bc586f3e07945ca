/** A mailbox as MAIL_FROM and MAIL_REPLY_TO name it: an address, or a name with an address in angle brackets (RFC 5322, 3.4). */
import { domainToASCII } from 'node:url';

export interface Mailbox {
  /**
   * Empty where only an address was given. May hold any letter, because a mail's header encodes the name (RFC 2047).
   */
  name: string;
  /** In ASCII. An international domain is in its `xn--` form. */
  address: string;
}

const NAMED = /^(.*)<([^<>]*)>$/s;
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/s;
/** RFC 5322's dot-atom. A quoted local part is legal but unused, and mail servers refuse quoted ones. */
const LOCAL_PART = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN = /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}$/;
const LONGEST_NAME = 100;
const LONGEST_ADDRESS = 254;

const EXPECTED =
  'expected an address such as billing@acme.example, or a name and an address: Acme <billing@acme.example>';

/**
 * Reads a mailbox. The name needs no quotes, whatever characters the name has: `Acme: Billing <b@acme.example>`.
 * @throws Error with a sentence about the expected form
 */
export function parseMailbox(text: string): Mailbox {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would begin another header
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new Error('expected one line without control characters');
  const [, before = '', bracketed] = NAMED.exec(text.trim()) ?? [];
  const name = unquoted(before.trim());
  const address = addressOf((bracketed ?? text).trim());
  if (address === null) throw new Error(EXPECTED);
  if (name.length > LONGEST_NAME) throw new Error(`expected a name of ${LONGEST_NAME} characters or fewer`);
  return { name, address };
}

function unquoted(name: string): string {
  const [, quoted] = QUOTED.exec(name) ?? [];
  return (quoted === undefined ? name : quoted.replace(/\\(.)/gs, '$1')).trim();
}

function addressOf(text: string): string | null {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  const domain = domainToASCII(text.slice(at + 1));
  const address = `${local}@${domain}`;
  return LOCAL_PART.test(local) && DOMAIN.test(domain) && address.length <= LONGEST_ADDRESS ? address : null;
}

/** The mailbox in the form of the configuration, for logs and tests. */
export const formatMailbox = ({ name, address }: Mailbox): string => (name === '' ? address : `${name} <${address}>`);
