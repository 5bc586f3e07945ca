/** A default card that ends soon: its notice, written by the look that finds it due, and when the next one is. */
import { dueExpiryNotice, nextExpiryNoticeSecond } from '../../billing/cards.ts';
import { expiryCause } from '../../billing/ids.ts';
import type { Tx } from '../../prisma/client.ts';
import type { NewNotice } from '../../prisma/notices.ts';
import { defaultPaymentMethod } from '../../prisma/payment-methods.ts';

export interface CardExpiry {
  notices: NewNotice[];
  nextSecond: number | null;
}

/** Of the card that is the team's default now; the same card, expiry and step again is the same notice. */
export async function cardExpiry(tx: Tx, teamId: string, nowSecond: number): Promise<CardExpiry> {
  const card = await defaultPaymentMethod(tx, teamId);
  if (card === null) return { notices: [], nextSecond: null };
  const due = dueExpiryNotice(card, nowSecond);
  const nextSecond = nextExpiryNoticeSecond(card, nowSecond);
  if (due === null) return { notices: [], nextSecond };
  const expiry = { year: card.expYear, month: card.expMonth, days: due.days };
  const notice: NewNotice = {
    teamId,
    second: nowSecond,
    cause: expiryCause(card.id, expiry),
    data: { paymentMethodId: card.id, expiry },
    channel: 'mail',
    kind: 'card_expiring',
  };
  return { notices: [notice], nextSecond };
}
