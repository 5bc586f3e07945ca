/** One mail of each kind and turn, for tests of what all mails have in common and for looking at them. */
import { autoTopUpCapped } from '../../../activities/mail/auto-top-up-capped.ts';
import { autoTopUpCharged } from '../../../activities/mail/auto-top-up-charged.ts';
import { autoTopUpFailed } from '../../../activities/mail/auto-top-up-failed.ts';
import { balanceLow } from '../../../activities/mail/balance-low.ts';
import { DEFAULT_BRAND } from '../../../activities/mail/brand.ts';
import { budgetMet } from '../../../activities/mail/budget-met.ts';
import { burnLimit } from '../../../activities/mail/burn-limit.ts';
import { cardExpiring } from '../../../activities/mail/card-expiring.ts';
import { creditsExhausted } from '../../../activities/mail/credits-exhausted.ts';
import { depositCorrected } from '../../../activities/mail/deposit-corrected.ts';
import { depositReceipt } from '../../../activities/mail/deposit-receipt.ts';
import { disputeMail } from '../../../activities/mail/dispute.ts';
import type { About, PaymentFacts, Runway } from '../../../activities/mail/facts.ts';
import type { Mail } from '../../../activities/mail/layout.ts';
import { refundMail } from '../../../activities/mail/refund.ts';
import { reservationEnded, reservationEnding } from '../../../activities/mail/reservation.ts';
import { spotReclaim } from '../../../activities/mail/spot-reclaim.ts';
import { usageOwed } from '../../../activities/mail/usage-owed.ts';
import { type Micros, micros } from '../../../billing/money.ts';
import type { ReservationEnd } from '../../../billing/reservation-meter.ts';
import type { DisputeTurn, DisputeTurnFacts } from '../../../prisma/notices.ts';
import { NOW } from '../fixtures.ts';

const DAY = 86_400;
/** To the micro: a sum of cents is no whole number of micros in floating point. */
const dollars = (amount: number): Micros => micros(Math.round(amount * 1_000_000));
/** As long as an id may be. */
const LONG_ID = 'train-llama-3-70b-experiment-with-a-very-long-name-2026-03-01-aa';

const RUNWAY: Runway = {
  asOfSecond: NOW,
  availableMicros: dollars(112.37),
  burnMicrosPerHour: dollars(4.98),
  runsOutSecond: NOW + 81_231,
  topUpIsOn: false,
};
const IDLE: Runway = { ...RUNWAY, burnMicrosPerHour: dollars(0), runsOutSecond: null };
const EMPTY: Runway = { ...IDLE, availableMicros: dollars(0.25) };

const PAYMENT: PaymentFacts = {
  depositId: 'dep_dfbd8b32de20489c71025982a56b220f',
  amountMicros: dollars(100),
  second: NOW - 3_600,
  card: { brand: 'visa', last4: '4242' },
  receiptNumber: 'acme-000017',
};
const CRYPTO = {
  transactionHash: '0x8e1f44a6c3d9b2e70f1a5c8d4b6e9f0a7c2d5e8f1b4a7d0c3e6f9a2b5c8d1e4f',
  currency: 'usdc',
  expectedMicros: dollars(100),
  receivedMicros: dollars(60.5),
  open: true,
};
const CARD = { brand: 'visa', last4: '4242', expYear: 2026, expMonth: 3, chargedByAutoTopUp: true };
const RESERVATION = {
  reservationId: 'resv_5b7fb8a3',
  gpuType: 'h100-80gb',
  region: 'eu-west-1',
  count: 4,
  term: '3m' as const,
  renew: true,
  rateMicrosPerHour: dollars(6.28),
};

const stopped = (instanceId: string, hourly: number, seconds: number) => ({
  instanceId,
  gpuType: 'h100-80gb',
  region: 'eu-west-1',
  startSecond: NOW - seconds,
  endSecond: NOW,
  costMicros: dollars((hourly * seconds) / 3600),
  nextSecondMicros: dollars(hourly / 3600),
});
const MINIMUMS = { startMicros: dollars(3), depositMicros: dollars(15) };

