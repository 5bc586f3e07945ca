import { createHash } from 'node:crypto';

/** The issuer's answer, in Stripe's words: `code` on the error, and `declineCode` if the issuer gave a code. */
export interface Decline {
  code: string;
  declineCode?: string;
  message: string;
}

export interface TestCard {
  number: string;
  brand: string;
  funding: 'credit' | 'debit' | 'prepaid';
  country: string;
  /** Refuses to be saved on a customer, and every charge. */
  declines?: Decline;
  /** Can be saved; every charge is declined. */
  declinesCharges?: Decline;
  /** `unless_set_up`: no more asked once the card was saved for off-session use with authentication. */
  authentication?: 'always' | 'unless_set_up' | 'on_session_only';
  declinesAfterAuthentication?: Decline;
  disputes?: { reason: string; inquiry?: boolean };
  refunds?: 'pending' | 'fails_later';
}

/** Error code and words by decline code. Most declines are `card_declined`; a few have their own code. */
export function declineFor(declineCode: string): Decline {
  const message = MESSAGES[declineCode] ?? 'Your card was declined.';
  if (declineCode === 'expired_card' || declineCode === 'incorrect_cvc' || declineCode === 'processing_error')
    return { code: declineCode, declineCode, message };
  if (declineCode === 'incorrect_number') return { code: declineCode, message };
  if (declineCode === 'authentication_required') return { code: declineCode, declineCode, message };
  return { code: 'card_declined', declineCode, message };
}

const MESSAGES: Record<string, string> = {
  authentication_required: 'Your card was declined. This transaction requires authentication.',
  card_velocity_exceeded:
    'Your card was declined for making repeated attempts too frequently or exceeding its amount limit.',
  expired_card: 'Your card has expired.',
  incorrect_cvc: "Your card's security code is incorrect.",
  incorrect_number: 'Your card number is incorrect.',
  insufficient_funds: 'Your card has insufficient funds.',
  processing_error: 'An error occurred while processing your card. Try again in a little bit.',
};

const visa = { brand: 'visa', funding: 'credit', country: 'US' } as const;
const mastercard = { brand: 'mastercard', funding: 'credit', country: 'US' } as const;

const NUMBERS: TestCard[] = [
  { ...visa, number: '4242424242424242' },
  { ...visa, number: '4000056655665556', funding: 'debit' },
  { ...mastercard, number: '5555555555554444' },
  { ...mastercard, number: '2223003122003222' },
  { ...mastercard, number: '5200828282828210', funding: 'debit' },
  { ...mastercard, number: '5105105105105100', funding: 'prepaid' },
  { ...visa, brand: 'amex', number: '378282246310005' },
  { ...visa, brand: 'amex', number: '371449635398431' },
  { ...visa, brand: 'discover', number: '6011111111111117' },
  { ...visa, brand: 'diners', number: '3056930009020004' },
  { ...visa, brand: 'jcb', number: '3566002020360505', country: 'JP' },
  { ...visa, brand: 'unionpay', number: '6200000000000005', country: 'CN' },
  { ...visa, number: '4000008260000000', country: 'GB' },
  { ...visa, number: '4000002760000016', country: 'DE' },
  { ...visa, number: '4000002500000003', country: 'FR' },
  { ...visa, number: '4000001240000000', country: 'CA' },
  { ...visa, number: '4000003560000008', country: 'IN' },
  { ...visa, number: '4000003920000003', country: 'JP' },
  { ...visa, number: '4000000360000006', country: 'AU' },
  { ...visa, number: '4000000000000077' },
  { ...visa, number: '4000000000000341', declinesCharges: declineFor('generic_decline') },
  { ...visa, number: '4000000000000002', declines: declineFor('generic_decline') },
  { ...visa, number: '4000000000009995', declines: declineFor('insufficient_funds') },
  { ...visa, number: '4000000000009987', declines: declineFor('lost_card') },
  { ...visa, number: '4000000000009979', declines: declineFor('stolen_card') },
  { ...visa, number: '4000000000000069', declines: declineFor('expired_card') },
  { ...visa, number: '4000000000000127', declines: declineFor('incorrect_cvc') },
  { ...visa, number: '4000000000000119', declines: declineFor('processing_error') },
  { ...visa, number: '4000000000006975', declines: declineFor('card_velocity_exceeded') },
  { ...visa, number: '4242424242424241', declines: declineFor('incorrect_number') },
  { ...visa, number: '4100000000000019', declinesCharges: declineFor('fraudulent') },
  { ...visa, number: '4000002500003155', country: 'FR', authentication: 'unless_set_up' },
  { ...visa, number: '4000002760003184', country: 'DE', authentication: 'always' },
  { ...visa, number: '4000003800000446', country: 'HR', authentication: 'on_session_only' },
  {
    ...visa,
    number: '4000008260003178',
    country: 'GB',
    authentication: 'always',
    declinesAfterAuthentication: declineFor('insufficient_funds'),
  },
  { ...visa, number: '4000000000003220', authentication: 'always' },
  { ...visa, number: '4000000000003063', authentication: 'always' },
  {
    ...visa,
    number: '4000008400001629',
    authentication: 'always',
    declinesAfterAuthentication: declineFor('generic_decline'),
  },
  { ...visa, number: '4000000000003055' },
  { ...visa, number: '4000000000000259', disputes: { reason: 'fraudulent' } },
  { ...visa, number: '4000000000002685', disputes: { reason: 'product_not_received' } },
  { ...visa, number: '4000000000001976', disputes: { reason: 'fraudulent', inquiry: true } },
  { ...visa, number: '4000000000007726', refunds: 'pending' },
  { ...visa, number: '4000000000005126', refunds: 'fails_later' },
];

