/**
 * Notices: mails and outgoing events. A notice is written in the transaction of its cause, so no notice is lost, under
 * an id made from the cause, so no notice comes twice. The watch starts a workflow for each notice.
 */
import type { BudgetAction, BudgetPeriod } from '../billing/alerts.ts';
import type { Effect } from '../billing/change.ts';
import {
  budgetCause,
  burnCause,
  cappedCause,
  exhaustionCause,
  lowCause,
  noticeId,
  reservationEndedCause,
} from '../billing/ids.ts';
import type { ReservationEnd } from '../billing/reservation-meter.ts';
import { monthStart } from '../billing/time.ts';
import type { Tx } from './client.ts';
import { fieldsOf, type InJson, toSecond, toSecondOrNull } from './columns.ts';
import { type Notice as NoticeRow, Prisma } from './generated/client.ts';
import { type Write, writeTogether } from './statements.ts';

/** Source: docs/http.md#mails. */
export type MailKind =
  | 'deposit_receipt'
  | 'deposit_corrected'
  | 'auto_top_up_charged'
  | 'auto_top_up_failed'
  | 'auto_top_up_capped'
  | 'balance_low'
  | 'credits_exhausted'
  | 'usage_owed'
  | 'budget_met'
  | 'burn_limit'
  | 'refund'
  | 'dispute'
  | 'card_expiring'
  | 'spot_reclaim'
  | 'reservation_ending'
  | 'reservation_ended';

/** Source: docs/http.md#outgoing-events. */
export type EventKind =
  | 'balance.low'
  | 'balance.exhausted'
  | 'top_up.succeeded'
  | 'top_up.failed'
  | 'deposit.succeeded'
  | 'usage.owed'
  | 'budget.met';

/** The copy for a provider: the team's name and address. */
export type CopyKind = 'customer.copy';
export type NoticeChannel = 'mail' | 'event' | 'customer';

/** `returned`: the bank sent the refund back, and the amount is credit again. */
export type RefundTurn = 'sent' | 'returned';
/** `reopened`: the bank looks again; `changed`: another amount is contested. */
export type DisputeTurn = 'opened' | 'changed' | 'reopened' | 'won' | 'lost';

/** The effect of a dispute's turn on the team's credit, in micros. The dispute may have turned again since. */
export interface DisputeTurnFacts {
  /** The contested amounts now, and before this turn. */
  claimedMicros: number;
  beforeMicros: number;
  /** Held after this turn. */
  heldMicros: number;
  /** Held before and free now. */
  freedMicros: number;
  /** Taken by this turn: from credit, and as owed. */
  fromCreditMicros: number;
  owedMicros: number;
  /** Taken by an earlier decision of the bank and given back by this decision. */
  returnedMicros: number;
  /** The bank has decided before. */
  again: boolean;
}

/** The subject of a notice: ids of rows for the words at the sending, never an address or a card. */
export interface NoticeData {
  depositId?: string;
  /** The receipt of a crypto deposit; a deposit can have several. */
  receipt?: { transactionHash: string; output: number };
  exhaustion?: number;
  levelMicros?: number;
  /** The amount that the team began to owe. */
  owedMicros?: number;
  /** The correction of a deposit's credit. */
  correctionId?: string;
  refundId?: string;
  disputeId?: string;
  /** The turn of a refund or a dispute. */
  turn?: RefundTurn | DisputeTurn;
  disputeTurn?: DisputeTurnFacts;
  /** The month's cap as reached. */
  capMicros?: number;
  toppedUpMicros?: number;
  amountMicros?: number;
  /** A budget as met: it may have been changed since. */
  budget?: {
    project: string | null;
    period: BudgetPeriod;
    amountMicros: number;
    action: BudgetAction;
    periodStartSecond: number;
    spentMicros: number;
    endedCount: number;
  };
  /** The burn above the limit, as of the rise. */
  burn?: { burnMicros: number; limitMicros: number };
  /** A spot instance that the platform takes back, and the second. */
  instanceId?: string;
  reclaimSecond?: number;
  /** A reservation whose term ends in so many days, or has ended or been renewed at a second. */
  reservationId?: string;
  endSecond?: number;
  days?: number;
  how?: ReservationEnd;
  /** An expiring card, the way of its saving, and the number of days. */
  paymentMethodId?: string;
  expiry?: { year: number; month: number; days: number };
}

