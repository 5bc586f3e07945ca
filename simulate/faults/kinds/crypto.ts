/** A person pays in coins on a CopperX page. The coins count once their blocks are found. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckoutSession, CopperxPassing } from '../../../embedded/copperx/index.ts';
import type { Gate } from '../../../embedded/gates.ts';
import type { PaymentKind } from '../kind.ts';
import type { Site } from '../site.ts';
import { microsOf, type Team, UNITS_A_MICRO, unitsOf } from '../teams.ts';
import { pageOf } from './checkout.ts';

/** When a person looks whether the coins have gone. */
const PATIENCE_MS = 20_000;
const LOOKS_AGAIN_AFTER_MS = 300;
const SESSIONS = '/api/v1/checkout/sessions';
const dollarsOf = (team: Team): string => (microsOf(team) / 1_000_000).toFixed(2);
const isOf = (session: CheckoutSession | undefined, team: Team): boolean => session?.amountTotal === unitsOf(team);

export const crypto: PaymentKind = {
  name: 'crypto',
  play: async (site, team) => {
    await site.api.insist('POST', `/v1/teams/${team.id}/deposits`, { amount: dollarsOf(team), method: 'crypto' });
    await sendCoins(site, team, await pageOf(site, team));
  },
  hold: (site, team, step) => {
    if (step === 'before')
      return hold(site, ({ point, method, path, body }) => {
        const isPage = point === 'arrival' && method === 'POST' && path === SESSIONS;
        return isPage && JSON.stringify(body).includes(`"unitAmount":"${unitsOf(team)}"`);
      });
    const [point, method] = step === 'during' ? (['arrival', 'POST'] as const) : (['answer', 'GET'] as const);
    return hold(site, (at) => {
      const isPaid = step === 'during' || at.session?.status === 'complete';
      return at.point === point && at.method === method && isPaid && isOf(at.session, team);
    });
  },
  moved: (site, team) =>
    site.copperx
      .sessions()
      .filter((session) => isOf(session, team))
      .flatMap(({ clientReferenceId, paymentIntent }) =>
        paymentIntent.transactions.map(({ amount }) => ({
          depositId: clientReferenceId ?? 'none',
          amountMicros: Number(amount) / UNITS_A_MICRO,
        })),
      ),
  subject: /deposit/i,
  staysOpen: true,
  expected: (team) => ({
    deposit: { label: 'Deposit', status: 'succeeded', amountMicros: microsOf(team) },
    transfers: [{ code: 'deposit', micros: microsOf(team) }],
    mails: ['deposit_receipt'],
  }),
};

const hold = ({ copperx }: Site, matches: (passing: CopperxPassing) => boolean): Gate<unknown> =>
  copperx.gates.hold(matches);

/**
 * A person whose page did not answer looks, and sends the missing coins again. The page may still have the first
 * request and continue the request at any time, so the repeat is the same signed transaction: another transaction would
 * be a second payment, rightly credited.
 */
export async function sendCoins(
  { copperx }: Pick<Site, 'copperx'>,
  team: Team,
  page: string,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const haveGone = () =>
    copperx.sessions().some((session) => isOf(session, team) && session.paymentIntent.transactions.length > 0);
  const transactionHash = `0x${randomBytes(32).toString('hex')}`;
  const body = new URLSearchParams({ amount: dollarsOf(team), transactionHash });
  while (!haveGone()) {
    const signal = AbortSignal.timeout(patienceMs);
    await fetch(page, { method: 'POST', body, redirect: 'manual', signal }).catch(() => null);
    await sleep(LOOKS_AGAIN_AFTER_MS);
  }
}
