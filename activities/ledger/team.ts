/** The watch's view of a team: what the clock has brought, what is to be announced, and when to look again. */
import { nextCrossing, spendableMicros, topUpOutlook } from '../../billing/account.ts';
import { advance } from '../../billing/facts.ts';
import type { Micros } from '../../billing/money.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { type Exhaustion, markAnnounced, unannouncedExhaustions } from '../../prisma/exhaustions.ts';
import { markHandedOn, type Notice, type NoticeChannel, noticesNotHandedOn } from '../../prisma/notices.ts';
import { recordFact } from '../../prisma/record.ts';
import { markTeamStops, nextTeamStop, type TeamStop } from '../../prisma/team-stops.ts';
import type { LedgerWorld } from '../world.ts';
import { cardExpiry } from './card-expiry.ts';

export interface Outlook {
  /** Ends of credit that nobody has announced yet, whoever recorded them. */
  exhaustions: Exhaustion[];
  /** Instances that an operator ended together and whose machines are to be stopped: a batch at a time. */
  stop?: TeamStop;
  /** Mails and events written beside their causes and not yet handed on. */
  notices: Array<{ noticeId: string; teamId: string; channel: NoticeChannel }>;
  /** Reservations that one of those notices says have ended or been renewed: their workflows are to look. */
  reservationIds?: string[];
  /** Running instances for which a reclaim is announced: once one of them is gone, its workflow is to look. */
  reclaiming?: string[];
  /** The attempt whose outcome is not known yet. */
  attemptDepositId: string | null;
  next: { second: number; what: string } | null;
  availableMicros: Micros;
  burnMicrosPerHour: Micros;
  topUp: string;
}

const sooner = (crossing: Outlook['next'], cardSecond: number | null): Outlook['next'] =>
  cardSecond !== null && (crossing === null || cardSecond < crossing.second)
    ? { second: cardSecond, what: 'card_expiring' }
    : crossing;

/** A term came to its end, and it was not the reservation's own workflow that saw it first. */
const reservationsThatEnded = (notices: Notice[]): string[] => [
  ...new Set(
    notices.flatMap(({ kind, data }) =>
      kind === 'reservation_ended' && data.reservationId ? [data.reservationId] : [],
    ),
  ),
];

export const teamActs = ({ db, terms }: LedgerWorld) => ({
  /** Brings the team up to date through `nowSecond` and answers what is to be done and when to look again. */
  lookAhead: (input: { teamId: string; nowSecond: number }, causedBy: string): Promise<Outlook> =>
    recordFact(db, { teamId: input.teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const outcome = advance(account, terms, input.nowSecond);
      const now = outcome.account;
      const expiry = await cardExpiry(tx, input.teamId, now.asOfSecond);
      return {
        outcome,
        notices: expiry.notices,
        answer: async (tx) => {
          const notices = await noticesNotHandedOn(tx, input.teamId);
          const stop = await nextTeamStop(tx, input.teamId);
          const reservationIds = reservationsThatEnded(notices);
          const reclaiming = now.meters.filter(({ reclaimSecond }) => reclaimSecond !== null);
          return {
            exhaustions: await unannouncedExhaustions(tx, input.teamId),
            ...(stop && { stop }),
            notices: notices.map(({ id, teamId, channel }) => ({ noticeId: id, teamId, channel })),
            ...(reservationIds.length > 0 && { reservationIds }),
            ...(reclaiming.length > 0 && { reclaiming: reclaiming.map(({ instanceId }) => instanceId) }),
            attemptDepositId: now.attempt?.depositId ?? null,
            next: sooner(nextCrossing(now, terms), expiry.nextSecond),
            availableMicros: spendableMicros(now, now.asOfSecond),
            burnMicrosPerHour: burnMicrosPerHour(now),
            topUp: topUpOutlook(now, terms).state,
          };
        },
      };
    }),

  /** Remembers that ends were told to the instances, and that notices have workflows of their own. */
  markTold: async (input: {
    teamId: string;
    exhaustions: number[];
    noticeIds: string[];
    stops?: number[];
  }): Promise<void> => {
    await markAnnounced(db, input.teamId, input.exhaustions);
    await markTeamStops(db, input.stops ?? []);
    await markHandedOn(db, input.noticeIds);
  },
});
