/** Mails by SMTP. Addresses are read here and go to the mail server alone: into no log and no payload. */

import type { ApplicationFailure } from '@temporalio/activity';
import { createTransport } from 'nodemailer';
import type { BillingSettings } from '../../billing/account.ts';
import type { Micros } from '../../billing/money.ts';
import type { Db } from '../../prisma/client.ts';
import { digest128 } from '../../prisma/digest.ts';
import { claimNotice, findNotice, markSent } from '../../prisma/notices.ts';
import { getTeam } from '../../prisma/teams.ts';
import { final, mailFailure } from '../failures.ts';
import { billingPage } from '../links.ts';
import { DEFAULT_ISSUER, type Issuer } from '../papers/issuer.ts';
import type { Mailer } from '../providers.ts';
import type { Log } from '../world.ts';
import { askForHelp, type Brand } from './brand.ts';
import type { About } from './facts.ts';
import { mailOfNotice } from './mail-of-notice.ts';
import type { Mailbox } from './mailbox.ts';

export interface MailerWorld {
  db: Db;
  settings: BillingSettings;
  /** The smallest deposit that is offered. */
  minDepositMicros: Micros;
  /** `smtp://` or `smtps://`, with name and password if the server requires them. */
  smtpUrl: string;
  from: Mailbox;
  /** The address for answers to a mail. Null: `from`. */
  replyTo?: Mailbox | null;
  brand: Brand;
  /** BILLING_URL, with `{team}` for the team's id. */
  billingUrl: string;
  /** Who gives receipts. */
  issuer?: Issuer;
  log: Log;
}

/** All below the activity's one-minute timeout, so a silent server is reported as an SMTP timeout. */
const TIMEOUTS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000, dnsTimeout: 10_000 };

/**
 * Connections to the mail server, kept for the next mail. A worker sends no more mails at once, so no mail waits for a
 * connection past its activity's timeout and is then sent twice.
 */
export const MAILS_AT_ONCE = 10;

export function createMailer(world: MailerWorld): Mailer & { close(): void } {
  const { db, settings, minDepositMicros, from, replyTo = null, brand, log, issuer = DEFAULT_ISSUER } = world;
  // The notice's workflow retries, visibly for operators, so the pool makes no retries.
  const pool = { pool: true as const, maxConnections: MAILS_AT_ONCE, maxRequeues: 0 };
  const transport = createTransport({ url: world.smtpUrl, ...pool, ...TIMEOUTS });
  const host = from.address.slice(from.address.lastIndexOf('@') + 1);
  const sender = { name: from.name || brand.name, address: from.address };

  const deliverMail: Mailer['deliverMail'] = async ({ noticeId, nowSecond }) => {
    const notice = await findNotice(db, noticeId);
    if (notice === null) throw final('mail', `no such notice: ${noticeId}`);
    const { name, email } = await getTeam(db, notice.teamId);
    const about: About = {
      teamName: inOneLine(name),
      billingUrl: billingPage(world.billingUrl, notice.teamId),
      brand,
      help: askForHelp(brand),
    };
    const mail = await mailOfNotice({ db, settings, minDepositMicros, notice, about, nowSecond, issuer });
    if (mail === null) throw final('mail', `no words for a notice of the kind ${notice.kind}`);
    // As an object: a comma in an address makes no second recipient.
    const to = { name: '', address: email };
    const messageId = `<${digest128(noticeId)}@${host}>`;
    const message = { ...mail, from: sender, ...(replyTo !== null && { replyTo }), to, messageId, headers: HEADERS };
    /**
     * A separate message for each recipient: with two recipients the server could take one and refuse the other, and a
     * retry would repeat the first.
     */
    const sendTo = async (recipient: Mailbox): Promise<void> => {
      try {
        await transport.sendMail({ ...message, envelope: { from: sender, to: recipient } });
      } catch (error) {
        throw mailFailure(error);
      }
    };
    const failed = (what: string, failure: ApplicationFailure): void =>
      log[failure.nonRetryable ? 'error' : 'warn']({ noticeId, error: failure.message }, what);

    await sendTo(to).catch((failure: ApplicationFailure) => {
      failed('a mail was not sent', failure);
      throw failure;
    });
    log.info({ noticeId, teamId: notice.teamId }, 'a mail was sent');
    // A failed copy is not retried, because the team has its mail, and the paper can be downloaded.
    if (mail.cc !== undefined && mail.cc.address !== email)
      await sendTo(mail.cc).catch((failure: ApplicationFailure) => failed('the copy of a mail was not sent', failure));
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

/** These headers stop out-of-office answers (RFC 3834; Exchange). A List-Id would mark a newsletter. */
const HEADERS = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'OOF, AutoReply' };

/**
 * A name for a header and a sentence, in a single line: a line break would add header lines, and direction marks would
 * reorder the words around the name.
 */
const inOneLine = (name: string): string =>
  name
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .trim();

/** The same notice has the same Message-ID, so a mailbox can drop a duplicate after a lost answer. */
