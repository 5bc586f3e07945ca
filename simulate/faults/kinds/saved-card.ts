/** A person pays in by a saved card. */
import { holdAtStripe, movedAtStripe, type PaymentKind } from '../kind.ts';

const AMOUNT = { dollars: '20.00', micros: 20_000_000 };

export const savedCard: PaymentKind = {
  name: 'saved_card',
  play: async ({ api }, team) => {
    await api.insist('POST', `/v1/teams/${team.id}/deposits`, {
      amount: AMOUNT.dollars,
      method: 'card',
      paymentMethod: team.card,
    });
  },
  hold: (site, team, step) => {
    if (step === 'before') return holdAtStripe(site, team, 'arrival', 'POST', /^\/v1\/payment_intents$/);
    const point = step === 'during' ? 'arrival' : 'answer';
    return holdAtStripe(site, team, point, 'POST', /\/confirm$/);
  },
  moved: movedAtStripe,
  subject: /deposit/i,
  expected: () => ({
    deposit: { label: 'Deposit', status: 'succeeded', amountMicros: AMOUNT.micros },
    transfers: [{ code: 'deposit', micros: AMOUNT.micros }],
    mails: ['deposit_receipt'],
  }),
};
