/**
 * A single function makes each id, from the business key, with the reason beside the function. Workflow ids are
 * business ids, so a repeat of a cause meets the same workflow.
 */
import type { Micros } from './money.ts';

/** The form of ids that callers choose for teams, instances and events. Source: docs/http.md#conventions. */
export const CALLER_ID = /^[A-Za-z0-9_-]{1,64}$/;

export type PaperKind = 'receipt';

export type IdPrefix =
  | 'team'
  | 'inst'
  | 'dep'
  | 'pm'
  | 'inv'
  | 'key'
  | 'hold'
  | 'grant'
  | 'cor'
  | 'req'
  | 'adm'
  | 'ref'
  | 'resv'
  | 'evt'
  | 'ses';

/** A generated id with its prefix. `random` is 128 random bits in hex, made by the caller. */
export const prefixedId = (prefix: IdPrefix, random: string): string => `${prefix}_${random}`;

/** Each attempt is one deposit. The number is unique per team and never reused. */
export const attemptDepositId = (teamId: string, number: number): string => `dep_${teamId}_top_up_${number}`;

/** A refund made at the provider. Every process that finds the refund computes the same id. */
export const foundRefundId = (stripeRefundId: string): string => `ref_${stripeRefundId}`;

/** Each dispute of the provider has one workflow and one row, however many events name the dispute. */
export const disputeIdOf = (stripeDisputeId: string): string => `disp_${stripeDisputeId}`;

/**
 * `acme-000001`: unique over all teams, since the id is part of the number and the digits hold no dash. Counted from 1,
 * without a gap.
 */
export const receiptNumber = (teamId: string, number: number): string => `${teamId}-${String(number).padStart(6, '0')}`;

/** Each kind of paper has its own numbers. */
export const paperId = (kind: PaperKind, number: string): string => `${kind}/${number}`;

/** Each cause has one mail or event. Two episodes of `balance_low` differ by the second at which the episode began. */
export const noticeId = (kind: string, cause: string): string => `${kind}/${cause}`;

/** Each change of a team's name or address is one copy. */
export const copyCause = (teamId: string, change: string): string => `${teamId}/${change}`;

export const exhaustionCause = (teamId: string, number: number): string => `${teamId}/exhaustion-${number}`;
/** Each month and cap has one mail. A raised cap reached again is a new cause. */
export const cappedCause = (teamId: string, monthStartSecond: number, capMicros: Micros): string =>
  `${teamId}/cap-${capMicros}-in-${monthStartSecond}`;
/** Each card, expiry and reminder has one mail. A card that the bank has renewed has a new expiry. */
export const expiryCause = (paymentMethodId: string, expiry: { year: number; month: number; days: number }): string =>
  `${paymentMethodId}/expires-${expiry.year}-${expiry.month}-in-${expiry.days}-days`;
/** Each announcement has one mail. A postponed reclaim is a new announcement. */
export const reclaimCause = (instanceId: string, reclaimSecond: number): string =>
  `${instanceId}/reclaim-at-${reclaimSecond}`;
/** Each term and reminder has one mail. */
export const reservationEndingCause = (reservationId: string, endSecond: number, days: number): string =>
  `${reservationId}/ends-at-${endSecond}-in-${days}-days`;
/** Each end has one mail: a term may be renewed at the very second at which credit ends. */
export const reservationEndedCause = (reservationId: string, how: string, endSecond: number): string =>
  `${reservationId}/${how}-at-${endSecond}`;
/** Each episode of a budget has one mail a period. */
export const budgetCause = (teamId: string, episode: number, periodStartSecond: number): string =>
  `${teamId}/budget-${episode}-in-${periodStartSecond}`;
/** Each rise of the burn above the limit has one mail. */
export const burnCause = (teamId: string, second: number): string => `${teamId}/burn-at-${second}`;
export const lowCause = (teamId: string, second: number, levelMicros: Micros): string =>
  `${teamId}/low-${levelMicros}-at-${second}`;
/** Each turn of a refund or dispute has one mail. A refund can be sent and returned again, and a bank can decide again. */
export const turnCause = (id: string, turn: string, number: number): string =>
  `${id}/${turn}${number > 1 ? `/${number}` : ''}`;
/** Each output of a crypto deposit has one mail and one event: a deposit in two parts causes two of each. */
export const outputCause = (depositId: string, outputKey: string): string => `${depositId}/${outputKey}`;
/** Each change of a credited output by the provider is one correction, for any number of tries. */
export const outputCorrectionCause = (reference: string, number: number): string => `${reference}/${number}`;

/** The ids of CopperX's events could collide with Stripe's, so the key has a prefix. */
export const copperxEventId = (eventId: string): string => `copperx/${eventId}`;

/**
 * The idempotency keys of Stripe. For a day Stripe answers a repeated key with the first answer, even with a 500, so each
 * try of an activity has its own key. Before another try, the activity looks for the object of the earlier tries.
 */
export const stripeKey = {
  createIntent: (depositId: string, attempt: number) => `${depositId}/create/${attempt}`,
  confirmIntent: (depositId: string, attempt: number) => `${depositId}/confirm/${attempt}`,
  createCheckout: (depositId: string, attempt: number, suffix: string) => `${depositId}/checkout/${attempt}${suffix}`,
  /** The same key for any number of tries. The next key is used only after Stripe has stored a failure under a key. */
  createRefund: (refundId: string, key: number) => `${refundId}/create/${key}`,
  /** Each replaced customer has its own key, because Stripe answers the old key with the deleted customer. */
  createCustomer: (teamId: string, replaced: string | null) =>
    `customer/${teamId}${replaced === null ? '' : `/after/${replaced}`}`,
  /** A customer without the email address that Stripe has refused is another request. */
  withoutEmail: (key: string) => `${key}/no-email`,
  /** `random`: made by the caller, when a stored answer blocks the key. */
  another: (key: string, random: string) => `${key}/${random}`,
};
