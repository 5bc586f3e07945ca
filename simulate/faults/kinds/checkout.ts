/** A person pays on a Checkout page: the browser sends the payment, and the outcome is read afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { holdAtStripe, type PaymentKind } from '../kind.ts';
import type { Site } from '../site.ts';
import type { Team } from '../teams.ts';
import { savedCard } from './saved-card.ts';

const AMOUNT = { dollars: '50.00', micros: 50_000_000 };
/** When a person presses the button again: as long as the other callers wait, since cases are held together. */
const PATIENCE_MS = 20_000;
const LOOKS_AGAIN_AFTER_MS = 300;

const TYPED = new URLSearchParams({
  cardNumber: '4242424242424242',
  cardExpiry: '12 / 34',
  cardCvc: '123',
  billingName: 'Somebody',
  email: 'somebody@faults.example',
  billingCountry: 'US',
  billingPostalCode: '94107',
});

export const checkout: PaymentKind = {
  ...savedCard,
  name: 'checkout',
  play: async (site, team) => {
    await site.api.insist('POST', `/v1/teams/${team.id}/deposits`, { amount: AMOUNT.dollars, method: 'card' });
    await payOn(await pageOf(site, team));
  },
  hold: (site, team, step) => {
    if (step === 'before') return holdAtStripe(site, team, 'arrival', 'POST', /^\/v1\/checkout\/sessions$/);
    if (step === 'during') return holdAtStripe(site, team, 'arrival', 'POST', /^\/c\/pay\//);
    return holdAtStripe(site, team, 'answer', 'GET', /^\/v1\/checkout\/sessions\/cs_/, 'complete');
  },
  expected: () => ({
    deposit: { label: 'Deposit', status: 'succeeded', amountMicros: AMOUNT.micros },
    transfers: [{ code: 'deposit', micros: AMOUNT.micros }],
    mails: ['deposit_receipt'],
  }),
};

/** The page may be opened after the caller was answered that the deposit is pending. The deposit then has the page. */
export async function pageOf({ rows }: Site, team: Team): Promise<string> {
  for (;;) {
    const page = (await rows.of(team.id))?.deposits.find(({ checkoutUrl }) => checkoutUrl)?.checkoutUrl;
    if (page) return page;
    await sleep(LOOKS_AGAIN_AFTER_MS);
  }
}

/** Presses the button until the page goes on, or states that the payment was made. */
async function payOn(page: string): Promise<void> {
  for (;;) {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(page, { method: 'POST', body: TYPED, redirect: 'manual', signal }).catch(() => null);
    if (answer?.status === 303 || answer?.status === 410) return;
    if (answer && answer.status < 500 && answer.status !== 429)
      throw new Error(`the Checkout page answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
    await sleep(LOOKS_AGAIN_AFTER_MS);
  }
}
