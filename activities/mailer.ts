/** Mails by SMTP. Addresses are read here and go to the mail server alone: into no log and no payload. */
import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';
import type { Terms } from '../billing/account.ts';
import type { Db } from '../prisma/client.ts';
import { claimNotice, findNotice, markSent } from '../prisma/notices.ts';
import { getTeam } from '../prisma/teams.ts';
import { final, mailFailure } from './failures.ts';
import { billingPage } from './links.ts';
import { mailOfNotice } from './mail-of-notice.ts';
import type { Mailer } from './notices.ts';
import { DEFAULT_ISSUER, type Issuer } from './papers/issuer.ts';
import type { Log } from './world.ts';

export interface MailerWorld {
  db: Db;
  terms: Terms;
  /** `smtp://` or `smtps://`, with name and password where the server wants them. */
  smtpUrl: string;
  /** MAIL_FROM: an address, or a name with an address in angle brackets. */
  from: string;
  publicUrl: string;
  /** Who gives receipts. */
  issuer?: Issuer;
  log: Log;
}

/** Each shorter than the activity's minute, so that a server that says nothing is told of as that. */
const TIMEOUTS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000, dnsTimeout: 10_000 };

/**
 * Connections to the mail server, kept for the next mail. A worker sends no more mails at once than this, so none waits
 * for a connection past its activity's time, to be sent a second time when a server that hung is well again.
 */
export const MAILS_AT_ONCE = 10;

export function createMailer(world: MailerWorld): Mailer & { close(): void } {
  const { db, terms, from, log, issuer = DEFAULT_ISSUER } = world;
  // A mail whose connection breaks is tried again by its workflow, where it can be seen, and not by the pool.
  const pool = { pool: true as const, maxConnections: MAILS_AT_ONCE, maxRequeues: 0 };
  const transport = createTransport({ url: world.smtpUrl, ...pool, ...TIMEOUTS });
  const host = /@([^>\s]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';

  const deliverMail: Mailer['deliverMail'] = async ({ noticeId, nowSecond }) => {
    const notice = await findNotice(db, noticeId);
    if (notice === null) throw final('mail', `no such notice: ${noticeId}`);
    const { name, email } = await getTeam(db, notice.teamId);
    // In one line: a name must not write lines of its own into the mail.
    const about = { teamName: name.replace(/\s+/g, ' '), billingUrl: billingPage(world.publicUrl) };
    const mail = await mailOfNotice({ db, terms, notice, about, nowSecond, issuer });
    if (mail === null) throw final('mail', `no words for a notice of the kind ${notice.kind}`);
    try {
      await transport.sendMail({
        ...mail,
        from,
        // As an object: a comma in it makes no second recipient.
        to: { name: '', address: email },
        messageId: `<${messageHash(noticeId)}@${host}>`,
        headers: { 'Auto-Submitted': 'auto-generated', 'List-Id': `Burnrate billing <billing.${host}>` },
      });
    } catch (error) {
      const failure = mailFailure(error);
      log[failure.nonRetryable ? 'error' : 'warn']({ noticeId, error: failure.message }, 'a mail was not sent');
      throw failure;
    }
    log.info({ noticeId, teamId: notice.teamId }, 'a mail was sent');
  };

  return {
    deliverMail,
    sendMail: async (input) => {
      if ((await findNotice(db, input.noticeId)) === null) throw final('mail', `no such notice: ${input.noticeId}`);
      if (!(await claimNotice(db, input.noticeId, input.nowSecond))) return;
      await deliverMail(input);
      await markSent(db, input.noticeId, input.nowSecond);
    },
    close: () => transport.close(),
  };
}

/** The same notice is the same message: a mailbox that gets it twice, after a lost answer, can tell. */
const messageHash = (noticeId: string): string => createHash('sha256').update(noticeId).digest('hex').slice(0, 32);
