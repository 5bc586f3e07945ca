import { isExpired, lastValidSecond } from '../../billing/cards.ts';
import { button, facts, words } from './blocks.ts';
import { type About, cardInWords, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

export interface ExpiringCard {
  brand: string;
  last4: string;
  expYear: number;
  expMonth: number;
  /** True if an enabled auto top-up charges the card. */
  chargedByAutoTopUp: boolean;
}

/**
 * The default card expires soon: the date by which another card is needed, and the consequences without another card.
 */
export function cardExpiring(about: About, card: ExpiringCard, nowSecond: number): Mail {
  const { teamName, billingUrl } = about;
  const name = cardInWords(card);
  const last = utc(lastValidSecond(card));
  const ends = isExpired(card, nowSecond) ? 'has expired' : 'is about to expire';
  return compose(`Your ${name} ${ends}`, about, [
    words(
      `The ${name}, the default card of ${teamName}, is valid until ${last}. ${
        card.chargedByAutoTopUp
          ? 'Auto top-up charges this card: if your bank declines a charge, auto top-up is switched off, and instances stop when your credit runs out.'
          : 'After that, the card cannot be used to add credit.'
      }`,
    ),
    facts(
      ['Card', name],
      ['Expires', `${String(card.expMonth).padStart(2, '0')}/${card.expYear}`],
      ['Valid until', last],
    ),
    words('Save another card, and make it the default. If your bank has sent you a new card, save the new card.'),
    button('Save another card', billingUrl),
  ]);
}
