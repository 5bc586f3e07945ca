/**
 * The ledger's rows of the teams, read in a few statements for all teams, because many cases wait for the rows at a
 * time.
 */
import type { Db } from '../../prisma/client.ts';

export interface TeamRows {
  postedMicros: number;
  owedMicros: number;
  attemptDepositId: string | null;
  deposits: { id: string; label: string; status: string; amountMicros: number; checkoutUrl: string | null }[];
  refunds: { id: string; status: string; amountMicros: number }[];
  /** Signed by their effect on the team's credit. */
  transfers: { code: string; micros: number; depositId: string | null }[];
  notices: { id: string; kind: string; channel: string; isSent: boolean }[];
}

const FRESH_FOR_MS = 250;

export class RowsOfTeams {
  readonly #db: Db;
  #read: Promise<Map<string, TeamRows>> = Promise.resolve(new Map());
  #readAtMs = 0;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The rows of a team, a moment old at the most. Null for an unknown team, and while the database is away. */
  async of(teamId: string): Promise<TeamRows | null> {
    const nowMs = Date.now();
    if (nowMs - this.#readAtMs > FRESH_FOR_MS) {
      this.#readAtMs = nowMs;
      this.#read = this.#all();
    }
    const all = await this.#read.catch(() => null);
    return all?.get(teamId) ?? null;
  }

  /** Reads the rows again. */
  again(): void {
    this.#readAtMs = 0;
  }

  async #all(): Promise<Map<string, TeamRows>> {
    const db = this.#db;
    // In one snapshot, because a deposit and its transfer are of one transaction.
    const [accounts, deposits, refunds, transfers, notices] = await db.$transaction(
      [
        db.account.findMany(),
        db.deposit.findMany({ orderBy: { openedOrder: 'asc' } }),
        db.refund.findMany({ orderBy: { openedOrder: 'asc' } }),
        db.transfer.findMany({ orderBy: { id: 'asc' } }),
        db.notice.findMany({ orderBy: { id: 'asc' } }),
      ],
      { isolationLevel: 'RepeatableRead' },
    );
    const rowsByTeam = new Map(
      accounts.map(({ teamId, postedMicros, owedMicros, attemptDepositId }): [string, TeamRows] => [
        teamId,
        {
          postedMicros: Number(postedMicros),
          owedMicros: Number(owedMicros),
          attemptDepositId,
          deposits: [],
          refunds: [],
          transfers: [],
          notices: [],
        },
      ]),
    );
    for (const { teamId, id, label, status, amountMicros, checkoutUrl } of deposits)
      rowsByTeam.get(teamId)?.deposits.push({ id, label, status, amountMicros: Number(amountMicros), checkoutUrl });
    for (const { teamId, id, status, amountMicros } of refunds)
      rowsByTeam.get(teamId)?.refunds.push({ id, status, amountMicros: Number(amountMicros) });
    for (const { teamId, code, amountMicros, creditAccount, depositId } of transfers) {
      const isCredit = creditAccount === `team/${teamId}/credit`;
      const micros = Number(amountMicros) * (isCredit ? 1 : -1);
      rowsByTeam.get(teamId)?.transfers.push({ code, micros, depositId });
    }
    for (const { teamId, id, kind, channel, sentSecond } of notices)
      rowsByTeam.get(teamId)?.notices.push({ id, kind, channel, isSent: sentSecond !== null });
    return rowsByTeam;
  }
}
