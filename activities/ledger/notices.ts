/**
 * The marks of a notice: claimed before it is sent, then sent or refused. The claim is a write, so a database that cannot
 * keep the mark also stops the sending: no receiver gets the same mail at each retry.
 */
import { claimNotice, findNotice, markRefused, markSent } from '../../prisma/notices.ts';
import { final } from '../failures.ts';
import type { LedgerWorld } from '../world.ts';

/** `sent`: an earlier run has sent it and marked it. */
export type NoticeClaim = 'claimed' | 'sent';

export interface NoticeAt {
  noticeId: string;
  nowSecond: number;
}

export const noticeActs = ({ db }: LedgerWorld) => ({
  /** Claims a notice for sending. A repeated claim is granted until the notice is marked as sent. */
  claimNotice: async ({ noticeId, nowSecond }: NoticeAt): Promise<NoticeClaim> => {
    if (await claimNotice(db, noticeId, nowSecond)) return 'claimed';
    if ((await findNotice(db, noticeId)) === null) throw final('mail', `no such notice: ${noticeId}`, 'no_such_notice');
    return 'sent';
  },

  markNoticeSent: ({ noticeId, nowSecond }: NoticeAt): Promise<void> => markSent(db, noticeId, nowSecond),

  /** Keeps why a notice was refused for good, in codes. It can be sent again by another run. */
  markNoticeRefused: ({ noticeId, nowSecond, refusal }: NoticeAt & { refusal: string }): Promise<void> =>
    markRefused(db, noticeId, nowSecond, refusal),
});
