/** What is recorded of a dispute: held from credit while the bank decides, then credit again, or gone. */
import { advance } from '../../billing/facts.ts';
import type { Micros } from '../../billing/money.ts';
import { closeDispute, openDispute } from '../../billing/money-back.ts';
import type { Tx } from '../../prisma/client.ts';
import { getDeposit, wasCredited } from '../../prisma/deposits.ts';
import {
  closeDisputeRow,
  type Dispute,
  type DisputeStatus,
  findDispute,
  getDispute,
  insertDispute,
} from '../../prisma/disputes.ts';
import type { DisputeTurn, NewNotice } from '../../prisma/notices.ts';
import { recordFact } from '../../prisma/record.ts';
import { refundsOfDeposit } from '../../prisma/refunds.ts';
import type { LedgerWorld } from '../world.ts';
import { creditedDeposit, keepMoneyBack } from './refunds.ts';

/** What a dispute's workflow needs to know of it. */
export interface DisputeOrder {
  disputeId: string;
  depositId: string;
  teamId: string;
  amountMicros: Micros;
  heldMicros: Micros;
  status: DisputeStatus;
}

const orderOf = ({ id, depositId, teamId, amountMicros, heldMicros, status }: Dispute): DisputeOrder => ({
  disputeId: id,
  depositId,
  teamId,
  amountMicros,
  heldMicros,
  status,
});

const noticeOf = (teamId: string, disputeId: string, turn: DisputeTurn, second: number): NewNotice => ({
  teamId,
  second,
  cause: `${disputeId}/${turn}`,
  data: { disputeId, turn },
  channel: 'mail',
  kind: 'dispute',
});

export const disputeActs = ({ db, terms }: LedgerWorld) => ({
  findDisputeOrder: async (input: { disputeId: string }): Promise<DisputeOrder | null> => {
    const dispute = await findDispute(db, input.disputeId);
    return dispute && orderOf(dispute);
  },

  /**
   * Opens a dispute, or finds the one that was opened: what is contested is held, as far as there is credit. Null while the
   * deposit is still to be credited.
   */
  openDispute: async (
    input: {
      disputeId: string;
      depositId: string;
      stripeDisputeId: string;
      amountMicros: Micros;
      reason: string;
      nowSecond: number;
    },
    causedBy: string,
  ): Promise<DisputeOrder | null> => {
    const { disputeId, depositId, stripeDisputeId, amountMicros, reason } = input;
    const { teamId } = await getDeposit(db, depositId);
    return recordFact<DisputeOrder | null>(
      db,
      { teamId, causedBy, throughSecond: input.nowSecond },
      async (account, tx) => {
        const answer = async (within: Tx) => orderOf(await getDispute(within, disputeId));
        if (await findDispute(tx, disputeId)) return { outcome: advance(account, terms, input.nowSecond), answer };
        const deposit = await getDeposit(tx, depositId);
        // Its success is on its way here: its own workflow asks for it.
        if (!wasCredited(deposit))
          return { outcome: advance(account, terms, input.nowSecond), answer: async () => null };
        const opening = { disputeId, claimedMicros: amountMicros, deposit: await creditedDeposit(tx, deposit) };
        const outcome = openDispute(account, terms, opening, input.nowSecond);
        const openedSecond = outcome.account.asOfSecond;
        await insertDispute(tx, {
          id: disputeId,
          teamId,
          depositId,
          stripeDisputeId,
          amountMicros,
          reason,
          openedSecond,
        });
        await keepMoneyBack(tx, depositId);
        return { outcome, notices: [noticeOf(teamId, disputeId, 'opened', openedSecond)], answer };
      },
    );
  },

  /**
   * Writes how the bank decided, once. It stays open while a refund of the deposit is under way: what of the deposit is
   * left to lose depends on it.
   */
  closeDispute: async (
    input: { disputeId: string; outcome: 'won' | 'lost'; nowSecond: number },
    causedBy: string,
  ): Promise<DisputeOrder> => {
    const { disputeId, outcome: decided } = input;
    const { teamId, depositId } = await getDispute(db, disputeId);
    return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const answer = async (within: Tx) => orderOf(await getDispute(within, disputeId));
      const { status } = await getDispute(tx, disputeId);
      if (status !== 'open') return { outcome: advance(account, terms, input.nowSecond), answer };
      const refunds = await refundsOfDeposit(tx, depositId);
      if (refunds.some((refund) => refund.status === 'pending'))
        return { outcome: advance(account, terms, input.nowSecond), answer };
      const outcome = closeDispute(account, terms, { disputeId, outcome: decided }, input.nowSecond);
      const second = outcome.account.asOfSecond;
      await closeDisputeRow(tx, disputeId, decided, second);
      await keepMoneyBack(tx, depositId);
      return { outcome, notices: [noticeOf(teamId, disputeId, decided, second)], answer };
    });
  },
});
