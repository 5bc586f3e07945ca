/** Mails and outgoing events: each sends what a notice row is about, composed from the ledger at that moment. */
export interface Mailer {
  /** Sends the mail of a notice, once: under a stable Message-ID, and not again when it is marked as sent. */
  sendMail(input: { noticeId: string; nowSecond: number }): Promise<void>;
}

export interface Platform {
  /** Has the platform stop a machine. Resolves when it has confirmed with a 2xx. */
  terminateMachine(input: { instanceId: string }): Promise<void>;
  /** Sends the outgoing event of a notice. Resolves when the platform has answered 2xx. */
  sendEvent(input: { noticeId: string; nowSecond: number }): Promise<void>;
}
