/** Makes the mail of a notice from the present rows: the notice has ids, and the mail has words. */
import { nextPeriodStart } from '../../billing/budgets.ts';
import { micros, ZERO } from '../../billing/money.ts';
import { nextMonthStart } from '../../billing/time.ts';
import { endedInstances } from '../../ledger/ended-instances.ts';
import { AS_RECORDED, readAccount } from '../../prisma/accounts.ts';
import { currentBillingDetails } from '../../prisma/billing-details.ts';
import type { Tx } from '../../prisma/client.ts';
import { findCorrection } from '../../prisma/corrections.ts';
import { creditedMicros, type Deposit, getDeposit } from '../../prisma/deposits.ts';
import { getDispute } from '../../prisma/disputes.ts';
import { findExhaustion } from '../../prisma/exhaustions.ts';
import { getInstance } from '../../prisma/instances.ts';
import type { DisputeTurn, MailKind, Notice } from '../../prisma/notices.ts';
import { findAnyPaymentMethod } from '../../prisma/payment-methods.ts';
import { getRefund } from '../../prisma/refunds.ts';
import { termsOf } from '../../prisma/reservations.ts';
import { getTeam } from '../../prisma/teams.ts';
import { final } from '../failures.ts';
import { receiptFile } from '../papers/receipts.ts';
import { autoTopUpCapped } from './auto-top-up-capped.ts';
import { autoTopUpCharged } from './auto-top-up-charged.ts';
import { autoTopUpFailed } from './auto-top-up-failed.ts';
import { balanceLow } from './balance-low.ts';
import { budgetMet } from './budget-met.ts';
import { burnLimit } from './burn-limit.ts';
import { cardExpiring } from './card-expiring.ts';
import { creditsExhausted } from './credits-exhausted.ts';
import { depositCorrected } from './deposit-corrected.ts';
import { depositReceipt } from './deposit-receipt.ts';
import { disputeMail, turnOfRow } from './dispute.ts';
import type { PaymentFacts } from './facts.ts';
import {
  depositOf,
  movedBy,
  paymentFacts,
  receiptFacts,
  runwayOf,
  type Sending,
  standingOf,
  thresholdOf,
} from './facts-of-notice.ts';
import type { Mail } from './layout.ts';
import { refundMail } from './refund.ts';
import { type NextTerm, type ReservationFacts, reservationEnded, reservationEnding } from './reservation.ts';
import { spotReclaim } from './spot-reclaim.ts';
import { usageOwed } from './usage-owed.ts';

type Writer = (sending: Sending) => Promise<Mail>;