const NOTHING: DisputeTurnFacts = {
  claimedMicros: dollars(20),
  beforeMicros: dollars(20),
  heldMicros: 0,
  freedMicros: 0,
  fromCreditMicros: 0,
  owedMicros: 0,
  returnedMicros: 0,
  again: false,
};
export const dispute = (about: About, turn: DisputeTurn, turned: Partial<DisputeTurnFacts>, owed = 0): Mail =>
  disputeMail(
    about,
    turn,
    {
      dispute: { id: 'disp_du_1OaBcDeFgHiJkLmN' },
      turned: { ...NOTHING, ...turned },
      payment: PAYMENT,
      paidMicros: dollars(100),
      refundedMicros: dollars(0),
      owedMicros: dollars(owed),
    },
    RUNWAY,
  );

const refund = (about: About, turn: 'sent' | 'returned', amount: number, change: object = {}): Mail =>
  refundMail(
    about,
    turn,
    {
      refund: {
        id: 'ref_17ef0b1c',
        amountMicros: dollars(amount),
        openedSecond: NOW,
        failureCode: turn === 'sent' ? null : 'expired_or_canceled_card',
      },
      payment: PAYMENT,
      deposit: { amountMicros: dollars(100), receivedMicros: null, refundedMicros: dollars(amount) },
      taken: { creditMicros: dollars(amount), owedMicros: dollars(0) },
      collectedMicros: dollars(0),
      owedMicros: dollars(0),
      ...change,
    },
    IDLE,
  );

const ended = (about: About, how: ReservationEnd): Mail =>
  reservationEnded(about, RESERVATION, {
    endSecond: NOW,
    how,
    next: how === 'renewed' ? { rateMicrosPerHour: dollars(6.4), endSecond: NOW + 92 * DAY } : undefined,
  });

const CORRECTION = {
  depositId: 'dep_9c1185a5c5e9fc54612808977ee8f548',
  depositSecond: NOW - 3_600,
  receivedMicros: dollars(90),
  note: 'the payment provider reports another amount for the transaction',
  owedMicros: dollars(6),
};