export type NewNotice = { teamId: string; second: number; cause: string; data: NoticeData } & (
  | { channel: 'mail'; kind: MailKind }
  | { channel: 'event'; kind: EventKind }
  | { channel: 'customer'; kind: CopyKind }
);

export interface Notice {
  id: string;
  teamId: string;
  kind: string;
  channel: NoticeChannel;
  second: number;
  data: NoticeData;
  sentSecond: number | null;
  /** When the sending last began. Set on a notice that is not sent: its receiver may already have the message. */
  claimedSecond: number | null;
  /** Set while the receiver's refusal is final for every retry. */
  refusedSecond: number | null;
  /** The refusal in codes, without an address. */
  refusal: string | null;
}

const toNotice = (row: InJson<NoticeRow>): Notice => ({
  id: row.id,
  teamId: row.teamId,
  kind: row.kind,
  channel: row.channel as Notice['channel'],
  second: toSecond(row.second),
  data: row.data as NoticeData,
  sentSecond: toSecondOrNull(row.sentSecond),
  claimedSecond: toSecondOrNull(row.claimedSecond),
  refusedSecond: toSecondOrNull(row.refusedSecond),
  refusal: row.refusal,
});

/** A mail to the team and the event to the platform about the same cause. */
export const mailAndEvent = (
  about: { teamId: string; second: number; cause: string; data: NoticeData },
  mail: MailKind,
  event: EventKind,
): NewNotice[] => [
  { ...about, channel: 'mail', kind: mail },
  { ...about, channel: 'event', kind: event },
];

/** A team gets a single mail for each cause. The mails of these effects include the low balance. */
const SAYS_MORE_THAN_LOW: ReadonlySet<Effect['kind']> = new Set(['exhausted', 'owes']);

/**
 * The mails and events that follow from the effects of a change.
 * @param balanceStatedSecond the second at which the fact's own mail states the balance; null where no such mail exists
 */
export function noticesFor(teamId: string, effects: Effect[], balanceStatedSecond: number | null = null): NewNotice[] {
  const isLowStated = (second: number): boolean =>
    second === balanceStatedSecond ||
    effects.some((effect) => SAYS_MORE_THAN_LOW.has(effect.kind) && 'second' in effect && effect.second === second);
  return effects.flatMap((effect): NewNotice[] => {
    if (effect.kind === 'exhausted') {
      const cause = exhaustionCause(teamId, effect.number);
      const about = { teamId, second: effect.second, cause, data: { exhaustion: effect.number } };
      return mailAndEvent(about, 'credits_exhausted', 'balance.exhausted');
    }
    if (effect.kind === 'low') {
      const { second, levelMicros } = effect;
      const about = { teamId, second, cause: lowCause(teamId, second, levelMicros), data: { levelMicros } };
      const both = mailAndEvent(about, 'balance_low', 'balance.low');
      return isLowStated(second) ? both.filter(({ channel }) => channel === 'event') : both;
    }
    if (effect.kind === 'budget_met') return budgetNotices(teamId, effect);
    if (effect.kind === 'burn_above') {
      const { second, burnMicros, limitMicros } = effect;
      const about = { teamId, second, cause: burnCause(teamId, second), data: { burn: { burnMicros, limitMicros } } };
      return [{ ...about, channel: 'mail', kind: 'burn_limit' }];
    }
    if (effect.kind === 'owes') {
      // The row of the new debt: one mail an episode.
      const { second, reference: cause, amountMicros: owedMicros } = effect;
      return mailAndEvent({ teamId, second, cause, data: { owedMicros } }, 'usage_owed', 'usage.owed');
    }
    if (effect.kind === 'reservation_closed') {
      const { endSecond, how, reservation } = effect;
      const { reservationId } = reservation;
      const cause = reservationEndedCause(reservationId, how, endSecond);
      const data = { reservationId, endSecond, how };
      return [{ teamId, second: endSecond, cause, data, channel: 'mail', kind: 'reservation_ended' }];
    }
    if (effect.kind === 'capped') {
      const { second, capMicros, toppedUpMicros, amountMicros } = effect;
      const cause = cappedCause(teamId, monthStart(second), capMicros);
      const data = { capMicros, toppedUpMicros, amountMicros };
      return [{ teamId, second, cause, data, channel: 'mail', kind: 'auto_top_up_capped' }];
    }
    return [];
  });
}

