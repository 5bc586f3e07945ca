import { Gates } from '../gates.ts';
import { type Journal, openJournal } from '../journal.ts';
import { type Logger, toLog } from '../log.ts';
import { listen } from '../web.ts';
import type { Message } from './message.ts';
import { type Answer, type MailPassing, type Refusal, receiveMail } from './smtp.ts';
import { mailApp } from './web.ts';

export type { Message } from './message.ts';
export type { Answer, MailPassing, Refusal } from './smtp.ts';

export interface MailInboxOptions {
  readonly smtpPort?: number;
  readonly webPort?: number;
  /** Keeps the mails as JSON lines, through restarts. */
  readonly file?: string;
  readonly logger?: Logger;
}

export interface MailInbox {
  /** For Nodemailer: "smtp://127.0.0.1:2525". */
  readonly smtpUrl: string;
  readonly webUrl: string;
  /** All mails, the oldest first. */
  messages(): readonly Message[];
  waitFor: Journal<Message>['waitFor'];
  clear(): Promise<void>;
  /** Makes the server ill, or (null) well again. Holds for connections and messages from now on. */
  refuse(mode: Refusal | Answer | null): void;
  /** Gates at which a test pauses messages. */
  readonly gates: Gates<MailPassing>;
  stop(): Promise<void>;
}

/** A mail server that stores everything and delivers nothing, with a page for reading. */
export async function startMailInbox(options: MailInboxOptions = {}): Promise<MailInbox> {
  const log = toLog(options.logger);
  const inbox = await openJournal<Message>(options.file, ({ subject, to }) => `"${subject}" to ${to.join(', ')}`);
  const gates = new Gates<MailPassing>();
  let mode: Refusal | Answer | null = null;
  const refuse = (next: Refusal | Answer | null) => {
    mode = next;
  };
  const smtp = await receiveMail(
    options.smtpPort ?? 0,
    () => mode,
    async (message) => {
      await inbox.append(message);
      log(`mail for ${message.to.join(', ')}: ${message.subject}`);
    },
    gates,
  );
  const web = await listen(mailApp(inbox, refuse), options.webPort).catch(async (error: Error) => {
    await smtp.close();
    throw error;
  });
  return {
    smtpUrl: `smtp://127.0.0.1:${smtp.port}`,
    webUrl: web.url,
    messages: inbox.all,
    waitFor: inbox.waitFor,
    clear: inbox.clear,
    refuse,
    gates,
    async stop() {
      gates.close();
      await Promise.all([smtp.close(), web.close()]);
    },
  };
}