const WRITERS: Record<MailKind, Writer> = {
  deposit_receipt: async (sending) => {
    const deposit = await depositOf(sending);
    const payment = await receiptFacts(sending, deposit);
    return withReceipt(
      sending,
      deposit,
      payment,
      depositReceipt(sending.about, payment, deposit.receiptUrl, await runwayOf(sending)),
    );
  },
  deposit_corrected: async (sending) => {
    const { db, notice } = sending;
    const correction = await findCorrection(db, notice.data.correctionId ?? '');
    if (correction === null) throw final('mail', `no correction for the notice ${notice.id}`);
    const { id: depositId, closedSecond, openedSecond, receivedMicros } = await getDeposit(db, correction.depositId);
    const { owedMicros } = await readAccount(db, notice.teamId, AS_RECORDED);
    const corrected = {
      ...correction,
      ...{ depositId, depositSecond: closedSecond ?? openedSecond, receivedMicros: receivedMicros ?? ZERO, owedMicros },
    };
    return depositCorrected(sending.about, corrected, await runwayOf(sending));
  },
  auto_top_up_charged: async (sending) => {
    const deposit = await depositOf(sending);
    const payment = await paymentFacts(sending.db, deposit);
    const charged = { receiptUrl: deposit.receiptUrl, thresholdMicros: await thresholdOf(sending, deposit) };
    return withReceipt(
      sending,
      deposit,
      payment,
      autoTopUpCharged(sending.about, payment, charged, await runwayOf(sending)),
    );
  },
  auto_top_up_failed: async (sending) => {
    const deposit = await depositOf(sending);
    const payment = await paymentFacts(sending.db, deposit);
    return autoTopUpFailed(sending.about, payment, deposit.failureCode ?? 'declined', await runwayOf(sending));
  },
  auto_top_up_capped: async (sending) => {
    // As of the reaching of the cap: the policy may have been changed since, and the month may be over.
    const { capMicros = 0, toppedUpMicros = 0, amountMicros = 0 } = sending.notice.data;
    const cap = {
      monthlyCapMicros: micros(capMicros),
      amountMicros: micros(amountMicros),
      toppedUpMicros: micros(toppedUpMicros),
      nextMonthSecond: nextMonthStart(sending.notice.second),
    };
    return autoTopUpCapped(sending.about, cap, await runwayOf(sending));
  },
  balance_low: async (sending) => {
    const { second, data } = sending.notice;
    const levelMicros = micros(data.levelMicros ?? sending.settings.lowLevelMicros);
    return balanceLow(sending.about, { levelMicros, second }, await runwayOf(sending));
  },
  credits_exhausted: async (sending) => {
    const { db, notice } = sending;
    const exhaustion = await findExhaustion(db, notice.teamId, notice.data.exhaustion ?? 0);
    const second = exhaustion?.second ?? notice.second;
    const stopped = await endedInstances(db, exhaustion?.instanceIds ?? []);
    const { running, ...runway } = await standingOf(sending);
    // An instance that started after the exhaustion was paid by new credit, so the order of ends did not spare the
    // instance.
    const spared = running.filter(({ startSecond }) => startSecond <= second);
    const { settings, minDepositMicros } = sending;
    const minimums = { startMicros: settings.minStartMicros, depositMicros: minDepositMicros };
    return creditsExhausted(sending.about, { second, stopped, running: spared, minimums }, runway);
  },
  usage_owed: async (sending) => {
    const { owedMicros } = await readAccount(sending.db, sending.notice.teamId, AS_RECORDED);
    return usageOwed(sending.about, owedMicros, sending.notice.second);
  },
  budget_met: async (sending) => {
    const { notice } = sending;
    const { budget } = notice.data;
    if (budget === undefined) throw final('mail', `no budget for the notice ${notice.id}`);
    const met = {
      ...budget,
      amountMicros: micros(budget.amountMicros),
      spentMicros: micros(budget.spentMicros),
      metSecond: notice.second,
      periodEndSecond: nextPeriodStart(budget.period, budget.periodStartSecond),
    };
    return budgetMet(sending.about, met, await runwayOf(sending));
  },
  burn_limit: async (sending) => {
    const { second, data } = sending.notice;
    const { burnMicros = 0, limitMicros = 0 } = data.burn ?? {};
    const burn = { burnMicros: micros(burnMicros), limitMicros: micros(limitMicros), second };
    return burnLimit(sending.about, burn, await runwayOf(sending));
  },
  refund: async (sending) => {
    const { db, notice } = sending;
    const refund = await getRefund(db, notice.data.refundId ?? '');
    const deposit = await getDeposit(db, refund.depositId);
    const turn = notice.data.turn === 'returned' ? 'returned' : 'sent';
    const { owedMicros } = await readAccount(db, notice.teamId, AS_RECORDED);
    const about = {
      refund,
      deposit,
      owedMicros,
      payment: await paymentFacts(db, deposit),
      ...(await movedBy(db, refund)),
    };
    return refundMail(sending.about, turn, about, await runwayOf(sending));
  },
  dispute: async (sending) => {
    const { db, notice } = sending;
    const dispute = await getDispute(db, notice.data.disputeId ?? '');
    const deposit = await getDeposit(db, dispute.depositId);
    const { owedMicros } = await readAccount(db, notice.teamId, AS_RECORDED);
    const turn = (notice.data.turn ?? 'opened') as DisputeTurn;
    const about = {
      dispute,
      turned: notice.data.disputeTurn ?? turnOfRow(turn, dispute, owedMicros),
      payment: await paymentFacts(db, deposit),
      paidMicros: creditedMicros(deposit),
      refundedMicros: deposit.refundedMicros,
      owedMicros,
    };
    return disputeMail(sending.about, turn, about, await runwayOf(sending));
  },
  card_expiring: async ({ db, notice, about, nowSecond }) => {
    const { paymentMethodId = '', expiry } = notice.data;
    const card = await findAnyPaymentMethod(db, paymentMethodId);
    if (card === null || expiry === undefined) throw final('mail', `no card for the notice ${notice.id}`);
    const { policy } = await readAccount(db, notice.teamId, AS_RECORDED);
    const chargedByAutoTopUp = policy?.enabled === true && policy.paymentMethodId === card.id;
    const { brand, last4 } = card;
    const expiring = { brand, last4, expYear: expiry.year, expMonth: expiry.month, chargedByAutoTopUp };
    return cardExpiring(about, expiring, nowSecond);
  },
  spot_reclaim: async ({ db, notice, about }) => {
    const { instanceId = '', reclaimSecond = notice.second } = notice.data;
    const { gpuType, region } = await getInstance(db, instanceId);
    return spotReclaim(about, { instanceId, gpuType, region, reclaimSecond });
  },
  reservation_ending: async ({ db, notice, about }) => {
    const { endSecond = notice.second, days = 0 } = notice.data;
    const [term] = await termAt(db, notice, endSecond);
    return reservationEnding(about, term, { endSecond, days });
  },
  reservation_ended: async ({ db, notice, about }) => {
    const { endSecond = notice.second, how = 'ended' } = notice.data;
    const [over, next] = await termAt(db, notice, endSecond);
    return reservationEnded(about, over, { endSecond, how, next: how === 'renewed' ? next : undefined });
  },
};

