/**
 * What an SMTP server's refusal means for a notice. `refused`: the recipient's address does not work, so no retry brings
 * the mail there. `retry`: everything else, because our own configuration, the server's policy and the recipient's quota
 * are mended by people while the mail waits.
 *
 * Sources:
 * - RFC 5321, 4.2.1 and 4.2.3: basic reply codes; 4xx is transient by definition
 * - RFC 3463 and the IANA registry "SMTP Enhanced Status Codes" (RFC 5248): class.subject.detail
 * - RFC 7505: 5.1.10, the domain has a null MX; RFC 7504: 521 and 556, the host or domain accepts no mail
 */

export interface SmtpAnswer {
  /** The refused command: `CONN`, `EHLO`, `AUTH PLAIN`, `MAIL FROM`, `RCPT TO`, `DATA`. */
  command: string | undefined;
  /** 550, for example. Absent when there was no answer. */
  responseCode: number | undefined;
  /** The answer with all of its lines. The answer holds addresses, so no log and no failure may contain the text. */
  response: string | undefined;
}

export type SmtpVerdict = 'refused' | 'retry';

/** Enhanced codes of a recipient that cannot be reached at this address. */
const RECIPIENT_REFUSED = new Map([
  ['5.1.0', 'other address status; to RCPT TO, the address is the recipient’s'],
  ['5.1.1', 'no such mailbox'],
  ['5.1.2', 'no such domain'],
  ['5.1.3', 'the address has no valid syntax'],
  ['5.1.4', 'the address is ambiguous'],
  ['5.1.6', 'the mailbox has moved and has no forwarding address'],
  ['5.1.10', 'the domain accepts no mail (null MX)'],
  ['5.2.1', 'the mailbox is disabled and accepts no mail'],
]);

/**
 * Enhanced codes that look final and are retried, with the person who can mend each. Every other code is retried too:
 * this list exists to be read and tested.
 */
export const RETRIED_CODES = new Map([
  ['5.1.7', 'sender address syntax: our MAIL_FROM'],
  ['5.1.8', 'sender domain: our MAIL_FROM or our DNS'],
  ['5.2.0', 'mailbox, unspecified: the recipient’s postmaster'],
  ['5.2.2', 'mailbox full: the recipient'],
  ['5.2.3', 'message too long: the recipient’s postmaster'],
  ['5.3.4', 'message too big for the server: our operator'],
  ['5.4.1', 'no answer from host: Exchange says this to strangers and unknown recipients alike'],
  ['5.4.4', 'no route: our mail server'],
  ['5.5.1', 'wrong sequence of commands: the session, not the mail'],
  ['5.6.0', 'content: our operator'],
  ['5.6.7', 'no support for non-ASCII addresses: our mail server'],
  ['5.7.0', 'security, for example 530 "authentication required": our SMTP_URL'],
  ['5.7.1', 'policy, relay or block list: our operator'],
  ['5.7.8', 'wrong credentials: our SMTP_URL'],
  ['5.7.13', 'sending account disabled: our mail provider'],
  ['5.7.26', 'SPF and DKIM both fail: our DNS'],
]);

/** Typical words in a bare `550` or `553` for an unknown recipient. RFC 5321 uses 550 for policy as well. */
const UNKNOWN_RECIPIENT = [
  /\bno such (user|mailbox|recipient|address|person|account)\b/i,
  /\b(user|mailbox|recipient|address|account)( is)? (unknown|not found|disabled|inactive)\b/i,
  /\bunknown (user|mailbox|recipient|address|local part)\b/i,
  /\b(user|mailbox|recipient|address|account)\b.{0,40}\b(does not|doesn't|did not) exist\b/i,
  /\b(user|mailbox|recipient|address) (name )?(is )?invalid\b|\binvalid (recipient|mailbox)\b/i,
];

/** Words that make a bare refusal ambiguous. A mail whose refusal has such a word is retried. */
const POLICY = /\b(relay|relaying|polic(y|ies)|blocked|block ?list|blacklist|spam|reputation|authenticat\w*|denied)\b/i;

/** The enhanced code of each line of an answer. Every line of a multi-line answer repeats the code (RFC 2034). */
export const enhancedCodes = (response: string): string[] => [
  ...new Set([...response.matchAll(/^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/gm)].map((match) => match[1] as string)),
];

export function smtpVerdict({ command, responseCode, response = '' }: SmtpAnswer): SmtpVerdict {
  if (responseCode === undefined || responseCode < 500 || responseCode > 599) return 'retry';
  // The greeting, the login and the sender are ours. A server may check the recipient only after the message (DATA).
  if (command !== 'RCPT TO' && command !== 'DATA') return 'retry';
  const codes = enhancedCodes(response);
  if (codes.length > 0) {
    const isAboutRecipient = (code: string) =>
      RECIPIENT_REFUSED.has(code) && (command === 'RCPT TO' || code !== '5.1.0');
    return codes.every(isAboutRecipient) ? 'refused' : 'retry';
  }
  if (command === 'DATA') return 'retry';
  if (responseCode === 556) return 'refused';
  if (responseCode !== 550 && responseCode !== 553) return 'retry';
  const text = response.replace(/\s+/g, ' ');
  return UNKNOWN_RECIPIENT.some((words) => words.test(text)) && !POLICY.test(text) ? 'refused' : 'retry';
}
