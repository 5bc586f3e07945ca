/**
 * One function makes each id, from the business key, with its reason beside it. Workflow ids are ids of the business, so
 * that a repeat of the same cause meets the same workflow.
 */
import type { Micros } from './money.ts';

/** What a caller may choose as the id of a team, an instance or an event. Source: docs/http.md#conventions. */
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
  | 'resv';

/** A generated id: its prefix says what it names. `random` is 128 random bits in hex, made by the caller. */
export const prefixedId = (prefix: IdPrefix, random: string): string => `${prefix}_${random}`;

/** One attempt, one deposit: the number is unique per team and never reused. */
export const attemptDepositId = (teamId: string, number: number): string => `dep_${teamId}_top_up_${number}`;

/** A refund that was made at the provider: whoever finds it gives it the same id. */
export const foundRefundId = (stripeRefundId: string): string => `ref_${stripeRefundId}`;

/** One dispute of the provider, one workflow and one row, however often it is told of. */
export const disputeIdOf = (stripeDisputeId: string): string => `disp_${stripeDisputeId}`;

/**
 * `acme-000001`: unique over all teams, since the id stands in it as it is and no number holds a dash; counted from 1,
 * without a gap.
 */
export const receiptNumber = (teamId: string, number: number): string => `${teamId}-${String(number).padStart(6, '0')}`;

/** One paper per kind and number: numbers of another kind are counted apart. */
export const paperId = (kind: PaperKind, number: string): string => `${kind}/${number}`;

/** One mail or event per cause: `balance_low` of two episodes differ by the second at which the episode began. */
export const noticeId = (kind: string, cause: string): string => `${kind}/${cause}`;

/** One copy a change of a team's name or address. */
export const copyCause = (teamId: string, change: string): string => `${teamId}/${change}`;

export const exhaustionCause = (teamId: string, number: number): string => `${teamId}/exhaustion-${number}`;
/** One mail a month and cap: a cap that was raised and reached again is told again. */
export const cappedCause = (teamId: string, monthStartSecond: number, capMicros: Micros): string =>
  `${teamId}/cap-${capMicros}-in-${monthStartSecond}`;
/** One mail a card, expiry and step: a card that the bank has renewed is told of anew. */
export const expiryCause = (paymentMethodId: string, expiry: { year: number; month: number; days: number }): string =>
  `${paymentMethodId}/expires-${expiry.year}-${expiry.month}-in-${expiry.days}-days`;
/** One mail an announcement: one that was put off is told anew. */
export const reclaimCause = (instanceId: string, reclaimSecond: number): string =>
  `${instanceId}/reclaim-at-${reclaimSecond}`;
/** One mail a term and step before its end. */
export const reservationEndingCause = (reservationId: string, endSecond: number, days: number): string =>
  `${reservationId}/ends-at-${endSecond}-in-${days}-days`;
/** Told of each: a term may be renewed at the very second at which credit ends. */
export const reservationEndedCause = (reservationId: string, how: string, endSecond: number): string =>
  `${reservationId}/${how}-at-${endSecond}`;
export const lowCause = (teamId: string, second: number, levelMicros: Micros): string =>
  `${teamId}/low-${levelMicros}-at-${second}`;
