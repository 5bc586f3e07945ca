/**
 * The address to which a person returns after a payment page. The caller names the address with the deposit. The
 * address is checked on receipt and stored in a row, so no link of ours can be changed to lead elsewhere.
 */
import { z } from './schemas.ts';

const MAX_LENGTH = 2_000;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
/** Characters that browsers ignore or reinterpret. */
const MISLEADING = /[\s\\\p{Cc}]/u;

export interface ReturnRules {
  /** The allowed origins; null: every https address, and http on this machine. */
  returnUrlOrigins: readonly string[] | null;
  publicUrl: string;
}

const isPlain = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));

/** The reason why an address is refused as a return address, or null. */
export function returnUrlFault(text: string, { returnUrlOrigins, publicUrl }: ReturnRules): string | null {
  const expected = 'must be an address such as "https://app.example/billing"';
  if (MISLEADING.test(text) || !URL.canParse(text)) return expected;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'must hold no user name and no password';
  if (returnUrlOrigins === null && isPlain(url)) return null;
  if (returnUrlOrigins === null) return `${expected}; http is for this machine only`;
  if (url.origin === new URL(publicUrl).origin || returnUrlOrigins.includes(url.origin)) return null;
  return `${url.origin} is not among the origins that RETURN_URL_ORIGINS allows`;
}

export const returnUrl = (rules: ReturnRules) =>
  z
    .string()
    .max(MAX_LENGTH)
    .superRefine((text, context) => {
      const fault = returnUrlFault(text, rules);
      if (fault !== null) context.addIssue({ code: 'custom', message: fault });
    })
    .openapi({
      format: 'uri',
      description:
        'the address to which the person returns after the page: https, http on this machine, or one of the configured origins',
      example: 'https://app.example/billing',
    });

/** The address with values added to its query. */
export function withQuery(address: string, added: Record<string, string>): string {
  const url = new URL(address);
  for (const [name, value] of Object.entries(added)) url.searchParams.set(name, value);
  return url.href;
}
