import PostalMime, { type Address } from 'postal-mime';

/** A received mail, with parsed people and the raw source. */
export interface Message {
  readonly id: string;
  /** The time of receipt, RFC 3339. */
  readonly at: string;
  /** The header's, with names: "Burnrate <billing@example.com>". */
  readonly from: string;
  /** The envelope's recipients, blind copies included, as bare addresses. */
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly attachments: readonly { readonly filename: string; readonly mimeType: string; readonly bytes: number }[];
  /** The whole source. */
  readonly raw: string;
}

export interface Envelope {
  readonly id: string;
  readonly at: string;
  readonly from: string;
  readonly to: readonly string[];
}

export async function parseMessage(envelope: Envelope, raw: Buffer): Promise<Message> {
  const email = await PostalMime.parse(raw);
  return {
    ...envelope,
    from: email.from === undefined ? envelope.from : nameOf(email.from),
    subject: email.subject ?? '',
    text: email.text ?? '',
    html: email.html ?? '',
    headers: email.headers.map(({ originalKey, value }) => ({ name: originalKey, value })),
    attachments: email.attachments.map(({ filename, mimeType, content }) => ({
      filename: filename ?? 'unnamed',
      mimeType,
      bytes: typeof content === 'string' ? content.length : content.byteLength,
    })),
    raw: raw.toString('utf8'),
  };
}

function nameOf({ name, address }: Address): string {
  if (address === undefined) return name;
  return name === '' ? address : `${name} <${address}>`;
}

/** The bytes of the attachment at `index`, taken from the source again: few are ever looked at. */
export async function attachmentOf(message: Message, index: number): Promise<Buffer | undefined> {
  const { attachments } = await PostalMime.parse(message.raw);
  const content = attachments[index]?.content;
  if (content === undefined) return undefined;
  return typeof content === 'string' ? Buffer.from(content) : Buffer.from(content as Uint8Array);
}
