/**
 * Auto top-up, switched on while the balance is below its threshold: the saved card is charged at once, without a
 * person.
 */
import type { PaymentKind } from '../kind.ts';
import { savedCard } from './saved-card.ts';

const AMOUNT = { dollars: '15.00', micros: 15_000_000 };

export const autoTopUp: PaymentKind = {
  ...savedCard,
  name: 'auto_top_up',
  play: async ({ api }, team) => {
    await api.insist('PUT', `/v1/teams/${team.id}/auto-top-up`, {
      enabled: true,
      threshold: '5.00',
      amount: AMOUNT.dollars,
      paymentMethod: team.card,
    });
  },
  subject: /top-up/i,
  expected: () => ({
    deposit: { label: 'Auto Top-Up', status: 'succeeded', amountMicros: AMOUNT.micros },
    transfers: [{ code: 'auto_top_up', micros: AMOUNT.micros }],
    mails: ['auto_top_up_charged'],
  }),
};
