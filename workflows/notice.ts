/**
 * A notice. A mail or an outgoing event is claimed in the database, sent, then marked as sent. Each step is retried
 * separately, so an outage of the database after the sending repeats the mark and not the mail. A worker that dies
 * between the mail server's answer and the end of the activity sends a second copy, under the same Message-ID or
 * webhook-id. A copy of a team's details for the card provider may be made any number of times.
 */
import { ActivityFailure, ApplicationFailure, patched } from '@temporalio/workflow';
import { BillingState } from './details.ts';
import type { NoticeInput } from './messages.ts';
import { events, ledger, mail, payments } from './neighbours.ts';
import { nowSecond } from './waiting.ts';

export async function notice({ noticeId, channel }: NoticeInput): Promise<void> {
  const state = new BillingState<'sending' | 'sent' | 'refused'>('sending');
  const sending = { noticeId, nowSecond: nowSecond() };
  if (channel === 'customer') {
    await payments.copyCustomer(sending);
    return state.set('sent');
  }
  if (!patched('claim-before-sending')) {
    await (channel === 'mail' ? mail.sendMail(sending) : events.sendEvent(sending));
    return state.set('sent');
  }

  const claim = await ledger.claimNotice(sending);
  if (claim === 'claimed') {
    try {
      await (channel === 'mail' ? mail.deliverMail(sending) : events.deliverEvent(sending));
    } catch (error) {
      await ledger.markNoticeRefused({ noticeId, nowSecond: nowSecond(), refusal: refusalOf(error) });
      state.set('refused');
      throw error;
    }
    await ledger.markNoticeSent({ noticeId, nowSecond: nowSecond() });
  }
  state.set('sent');
}

/**
 * The reason why an activity without a limit of retries has ended: a failure that no retry can change. Other errors are
 * thrown on.
 */
function refusalOf(error: unknown): string {
  if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) return error.cause.message;
  throw error;
}
