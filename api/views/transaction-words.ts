/** A ledger row in words, for pages and spreadsheets. */
import { cardInWords } from '../../activities/mail/facts.ts';
import type { TransferCode } from '../../billing/ledger.ts';
import type { TransferCause } from '../../prisma/transfer-causes.ts';
import type { RecordedTransfer } from '../../prisma/transfers.ts';

export type Method = 'card' | 'crypto';

const PRICING: Record<string, string> = { on_demand: 'on-demand', spot: 'spot', reserved: 'reserved' };

const instanceOf = ({ instanceId }: RecordedTransfer, { instance }: TransferCause): string =>
  instance
    ? `instance ${instanceId} (${instance.gpuType}, ${instance.region}, ${PRICING[instance.pricing] ?? instance.pricing})`
    : `instance ${instanceId ?? ''}`.trim();

const reservationOf = ({ reservationId }: RecordedTransfer, { reservation }: TransferCause): string =>
  reservation
    ? `reservation ${reservationId} (${reservation.count} × ${reservation.gpuType}, ${reservation.region}, ${reservation.term})`
    : `reservation ${reservationId ?? ''}`.trim();

function paidBy({ payment }: TransferCause): string {
  if (payment === undefined) return '';
  if (payment.method === 'crypto') return ' in crypto';
  const { cardBrand, cardLast4 } = payment;
  return ` by ${cardInWords(cardBrand === null || cardLast4 === null ? null : { brand: cardBrand, last4: cardLast4 })}`;
}

const usageOf = ({ model }: RecordedTransfer): string => (model === null ? 'of tokens' : `of ${model}`);
const noted = ({ grantNote }: TransferCause): string => (grantNote === undefined ? '' : `: ${grantNote}`);
const corrected = ({ correctionNote }: TransferCause): string =>
  correctionNote === undefined ? '' : `: ${correctionNote}`;

type Writer = (row: RecordedTransfer, cause: TransferCause) => string;

const WORDS: Record<TransferCode, Writer> = {
  deposit: (_, cause) => `Deposit${paidBy(cause)}`,
  auto_top_up: (_, cause) => `Auto top-up${paidBy(cause)}`,
  grant: (_, cause) => `Credit granted${noted(cause)}`,
  grant_revoked: (_, cause) => `Granted credit taken back${noted(cause)}`,
  owed_revocation: (_, cause) => `Granted credit taken back, owed${noted(cause)}`,
  instance_usage: (row, cause) => `Usage of ${instanceOf(row, cause)}`,
  instance_correction: (row, cause) => `Correction: earlier end of ${instanceOf(row, cause)}`,
  reservation_usage: (row, cause) => `Usage of ${reservationOf(row, cause)}`,
  token_usage: (row) => `Usage ${usageOf(row)}`,
  owed_usage: (row) => `Usage ${usageOf(row)}, owed`,
  owed_collected: () => 'Payment of what was owed',
  refund: (_, cause) => `Refund of a deposit${paidBy(cause)}`,
  refund_returned: (_, cause) => `Refund of a deposit${paidBy(cause)} that did not arrive: credit again`,
  owed_refund: (_, cause) => `Refund of a deposit${paidBy(cause)}, owed`,
  dispute_lost: (_, cause) => `Disputed deposit${paidBy(cause)} lost`,
  dispute_reinstated: (_, cause) => `Disputed deposit${paidBy(cause)}: credit again`,
  deposit_correction: (_, cause) => `Correction of a deposit${paidBy(cause)}${corrected(cause)}`,
  owed_correction: (_, cause) => `Correction of a deposit${paidBy(cause)}, owed${corrected(cause)}`,
  owed_dispute: (_, cause) => `Disputed deposit${paidBy(cause)} lost, owed`,
};

/** A code of a later release is shown unchanged. */
export const describeTransfer: Writer = (row, cause) =>
  (WORDS as Record<string, Writer | undefined>)[row.code]?.(row, cause) ?? row.code.replaceAll('_', ' ');
