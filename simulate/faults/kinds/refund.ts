/** An operator gives a part of a deposit back: a part, since the whole could not go back twice at any provider. */
import { setTimeout as sleep } from 'node:timers/promises';
import { holdAtStripe, type PaymentKind } from '../kind.ts';
import type { Site } from '../site.ts';
import type { Team } from '../teams.ts';
import { savedCard } from './saved-card.ts';

const AMOUNT = { dollars: '8.00', micros: 8_000_000 };
const LOOKS_AGAIN_AFTER_MS = 300;

export const refund: PaymentKind = {
  ...savedCard,
  name: 'refund',
  prepare: async (site, team) => {
    await savedCard.play(site, team);
    await credited(site, team);
  },
  play: async (site, team) => {
    const depositId = await credited(site, team);
    await site.api.insist('POST', `/v1/deposits/${depositId}/refund`, { amount: AMOUNT.dollars });
  },
  hold: (site, team, step) => {
    // Existing refunds are read first.
    if (step === 'before') return holdAtStripe(site, team, 'arrival', 'GET', /^\/v1\/refunds$/);
    return holdAtStripe(site, team, step === 'during' ? 'arrival' : 'answer', 'POST', /^\/v1\/refunds$/);
  },
  subject: /^refund of/i,
  expected: (team) => {
    const { deposit, transfers, mails } = savedCard.expected(team);
    return {
      deposit,
      refunds: [AMOUNT.micros],
      transfers: [...transfers, { code: 'refund', micros: -AMOUNT.micros }],
      mails: [...mails, 'refund'],
    };
  },
};

/** The deposit, once credited. */
async function credited({ rows }: Site, team: Team): Promise<string> {
  for (;;) {
    const deposit = (await rows.of(team.id))?.deposits.find(({ status }) => status === 'succeeded');
    if (deposit) return deposit.id;
    await sleep(LOOKS_AGAIN_AFTER_MS);
  }
}
