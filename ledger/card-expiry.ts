/**
 * The notice of a default card that expires soon. The look that finds the notice due writes the notice, and computes
 * the next one.
 */
import { dueExpiryNotice, nextExpiryNoticeSecond } from '../billing/cards.ts';
import { expiryCause } from '../billing/ids.ts';
import type { NewNotice } from '../prisma/notices.ts';
import type { PaymentMethod } from '../prisma/payment-methods.ts';

export interface CardExpiry {
  notices: NewNotice[];
  nextSecond: number | null;
}

/** For the team's present default card. The same card, expiry and reminder is the same notice. */
export function cardExpiry(card: PaymentMethod | null, nowSecond: number): CardExpiry {
  if (card === null) return { notices: [], nextSecond: null };
  const due = dueExpiryNotice(card, nowSecond);
  const nextSecond = nextExpiryNoticeSecond(card, nowSecond);
  if (due === null) return { notices: [], nextSecond };
  const expiry = { year: card.expYear, month: card.expMonth, days: due.days };
  const notice: NewNotice = {
    teamId: card.teamId,
    second: nowSecond,
    cause: expiryCause(card.id, expiry),
    data: { paymentMethodId: card.id, expiry },
    channel: 'mail',
    kind: 'card_expiring',
  };
  return { notices: [notice], nextSecond };
}