/** By name, in the words of a team and a brand. */
export const sampleMails = (about: About): Record<string, Mail> => ({
  'deposit-receipt': depositReceipt(about, PAYMENT, 'https://pay.stripe.com/receipts/1', RUNWAY),
  'deposit-receipt-crypto': depositReceipt(
    about,
    { ...PAYMENT, amountMicros: dollars(60.5), card: null, crypto: CRYPTO },
    null,
    RUNWAY,
  ),
  'auto-top-up-charged': autoTopUpCharged(
    about,
    PAYMENT,
    { receiptUrl: 'https://pay.stripe.com/receipts/2', thresholdMicros: dollars(20) },
    { ...RUNWAY, topUpIsOn: true },
  ),
  'auto-top-up-failed': autoTopUpFailed(about, { ...PAYMENT, receiptNumber: null }, 'insufficient_funds', {
    ...RUNWAY,
    availableMicros: dollars(4.11),
    runsOutSecond: NOW + 2_971,
  }),
  'auto-top-up-capped': autoTopUpCapped(
    about,
    {
      monthlyCapMicros: dollars(500),
      toppedUpMicros: dollars(450),
      amountMicros: dollars(100),
      nextMonthSecond: NOW + 31 * DAY,
    },
    RUNWAY,
  ),
  'balance-low': balanceLow(
    about,
    { levelMicros: dollars(10), second: NOW },
    { ...RUNWAY, availableMicros: dollars(9.99), runsOutSecond: NOW + 7_221 },
  ),
  'credits-exhausted': creditsExhausted(
    about,
    {
      second: NOW,
      stopped: [stopped('train-1', 1800, 31), stopped(LONG_ID, 900, 3_725)],
      running: [],
      minimums: MINIMUMS,
    },
    EMPTY,
  ),
  'credits-exhausted-many': creditsExhausted(
    about,
    {
      second: NOW,
      stopped: Array.from({ length: 1501 }, (_, at) => stopped(`worker-${at + 1}`, 2.49, 7_200)),
      running: [],
      minimums: MINIMUMS,
    },
    EMPTY,
  ),
  'credits-running-out': creditsExhausted(
    about,
    {
      second: NOW,
      stopped: [stopped('render-1', 3600, 4)],
      running: [{ instanceId: LONG_ID, gpuType: 'l40s', region: 'us-east-1' }],
      minimums: MINIMUMS,
    },
    { ...RUNWAY, availableMicros: dollars(0.99), runsOutSecond: NOW + 996 },
  ),
  'usage-owed': usageOwed(about, dollars(3), NOW),
  'card-expiring': cardExpiring(about, CARD, NOW),
  'deposit-corrected': depositCorrected(
    about,
    { ...CORRECTION, amountMicros: dollars(-10), creditMicros: dollars(-4) },
    RUNWAY,
  ),
  'deposit-corrected-upwards': depositCorrected(
    about,
    { ...CORRECTION, amountMicros: dollars(5), creditMicros: dollars(5), owedMicros: dollars(0) },
    RUNWAY,
  ),
  'deposit-off-the-chain': depositCorrected(
    about,
    {
      ...CORRECTION,
      ...{
        amountMicros: dollars(-100),
        creditMicros: dollars(-100),
        receivedMicros: dollars(0),
        owedMicros: dollars(0),
      },
      note: 'the transaction is no longer on the chain',
    },
    RUNWAY,
  ),
  'budget-met-stop': budgetMet(
    about,
    {
      ...{ project: 'train', period: 'day', action: 'stop', amountMicros: dollars(40) },
      ...{ metSecond: NOW, spentMicros: micros(39_999_814), periodEndSecond: NOW + 7_200, endedCount: 3 },
    },
    RUNWAY,
  ),
  'budget-met-mail': budgetMet(
    about,
    {
      ...{ project: null, period: 'month', action: 'mail', amountMicros: dollars(1_000) },
      ...{ metSecond: NOW, spentMicros: micros(1_000_000_692), periodEndSecond: NOW + 9 * DAY, endedCount: 0 },
    },
    RUNWAY,
  ),
  'burn-limit': burnLimit(about, { burnMicros: micros(12_450_000), limitMicros: dollars(10), second: NOW }, RUNWAY),
  refund: refund(about, 'sent', 20),
  'refund-owed': refund(about, 'sent', 100, {
    taken: { creditMicros: dollars(60), owedMicros: dollars(40) },
    owedMicros: dollars(43),
  }),
  'refund-returned': refund(about, 'returned', 20, { collectedMicros: dollars(5) }),
  'dispute-opened': dispute(about, 'opened', { heldMicros: dollars(12) }),
  'dispute-changed': dispute(about, 'changed', {
    beforeMicros: dollars(50),
    heldMicros: dollars(20),
    freedMicros: dollars(30),
  }),
  'dispute-reopened': dispute(about, 'reopened', { heldMicros: dollars(20), returnedMicros: dollars(20), again: true }),
  'dispute-won': dispute(about, 'won', { freedMicros: dollars(20) }),
  'dispute-won-again': dispute(about, 'won', { returnedMicros: dollars(20), again: true }),
  'dispute-lost': dispute(about, 'lost', { fromCreditMicros: dollars(12), owedMicros: dollars(8) }, 11),
  'reservation-ending': reservationEnding(about, RESERVATION, { endSecond: NOW + 7 * DAY, days: 7 }),
  'reservation-ended': ended(about, 'ended'),
  'reservation-renewed': ended(about, 'renewed'),
  'reservation-not-offered': ended(about, 'not_offered'),
  'reservation-lapsed': ended(about, 'lapsed'),
  'spot-reclaim': spotReclaim(about, {
    instanceId: 'spot-7',
    gpuType: 'a100-80gb',
    region: 'us-east-1',
    reclaimSecond: NOW + 3_725,
  }),
});

export const SAMPLE_ABOUT: About = {
  teamName: 'Acme Robotics',
  billingUrl: 'https://console.example/teams/acme/billing',
  brand: { ...DEFAULT_BRAND, footer: 'Burnrate Ltd, 1 Example Street, London', support: 'help@burnrate.example' },
  help: 'write to help@burnrate.example',
};
