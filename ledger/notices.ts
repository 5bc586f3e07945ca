/**
 * The marks of a notice: claimed before the sending, then sent or refused. The claim is a write, so a database that
 * cannot store the mark also stops the sending, and no receiver gets the same mail at each retry.
 */
import { claimNotice, findNotice, markRefused, markSent } from '../prisma/notices.ts';
import type { LedgerWorld } from './world.ts';

/** `sent`: an earlier run has sent and marked the notice. `missing`: no notice has this id. */
export type NoticeClaim = 'claimed' | 'sent' | 'missing';

export interface NoticeAt {
  noticeId: string;
  nowSecond: number;
}

export const noticeActs = ({ db }: LedgerWorld) => ({
  /** Claims a notice for sending. A repeated claim is granted until the notice is marked as sent. */
  claimNotice: async ({ noticeId, nowSecond }: NoticeAt): Promise<NoticeClaim> => {
    if (await claimNotice(db, noticeId, nowSecond)) return 'claimed';
    return (await findNotice(db, noticeId)) === null ? 'missing' : 'sent';
  },

  markNoticeSent: ({ noticeId, nowSecond }: NoticeAt): Promise<void> => markSent(db, noticeId, nowSecond),

  /** Stores the reason of a final refusal, in codes. Another run can send the notice again. */
  markNoticeRefused: ({ noticeId, nowSecond, refusal }: NoticeAt & { refusal: string }): Promise<void> =>
    markRefused(db, noticeId, nowSecond, refusal),
});
