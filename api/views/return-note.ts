/**
 * The text of the page after a payment. The text states the recorded state of the deposit, without amount, card or
 * team, because a stranger may know the address of the page.
 */
import type { Deposit } from '../../prisma/deposits.ts';
import type { Note } from '../http/note.ts';

const CLOSE = 'You can close this page.';
const RECEIPT = 'The receipt comes by e-mail.';
/** The text while the payment has no outcome yet. */
export const LOOKS_AGAIN = 'This page looks again by itself.';
export const RELOAD = 'Reload this page to look again.';

export const UNKNOWN_PAYMENT: Note = {
  title: 'No such payment',
  paragraphs: ['This address does not belong to a payment. Your provider shows your balance and your payments.'],
};

export const WELCOME_BACK: Note = {
  title: 'You are back',
  paragraphs: ['A payment shows in your balance as soon as it is confirmed, usually within seconds.', CLOSE],
};

/** The text after a page for saving a card, by the state of the card. */
export const cardNote = (state: 'saved' | 'not_yet' | 'not_saved'): Note => {
  if (state === 'saved')
    return { title: 'Your card is saved', paragraphs: ['It is among your payment methods.', CLOSE] };
  if (state === 'not_saved')
    return {
      title: 'No card was saved',
      paragraphs: ['The page was left before a card was saved. You can try again.'],
    };
  return {
    title: 'Your card is not saved yet',
    paragraphs: ['The card shows among your payment methods as soon as the card provider confirms it.'],
  };
};

const PENDING_CARD = [
  'The card provider has not confirmed a payment yet. After the confirmation, the credit is added to your balance.',
  'If you left the payment page, nothing was charged, and the page can be used for a day.',
];
const PENDING_CRYPTO = [
  'The payment has not been seen on its network yet, or it waits for confirmations, which can take some minutes.',
  'Each payment that arrives is added to your balance, also after this page is closed.',
];

/** The text after a payment. The caller decides whether the page reloads. */
export function depositNote({ method, status, receivedMicros }: Deposit): Note {
  const isCrypto = method === 'crypto';
  switch (status) {
    case 'succeeded':
      return { title: 'Payment received', paragraphs: ['The credit is in your balance.', RECEIPT, CLOSE] };
    case 'pending':
      if (isCrypto && (receivedMicros ?? 0) > 0)
        return {
          title: 'A part of the payment has arrived',
          paragraphs: ['That part is in your balance. The rest is added as it arrives.'],
        };
      return {
        title: 'Payment not confirmed yet',
        paragraphs: isCrypto ? PENDING_CRYPTO : PENDING_CARD,
      };
    case 'requires_action':
      return {
        title: 'Your bank asks you to confirm',
        paragraphs: ['The payment is not made before you confirm it with your bank. Nothing was charged yet.'],
      };
    case 'expired':
      return {
        title: 'The payment page has expired',
        paragraphs: isCrypto
          ? ['Nothing arrived while the page was open. Coins that arrive later are added to your balance all the same.']
          : ['No payment was made, and nothing was charged. You can start a new payment.'],
      };
    case 'failed':
      return {
        title: 'The payment was not made',
        paragraphs: ['Nothing was charged. You can start a new payment, with another card if this one was refused.'],
      };
    case 'refunded':
      return { title: 'The payment was refunded', paragraphs: ['The payment was received, and has been given back.'] };
    default:
      return {
        title: 'The payment is disputed',
        paragraphs: ['The payment was received. Its amount is held while the bank decides.'],
      };
  }
}
