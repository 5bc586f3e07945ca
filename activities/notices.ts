/** Mails and outgoing events: each is composed from the ledger at the moment of sending. */
import type { NoticeAt } from '../ledger/notices.ts';

export interface Mailer {
  /**
   * Sends the mail of a notice under the notice's Message-ID. Resolves when the mail server has accepted the mail.
   * Marks nothing.
   */
  deliverMail(input: NoticeAt): Promise<void>;
  /** Claims, sends and marks in a single activity: for notice workflows that began before these were three steps. */
  sendMail(input: NoticeAt): Promise<void>;
}

export interface Platform {
  /** Has the platform stop a machine. Resolves when the platform has confirmed with a 2xx. */
  terminateMachine(input: { instanceId: string }): Promise<void>;
  /**
   * Has the platform stop machines without a confirmation, and records each confirmation. A machine whose order fails
   * is left to the instance's own workflow, which orders the stop again until the platform confirms.
   */
  terminateMachines(input: { instanceIds: string[]; nowSecond: number }): Promise<void>;
  /** Sends the outgoing event of a notice. Resolves when the platform has answered 2xx. Marks nothing. */
  deliverEvent(input: NoticeAt): Promise<void>;
  /** Claims, sends and marks in a single activity: for notice workflows that began before these were three steps. */
  sendEvent(input: NoticeAt): Promise<void>;
}
