import { recordBalanceTransaction } from './balance-transactions.ts';
import { endpoint } from './endpoint.ts';
import { invalidRequest } from './errors.ts';
import { newId } from './ids.ts';
import { listPage, pagination, within } from './lists.ts';
import { named } from './named.ts';
import type { Charge, Dispute } from './objects.ts';
import { accepted, boolean, metadata, patched, range, text } from './params.ts';
import type { World } from './world.ts';

const DISPUTE_FEE = 1500;
const EVIDENCE_DUE_SECONDS = 7 * 24 * 3600;

export interface DisputeOpening {
  reason?: string;
  /** Less than the whole charge, in the currency's smallest unit. */
  amount?: number;
  /** Only a question by the issuer: nothing is withdrawn. */
  inquiry?: boolean;
}

/** The cardholder contests a charge. The money leaves at once, with a fee. */
export function openDispute(world: World, charge: Charge, opening: DisputeOpening = {}): Dispute {
  if (charge.status !== 'succeeded')
    throw invalidRequest(`Charge ${charge.id} did not succeed; it cannot be disputed.`);
  if (charge.disputed) throw invalidRequest(`Charge ${charge.id} has already been disputed.`);
  const { reason = 'fraudulent', amount = charge.amount, inquiry = false } = opening;
  const dispute: Dispute = {
    id: newId('du'),
    object: 'dispute',
    amount,
    balance_transactions: [],
    charge: charge.id,
    created: world.seconds(),
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: NO_EVIDENCE,
    evidence_details: {
      due_by: world.seconds() + EVIDENCE_DUE_SECONDS,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'not_submitted',
    },
    intended_submission_method: null,
    is_charge_refundable: inquiry,
    livemode: false,
    metadata: {},
    network_reason_code: '10.4',
    payment_intent: charge.payment_intent,
    payment_method_details: {
      card: {
        brand: charge.payment_method_details?.card?.brand ?? 'visa',
        case_type: inquiry ? 'inquiry' : 'chargeback',
        network: charge.payment_method_details?.card?.network ?? 'visa',
        network_reason_code: '10.4',
      },
      type: 'card',
    },
    reason,
    status: inquiry ? 'warning_needs_response' : 'needs_response',
  };
  world.state.disputes.set(dispute.id, dispute);
  charge.disputed = true;
  if (!inquiry) move(world, dispute, -amount, DISPUTE_FEE, `Chargeback withdrawal for ${charge.id}`);
  world.emit('charge.dispute.created', dispute);
  if (!inquiry) world.emit('charge.dispute.funds_withdrawn', dispute);
  return dispute;
}

/** The issuer decides. A won dispute returns the money, but not the fee. */
export function closeDispute(world: World, dispute: Dispute, outcome: 'won' | 'lost'): Dispute {
  if (CLOSED.has(dispute.status)) throw invalidRequest('This dispute is already closed');
  const inquiry = dispute.status.startsWith('warning');
  return decideDispute(world, dispute, inquiry ? 'warning_closed' : outcome);
}

/** The issuer decides, also after an earlier decision: the money moves if the new decision differs. */
export function decideDispute(world: World, dispute: Dispute, status: 'won' | 'lost' | 'warning_closed'): Dispute {
  const previous = { status: dispute.status };
  dispute.status = status;
  moveTo(world, dispute, status === 'lost' ? dispute.amount : 0);
  world.emit('charge.dispute.closed', dispute, previous);
  return dispute;
}

/**
 * The issuer opens the dispute again, or an inquiry becomes a dispute. The money is withdrawn while the dispute is
 * open.
 */
export function reopenDispute(world: World, dispute: Dispute, status: OpenStatus): Dispute {
  const previous = { status: dispute.status };
  const inquiry = status.startsWith('warning');
  dispute.status = status;
  dispute.is_charge_refundable = inquiry;
  const { card } = dispute.payment_method_details ?? {};
  if (card) card.case_type = inquiry ? 'inquiry' : 'chargeback';
  moveTo(world, dispute, inquiry ? 0 : dispute.amount);
  world.emit('charge.dispute.updated', dispute, previous);
  return dispute;
}

/** The cardholder contests another amount. */
export function changeDisputeAmount(world: World, dispute: Dispute, amount: number): Dispute {
  const previous = { amount: dispute.amount };
  const isWithdrawn = withdrawnFor(dispute) > 0;
  dispute.amount = amount;
  if (isWithdrawn) moveTo(world, dispute, amount);
  world.emit('charge.dispute.updated', dispute, previous);
  return dispute;
}

