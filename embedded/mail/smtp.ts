import { randomUUID } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { Gates, Point, Way } from '../gates.ts';
import { type Message, parseMessage } from './message.ts';

/**
 * The faults of a mail server. `4xx`: "later, please". `5xx`: "never". `hang`: takes the connection and says nothing.
 * `drop`: hangs up at once. `drop-after`: takes the message, then hangs up before saying so, and no sender can tell
 * this from a loss.
 */
export type Refusal = '4xx' | '5xx' | 'hang' | 'drop' | 'drop-after';
export const REFUSALS: readonly Refusal[] = ['4xx', '5xx', 'hang', 'drop', 'drop-after'];

/** A custom refusal: `{at: 'rcpt', code: 554, text: '5.7.1 Client host blocked'}`. */
export interface Answer {
  /** The greeting, the login, MAIL FROM, RCPT TO, or the end of the message. */
  readonly at: (typeof ANSWER_POINTS)[number];
  readonly code: number;
  readonly text: string;
  /** Only for this recipient. */
  readonly to?: string;
}
export const ANSWER_POINTS = ['connect', 'auth', 'mail', 'rcpt', 'data'] as const;

const REPLIES: Partial<Record<Refusal, { code: number; text: string }>> = {
  '4xx': { code: 451, text: 'Mailbox busy, try again later' },
  '5xx': { code: 550, text: 'No such mailbox' },
};
const WAYS: Partial<Record<Way, { code: number; text: string }>> = {
  rate_limit: { code: 451, text: 'Too many messages, try again later' },
  error: { code: 421, text: 'Service not available, closing transmission channel' },
};
const MAX_BYTES = 25 * 1024 * 1024;

/** A message at a gate: read and not kept, or kept and not acknowledged. */
export interface MailPassing {
  readonly point: Point;
  readonly message: Message;
}

export interface SmtpReceiver {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens for SMTP on 127.0.0.1. A message is acknowledged only after `keep` has resolved. */
export async function receiveMail(
  port: number,
  refusal: () => Refusal | Answer | null,
  keep: (message: Message) => Promise<void>,
  gates: Gates<MailPassing>,
): Promise<SmtpReceiver> {
  const sockets = new Map<number | undefined, Socket>();
  const hangUp = (remotePort: number) => sockets.get(remotePort)?.destroy();
  /** The scripted error of the server at this point. */
  const answerAt = (at: Answer['at'], recipient?: string): Error | undefined => {
    const mode = refusal();
    if (typeof mode === 'string' || mode?.at !== at) return undefined;
    if (mode.to !== undefined && mode.to !== recipient) return undefined;
    return Object.assign(new Error(mode.text), { responseCode: mode.code });
  };
  const server = new SMTPServer({
    authOptional: true,
    // Any name and password will do: a stand-in has no accounts, but senders may be configured with some.
    allowInsecureAuth: true,
    onAuth: (auth, _session, callback) => callback(answerAt('auth'), { user: auth.username }),
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    size: MAX_BYTES,
    onConnect(session, callback) {
      const mode = refusal();
      if (mode === 'drop') hangUp(session.remotePort);
      else if (mode !== 'hang') callback(answerAt('connect'));
    },
    onMailFrom: (_address, _session, callback) => callback(answerAt('mail')),
    onRcptTo({ address }, _session, callback) {
      const mode = refusal();
      const reply = typeof mode === 'string' ? REPLIES[mode] : undefined;
      callback(reply ? Object.assign(new Error(reply.text), { responseCode: reply.code }) : answerAt('rcpt', address));
    },
    async onData(stream, session, callback) {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk as Buffer);
        const from = session.envelope.mailFrom;
        const envelope = {
          id: randomUUID(),
          at: new Date().toISOString(),
          from: from === false ? '' : from.address,
          to: session.envelope.rcptTo.map(({ address }) => address),
        };
        const message = await parseMessage(envelope, Buffer.concat(chunks));
        const mayPass = async (point: Point): Promise<boolean> => {
          const way = await gates.pass({ point, message }, sockets.get(session.remotePort));
          const reply = WAYS[way];
          if (way === 'drop') hangUp(session.remotePort);
          else if (reply) callback(Object.assign(new Error(reply.text), { responseCode: reply.code }));
          return way === 'on';
        };
        const answer = answerAt('data');
        if (answer) return callback(answer);
        if (!(await mayPass('arrival'))) return;
        await keep(message);
        if (!(await mayPass('answer'))) return;
        if (refusal() === 'drop-after') hangUp(session.remotePort);
        else callback(null, `kept as ${envelope.id}`);
      } catch (error) {
        callback(error as Error);
      }
    },
  });
  // Senders that hang up in the middle are normal, and no error of the server.
  server.on('error', () => {});
  server.server.on('connection', (socket) => {
    const { remotePort } = socket;
    sockets.set(remotePort, socket);
    socket.once('close', () => sockets.delete(remotePort));
  });
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets.values()) socket.destroy();
      }),
  };
}
