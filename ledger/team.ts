/** The watch's view of a team: brings crossings up to date, and returns the work to announce and the next look. */
import { type Account, type BillingSettings, spendableMicros } from '../billing/account.ts';
import { type Crossing, type TopUpOutlook, topUpOutlook } from '../billing/crossings.ts';
import { advance } from '../billing/facts.ts';
import { halfwaySecond, nextLook, spreadSecond } from '../billing/looks.ts';
import type { Micros } from '../billing/money.ts';
import { burnMicrosPerHour } from '../billing/runway.ts';
import { type EndedPiece, markSignalled } from '../prisma/ended-pieces.ts';
import { type Exhaustion, markAnnounced } from '../prisma/exhaustions.ts';
import { markHandedOn, type Notice, type NoticeChannel } from '../prisma/notices.ts';
import { defaultPaymentMethod } from '../prisma/payment-methods.ts';
import { recordFact } from '../prisma/record.ts';
import { markTeamStops, type TeamStop } from '../prisma/team-stops.ts';
import { READ_BY_LOOK, type ReadByLook, readUnannounced } from '../prisma/unannounced.ts';
import { cardExpiry } from './card-expiry.ts';
import type { LedgerWorld } from './world.ts';

export interface Outlook {
  /**
   * Ended instances whose workflows are to be signalled, from any recording: one piece, or null. Absent in answers
   * recorded by an earlier release; those have `exhaustions`, `stop` and `reclaiming`.
   */
  ended?: EndedPiece | null;
  exhaustions?: Exhaustion[];
  stop?: TeamStop;
  /** Mails and events whose workflows are to be started, at most `PIECE`. */
  notices: Array<{ noticeId: string; teamId: string; channel: NoticeChannel }>;
  /** Reservations that a notice names as ended or renewed. Their workflows have to look. */
  reservationIds?: string[];
  /** Running instances with an announced reclaim. */
  reclaiming?: string[];
  /** The attempt whose outcome is not known yet. */
  attemptDepositId: string | null;
  /**
   * The next second to look at: of a crossing, or halfway to a distant one. A second shared by many teams is spread: see
   * billing/looks.ts.
   */
  next: (Omit<Crossing, 'what'> & { what: Crossing['what'] | 'card_expiring' | 'halfway' }) | null;
  /** The crossing after `next`, if the look at `next` comes before the crossing. */
  crossing?: Crossing;
  availableMicros: Micros;
  burnMicrosPerHour: Micros;
  topUp: TopUpOutlook['state'];
}

/**
 * The next second to look at, before or at the next crossing of the account.
 * @param cardSecond when the watch announces that the card expires; null when it announces nothing
 */
function looksAt(
  account: Account,
  settings: BillingSettings,
  cardSecond: number | null,
): Pick<Outlook, 'next' | 'crossing'> {
  const crossing = nextLook(account, settings);
  if (cardSecond !== null && (crossing === null || cardSecond < crossing.second))
    return { next: { second: cardSecond, what: 'card_expiring' } };
  const halfway = crossing && halfwaySecond(crossing, account.asOfSecond);
  return crossing && halfway !== null ? { next: { second: halfway, what: 'halfway' }, crossing } : { next: crossing };
}

/** Reservations whose term ended without their own workflow's settlement. */
const reservationsThatEnded = (notices: Notice[]): string[] => [
  ...new Set(
    notices.flatMap(({ kind, data }) =>
      kind === 'reservation_ended' && data.reservationId ? [data.reservationId] : [],
    ),
  ),
];

const lookOf = ({ teamId, nowSecond }: { teamId: string; nowSecond: number }, causedBy: string) => ({
  teamId,
  causedBy,
  throughSecond: nowSecond,
  also: READ_BY_LOOK,
});

export const teamActs = ({ db, settings }: LedgerWorld) => ({
  /** Brings the team up to date through `nowSecond`, and returns the work to announce and the next look. */
  lookAhead: (input: { teamId: string; nowSecond: number }, causedBy: string): Promise<Outlook> =>
    recordFact<Outlook, ReadByLook>(db, lookOf(input, causedBy), async (account, tx, { also }) => {
      const outcome = advance(account, settings, input.nowSecond);
      const now = outcome.account;
      let expiry = cardExpiry(also.defaultCard, now.asOfSecond);
      // A card may have been removed while the look waited for the lock: the removal writes no account.
      if (expiry.notices.length > 0) expiry = cardExpiry(await defaultPaymentMethod(tx, input.teamId), now.asOfSecond);
      const isQuiet = outcome.effects.length + expiry.notices.length === 0;
      // The watch sleeps until `next`, so the row of the account says the same (prisma/look-marks.ts).
      const { next, crossing } = looksAt(
        now,
        settings,
        expiry.nextSecond && spreadSecond(input.teamId, expiry.nextSecond),
      );
      return {
        outcome,
        notices: expiry.notices,
        look: { taken: { untilSecond: next?.second ?? null } },
        answer: async (tx) => {
          const { ended, notices } = isQuiet ? also.unannounced : await readUnannounced(tx, input.teamId);
          const reservationIds = reservationsThatEnded(notices);
          return {
            ended,
            notices: notices.map(({ id, teamId, channel }) => ({ noticeId: id, teamId, channel })),
            ...(reservationIds.length > 0 && { reservationIds }),
            attemptDepositId: now.attempt?.depositId ?? null,
            next,
            ...(crossing && { crossing }),
            availableMicros: spendableMicros(now, now.asOfSecond),
            burnMicrosPerHour: burnMicrosPerHour(now),
            topUp: topUpOutlook(now, settings).state,
          };
        },
      };
    }),

  /**
   * Records which instances are signalled and which notices have workflows. `exhaustions` and `stops` are whole rows,
   * as announced by runs of an earlier release.
   */
  markTold: async (input: {
    teamId: string;
    exhaustions: number[];
    noticeIds: string[];
    stops?: number[];
    ended?: { of: EndedPiece['of']; number: number; signalled: number };
  }): Promise<void> => {
    const { teamId, exhaustions, noticeIds, stops = [], ended } = input;
    if (ended) await markSignalled(db, teamId, ended);
    if (exhaustions.length > 0) await markAnnounced(db, teamId, exhaustions);
    await markTeamStops(db, stops);
    if (noticeIds.length > 0) await markHandedOn(db, noticeIds);
  },
});