export const OPEN_STATUSES = [
  'needs_response',
  'under_review',
  'warning_needs_response',
  'warning_under_review',
] as const;
type OpenStatus = (typeof OPEN_STATUSES)[number];

/** The amount that has left the balance for a dispute, without fees. */
const withdrawnFor = (dispute: Dispute): number =>
  -dispute.balance_transactions.reduce((sum, { amount }) => sum + amount, 0);

/** Withdraws or reinstates the difference to the amount that has left the balance so far. The fee is charged once. */
function moveTo(world: World, dispute: Dispute, due: number): void {
  const missing = due - withdrawnFor(dispute);
  if (missing === 0) return;
  const isFirst = dispute.balance_transactions.length === 0;
  if (missing > 0) {
    move(world, dispute, -missing, isFirst ? DISPUTE_FEE : 0, `Chargeback withdrawal for ${dispute.charge}`);
    world.emit('charge.dispute.funds_withdrawn', dispute);
  } else {
    move(world, dispute, -missing, 0, `Chargeback reversal for ${dispute.charge}`);
    world.emit('charge.dispute.funds_reinstated', dispute);
  }
}

const CLOSED = new Set<string>(['won', 'lost', 'warning_closed', 'prevented']);

function move(world: World, dispute: Dispute, amount: number, fee: number, description: string): void {
  const { id: source, currency } = dispute;
  const transaction = recordBalanceTransaction(world, {
    type: 'adjustment',
    amount,
    currency,
    fee,
    source,
    description,
  });
  dispute.balance_transactions.push(transaction as never);
}

const retrieve = endpoint('GET /v1/disputes/:id', {}, (world, _params, { id }) => named(world, 'disputes', id));

const update = endpoint(
  'POST /v1/disputes/:id',
  { evidence: accepted, metadata, submit: boolean },
  (world, { evidence, metadata: patch, submit = true }, { id }) => {
    const dispute = named(world, 'disputes', id);
    if (CLOSED.has(dispute.status)) throw invalidRequest('This dispute is already closed');
    if (evidence !== undefined) {
      dispute.evidence = { ...dispute.evidence, ...(evidence as object) };
      dispute.evidence_details.has_evidence = true;
    }
    dispute.metadata = patched(dispute.metadata, patch);
    if (evidence !== undefined && submit) {
      dispute.status = dispute.status.startsWith('warning') ? 'warning_under_review' : 'under_review';
      dispute.evidence_details.submission_count += 1;
      dispute.evidence_details.submission_method = 'manual';
      settleByEvidence(world, dispute);
    }
    world.emit('charge.dispute.updated', dispute);
    return dispute;
  },
);

/** In test mode these words decide the dispute, as Stripe documents. */
function settleByEvidence(world: World, dispute: Dispute): void {
  const words = dispute.evidence.uncategorized_text;
  if (words === 'winning_evidence') world.soon(() => closeDispute(world, dispute, 'won'));
  if (words === 'losing_evidence') world.soon(() => closeDispute(world, dispute, 'lost'));
}

const close = endpoint('POST /v1/disputes/:id/close', {}, (world, _params, { id }) =>
  closeDispute(world, named(world, 'disputes', id), 'lost'),
);

const index = endpoint(
  'GET /v1/disputes',
  { ...pagination, created: range, charge: text, payment_intent: text },
  (world, { created, charge, payment_intent, ...page }) =>
    listPage('/v1/disputes', world.state.disputes.values(), page, 'dispute', (dispute) => {
      return (
        within(created, dispute.created) &&
        (charge ?? dispute.charge) === dispute.charge &&
        (payment_intent ?? dispute.payment_intent) === dispute.payment_intent
      );
    }),
);

export const disputeEndpoints = [index, retrieve, update, close];

const NO_EVIDENCE: Dispute['evidence'] = {
  access_activity_log: null,
  billing_address: null,
  cancellation_policy: null,
  cancellation_policy_disclosure: null,
  cancellation_rebuttal: null,
  customer_communication: null,
  customer_email_address: null,
  customer_name: null,
  customer_purchase_ip: null,
  customer_signature: null,
  duplicate_charge_documentation: null,
  duplicate_charge_explanation: null,
  duplicate_charge_id: null,
  enhanced_evidence: {},
  product_description: null,
  receipt: null,
  refund_policy: null,
  refund_policy_disclosure: null,
  refund_refusal_explanation: null,
  service_date: null,
  service_documentation: null,
  shipping_address: null,
  shipping_carrier: null,
  shipping_date: null,
  shipping_documentation: null,
  shipping_tracking_number: null,
  uncategorized_file: null,
  uncategorized_text: null,
};