/** The reservation in the term that ends at a second, and the next term, if any. */
async function termAt(
  db: Tx,
  { id, data }: Notice,
  endSecond: number,
): Promise<[ReservationFacts, NextTerm | undefined]> {
  const terms = await termsOf(db, [data.reservationId ?? '']);
  const isOver = (term: { closedSecond: number | null; endSecond: number }) =>
    (term.closedSecond ?? term.endSecond) === endSecond;
  // A renewed reservation may have lapsed at the very same second.
  const indexOfTerm = data.how === 'renewed' ? terms.findIndex(isOver) : terms.findLastIndex(isOver);
  const index = indexOfTerm === -1 ? terms.length - 1 : indexOfTerm;
  const term = terms[index];
  if (!term) throw final('mail', `no reservation for the notice ${id}`);
  return [term, terms[index + 1]];
}

/** Null for a kind without words in this release. */
export async function mailOfNotice(sending: Sending): Promise<Mail | null> {
  const writer = (WRITERS as Record<string, Writer | undefined>)[sending.notice.kind];
  return writer ? writer(sending) : null;
}

/** Attaches the receipt of the payment, and sends a copy to the address for papers, so accountants need no login. */
async function withReceipt(
  { db, issuer, nowSecond }: Sending,
  deposit: Deposit,
  { receiptNumber }: PaymentFacts,
  mail: Mail,
): Promise<Mail> {
  const receipt = await receiptFile({ db, issuer, nowSecond }, deposit, receiptNumber);
  if (receipt === null) return mail;
  const { name: filename, content } = receipt;
  const { email } = await currentBillingDetails(db, deposit.teamId);
  const { email: ownEmail } = await getTeam(db, deposit.teamId);
  return {
    ...mail,
    attachments: [{ filename, content, contentType: 'application/pdf' }],
    // As an object, so a comma in the name makes no second recipient.
    ...(email !== null && email.toLowerCase() !== ownEmail.toLowerCase() && { cc: { name: '', address: email } }),
  };
}
