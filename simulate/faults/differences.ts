/** The comparison of the matrix: the provider against the ledger, one to one, and the mails. */
import { createHash } from 'node:crypto';
import type { Message } from '../../embedded/mail/inbox.ts';
import type { Case } from './cases.ts';
import type { Moved } from './kind.ts';
import type { Site } from './site.ts';
import type { TeamRows } from './team-rows.ts';
import type { Team } from './teams.ts';
import type { Fault, Step } from './words.ts';

/** The differences of a case, each in a sentence. Empty when all is right. */
export async function differencesOf(site: Site, team: Team, { kind, step, fault }: Case): Promise<string[]> {
  const now = await site.rows.of(team.id);
  if (!now) return ['the ledger cannot be read'];
  const expected = kind.expected(team);
  const mails = site.inbox.messages().filter(({ to }) => to.includes(team.email));
  return [
    ...unlike('the ledger’s deposits', now.deposits.map(depositInWords), [depositInWords(expected.deposit)]),
    ...unlike(
      'the ledger’s refunds',
      now.refunds.map(({ amountMicros, status }) => `${amountMicros} ${status}`),
      (expected.refunds ?? []).map((micros) => `${micros} succeeded`),
    ),
    ...unlike('the provider’s payments', kind.moved(site, team).map(movedInWords), movedIn(now).map(movedInWords)),
    ...unlike('the transfers', now.transfers.map(transferInWords), expected.transfers.map(transferInWords)),
    ...unlike('the balance', [String(now.postedMicros - now.owedMicros)], [String(sum(expected.transfers))]),
    ...unlike(
      'the mails',
      mailsOnce(mails),
      expected.mails.map((mail) => messageIdOf(mail, now)),
    ),
    ...mailsTwice(mails, step, fault),
  ];
}

const sum = (transfers: { micros: number }[]): number => transfers.reduce((total, { micros }) => total + micros, 0);

/** Two lists must hold the same, in any order. */
function unlike(what: string, found: string[], wanted: string[]): string[] {
  const [is, mustBe] = [found, wanted].map((list) => [...list].sort().join('; ') || 'none');
  return is === mustBe ? [] : [`${what}: ${is}, and must be: ${mustBe}`];
}

const depositInWords = (deposit: { label: string; status: string; amountMicros: number }): string =>
  `${deposit.label} of ${deposit.amountMicros} ${deposit.status}`;
const movedInWords = ({ depositId, amountMicros }: Moved): string => `${amountMicros} for ${depositId}`;
const transferInWords = ({ code, micros }: { code: string; micros: number }): string => `${code} ${micros}`;

/** Outside money in the ledger, by rows and not by a status. */
const OUTSIDE = ['deposit', 'auto_top_up', 'refund', 'refund_returned'];
const movedIn = ({ transfers }: TeamRows): Moved[] =>
  transfers
    .filter(({ code }) => OUTSIDE.includes(code))
    .map(({ depositId, micros }) => ({ depositId: depositId ?? 'none', amountMicros: micros }));

// ── mails ────────────────────────────────────────────────────────────────────────────────────────────────────────

const messageId = ({ headers }: Message): string =>
  headers.find(({ name }) => name.toLowerCase() === 'message-id')?.value ?? 'no Message-ID';

/**
 * A mail whose storage was not acknowledged comes again under its Message-ID. A mailbox recognises the duplicate by the
 * Message-ID, and so does this count.
 */
const mailsOnce = (mails: Message[]): string[] => [...new Set(mails.map(messageId))];

/**
 * The Message-ID of the team's mail of a kind. A repeat of the mail has the same Message-ID, because both name one
 * notice.
 */
function messageIdOf(kind: string, { notices }: TeamRows): string {
  const of = notices.filter((notice) => notice.kind === kind && notice.channel === 'mail');
  if (of.length !== 1) return `one ${kind} (${of.length} notices)`;
  return `<${createHash('sha256').update(of[0]!.id).digest('hex').slice(0, 32)}@burnrate.example>`;
}

/** Faults after which a mail may come twice: the acknowledgement of its storage was lost. */
const MAY_COME_AGAIN: readonly Fault[] = ['killed', 'timeout', 'dropped', '429', '500', 'postgres'];

function mailsTwice(mails: Message[], step: Step, fault: Fault): string[] {
  const again = mails.length - mailsOnce(mails).length;
  // The message is stored even when the caller has gone while the message was held. A timeout at `after_ledger` tests
  // this.
  const mayComeAgain = (step === 'after_ledger' || step === 'after_mail') && MAY_COME_AGAIN.includes(fault);
  return again > 0 && !mayComeAgain ? [`${again} mails came again though none was lost`] : [];
}