/**
 * Stripe's test PaymentMethods. Older and newer documentation spell some of them differently, and both spellings are
 * accepted.
 */
const TEST_IDS: Record<string, string> = {
  visa: '4242424242424242',
  us: '4242424242424242',
  visa_debit: '4000056655665556',
  mastercard: '5555555555554444',
  mastercard_debit: '5200828282828210',
  mastercard_prepaid: '5105105105105100',
  amex: '378282246310005',
  discover: '6011111111111117',
  diners: '3056930009020004',
  jcb: '3566002020360505',
  unionpay: '6200000000000005',
  gb: '4000008260000000',
  de: '4000002760000016',
  fr: '4000002500000003',
  ca: '4000001240000000',
  in: '4000003560000008',
  jp: '4000003920000003',
  au: '4000000360000006',
  bypassPending: '4000000000000077',
  chargeCustomerFail: '4000000000000341',
  chargeDeclined: '4000000000000002',
  visa_chargeDeclined: '4000000000000002',
  chargeDeclinedInsufficientFunds: '4000000000009995',
  visa_chargeDeclinedInsufficientFunds: '4000000000009995',
  visa_chargeDeclinedLostCard: '4000000000009987',
  chargeDeclinedLostCard: '4000000000009987',
  visa_chargeDeclinedStolenCard: '4000000000009979',
  chargeDeclinedStolenCard: '4000000000009979',
  chargeDeclinedExpiredCard: '4000000000000069',
  chargeDeclinedIncorrectCvc: '4000000000000127',
  chargeDeclinedProcessingError: '4000000000000119',
  visa_chargeDeclinedVelocityLimitExceeded: '4000000000006975',
  chargeDeclinedVelocityLimitExceeded: '4000000000006975',
  radarBlock: '4100000000000019',
  chargeDeclinedFraudulent: '4100000000000019',
  authenticationRequired: '4000002760003184',
  authenticationRequiredOnSetup: '4000002500003155',
  authenticationRequiredSetupForOffSession: '4000003800000446',
  authenticationRequiredChargeDeclinedInsufficientFunds: '4000008260003178',
  threeDSecure2Required: '4000000000003220',
  threeDSecureRequired: '4000000000003063',
  threeDSecureRequiredChargeDeclined: '4000008400001629',
  threeDSecureOptional: '4000000000003055',
  createDispute: '4000000000000259',
  createDisputeProductNotReceived: '4000000000002685',
  createDisputeInquiry: '4000000000001976',
  pendingRefund: '4000000000007726',
  refundFail: '4000000000005126',
};

const byNumber = new Map(NUMBERS.map((card) => [card.number, card]));

/** The card of `pm_card_visa` or `tok_visa`, if the id is a test id. */
export function cardOfTestId(id: string): TestCard | undefined {
  const name = /^(?:pm_card|tok)_(\w+)$/.exec(id)?.[1];
  if (name === undefined || !Object.hasOwn(TEST_IDS, name)) return undefined;
  return byNumber.get(TEST_IDS[name] ?? '');
}

/** A number from a page or from the API. Stripe's test mode knows only its test cards. */
export function cardOfNumber(typed: string): TestCard | Decline {
  const number = typed.replaceAll(/[\s-]/g, '');
  const known = byNumber.get(number);
  if (known) return known.declines?.code === 'incorrect_number' ? known.declines : known;
  if (!/^\d{12,19}$/.test(number) || !passesLuhn(number)) return declineFor('incorrect_number');
  const message =
    'Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of valid test cards, visit: https://stripe.com/docs/testing.';
  return { code: 'card_declined', declineCode: 'test_mode_live_card', message };
}

export function isDecline(card: TestCard | Decline): card is Decline {
  return 'code' in card;
}

export function testCard(number: string): TestCard {
  const card = byNumber.get(number);
  if (!card) throw new Error(`no test card ends in ${number.slice(-4)}`);
  return card;
}

/** Stable for a number, like Stripe's: two customers with one card share the fingerprint. */
export function fingerprint(number: string): string {
  return createHash('sha256').update(number).digest('base64').replaceAll(/[+/=]/g, '').slice(0, 16);
}

function passesLuhn(number: string): boolean {
  let sum = 0;
  for (const [index, digit] of [...number].reverse().entries()) {
    const doubled = index % 2 === 1 ? Number(digit) * 2 : Number(digit);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
