/** One mail or outgoing event, retried until it is sent: a dead mail server holds up nobody's money. */
import { Stated } from './details.ts';
import type { NoticeInput } from './messages.ts';
import { mail, platform } from './neighbours.ts';
import { nowSecond } from './waiting.ts';

export async function notice({ noticeId, channel }: NoticeInput): Promise<void> {
  const state = new Stated('sending');
  const sending = { noticeId, nowSecond: nowSecond() };
  await (channel === 'mail' ? mail.sendMail(sending) : platform.sendEvent(sending));
  state.say('sent');
}