function budgetNotices(teamId: string, met: Extract<Effect, { kind: 'budget_met' }>): NewNotice[] {
  const { second, spentMicros, instanceIds, budget: terms } = met;
  const { project, period, amountMicros, action, episode, periodStartSecond } = terms;
  const endedCount = instanceIds.length;
  const budget = { project, period, amountMicros, action, periodStartSecond, spentMicros, endedCount };
  const cause = budgetCause(teamId, episode, periodStartSecond);
  return mailAndEvent({ teamId, second, cause, data: { budget } }, 'budget_met', 'budget.met');
}

export const insertNotices = (tx: Tx, notices: readonly NewNotice[]): Promise<void> =>
  writeTogether(tx, noticeWrites(notices));

/** Inserts notices in their order. An existing notice stays as it is. */
export function noticeWrites(notices: readonly NewNotice[]): Write[] {
  if (notices.length === 0) return [];
  const all = <T>(column: (notice: NewNotice) => T): T[] => notices.map(column);
  const sql = Prisma.sql`
    INSERT INTO notices (id, team_id, kind, channel, second, data, handed_on)
    SELECT id, team, kind, channel, second, data::jsonb, false
    FROM unnest(
      ${all(({ kind, cause }) => noticeId(kind, cause))}::text[], ${all(({ teamId }) => teamId)}::text[],
      ${all(({ kind }) => kind)}::text[], ${all(({ channel }) => channel)}::text[],
      ${all(({ second }) => second)}::bigint[], ${all(({ data }) => JSON.stringify(data))}::text[]
    ) AS rows (id, team, kind, channel, second, data)
    ON CONFLICT DO NOTHING`;
  return [{ as: 'noticed', sql }];
}

const OLDEST_FIRST = [{ second: 'asc' as const }, { writtenOrder: 'asc' as const }];

export async function findNotice(tx: Tx, id: string): Promise<Notice | null> {
  const row = await tx.notice.findUnique({ where: { id } });
  return row && toNotice(row);
}

/** The oldest notices without a workflow, at most `most`. */
export async function noticesNotHandedOn(tx: Tx, teamId: string, most?: number): Promise<Notice[]> {
  const rows = await tx.notice.findMany({
    where: { teamId, handedOn: false },
    orderBy: OLDEST_FIRST,
    ...(most !== undefined && { take: most }),
  });
  return rows.map(toNotice);
}

const FIELDS = fieldsOf(Prisma.NoticeScalarFieldEnum, 'notices');

/** The same as a JSON value. @param teamId the id of the team */
export const noticesNotHandedOnInJson = (teamId: Prisma.Sql, most: number): Prisma.Sql => Prisma.sql`
  SELECT json_agg(row_to_json(oldest)) FROM (
    SELECT ${Prisma.raw(FIELDS)} FROM notices WHERE team_id = ${teamId} AND NOT handed_on
    ORDER BY second, written_order LIMIT ${most}::int
  ) AS oldest`;

export const noticesFromJson = (rows: unknown): Notice[] => ((rows ?? []) as Array<InJson<NoticeRow>>).map(toNotice);

export const markHandedOn = async (tx: Tx, ids: string[]): Promise<void> => {
  await tx.notice.updateMany({ where: { id: { in: ids } }, data: { handedOn: true } });
};

/** Marks a notice as being sent. False if the notice is marked as sent already. */
export async function claimNotice(tx: Tx, id: string, second: number): Promise<boolean> {
  const { count } = await tx.notice.updateMany({
    where: { id, sentSecond: null },
    data: { claimedSecond: second, refusedSecond: null, refusal: null },
  });
  return count > 0;
}

export const markSent = async (tx: Tx, id: string, second: number): Promise<void> => {
  await tx.notice.updateMany({ where: { id, sentSecond: null }, data: { sentSecond: second } });
};

export const markRefused = async (tx: Tx, id: string, second: number, refusal: string): Promise<void> => {
  await tx.notice.updateMany({ where: { id, sentSecond: null }, data: { refusedSecond: second, refusal } });
};

/** Gives a team's refused mails to its watch again. Returns the number of mails. */
export async function reopenRefusedMails(tx: Tx, teamId: string): Promise<number> {
  const { count } = await tx.notice.updateMany({
    where: { teamId, channel: 'mail', sentSecond: null, refusedSecond: { not: null } },
    data: { handedOn: false, refusedSecond: null, refusal: null },
  });
  return count;
}

export async function noticesOf(tx: Tx, teamId: string): Promise<Notice[]> {
  const rows = await tx.notice.findMany({ where: { teamId }, orderBy: OLDEST_FIRST });
  return rows.map(toNotice);
}
