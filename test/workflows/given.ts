/** What stories start from: the answers of a ledger in which nothing unusual is so, and workflows started as the product starts them. */
import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import type { CryptoSeen, DisputeSeen, PaymentOutcome, RefundSeen } from '../../activities/providers.ts';
import { micros } from '../../billing/money.ts';
import type { TopUpDecision } from '../../ledger/auto-top-up.ts';
import type { DepositOrder, NewDepositOrder } from '../../ledger/deposits.ts';
import type { DisputeOrder } from '../../ledger/disputes.ts';
import type { Receipt, Settlement } from '../../ledger/instances.ts';
import type { RefundOrder } from '../../ledger/refunds.ts';
import type { ReservationAdmission, ReservationReceipt, ReservationStanding } from '../../ledger/reservations.ts';
import type { Admission } from '../../ledger/starting.ts';
import type { Outlook } from '../../ledger/team.ts';
import {
  admit,
  admitReservation,
  type DepositAnswer,
  type DepositInput,
  type DisputeState,
  firstAnswer,
  type InstanceInput,
  type NoticeInput,
  type RefundAnswer,
  type RefundInput,
  type ReservationInput,
  refundAnswer,
  workflowId,
} from '../../workflows/messages.ts';
import { createWorkflowWakes, inputOfStarted, lookAt, startInstanceWorkflow } from '../../workflows/signals.ts';
import { startOptions } from '../../workflows/start-options.ts';
import type { Mocks, Scene } from './support.ts';

export const HOUR_MS = 3_600_000;
export const RATE = micros(2_490_000);

// ── instance ─────────────────────────────────────────────────────────────────────────────────────────────────────

export const admitted = (startSecond = 1_800_000_000): Admission => ({
  status: 'admitted',
  startSecond,
  rateMicrosPerHour: RATE,
});

export const running = (cost = 0): Settlement => ({
  status: 'running',
  rateMicrosPerHour: RATE,
  costMicros: micros(cost),
  availableMicros: micros(50_000_000),
  next: null,
});

export const receipt = (instanceId: string, reason: Receipt['reason'] = 'stopped'): Receipt => ({
  instanceId,
  teamId: 'team',
  startSecond: 1_800_000_000,
  endSecond: 1_800_003_600,
  seconds: 3600,
  costMicros: RATE,
  reason,
});

/** `machineGone`: the platform asked for the end, or has confirmed that it is done. */
export const ended = (instanceId: string, reason: Receipt['reason'], machineGone: boolean): Settlement => ({
  status: 'ended',
  receipt: receipt(instanceId, reason),
  machineGone,
});

export const instanceInput = (scene: Scene, change: Partial<InstanceInput> = {}): InstanceInput => ({
  spec: {
    id: scene.id('inst'),
    teamId: scene.id('team'),
    project: null,
    gpuType: 'H100',
    region: 'eu-1',
    pricing: 'on_demand',
    hourlyMicros: null,
    shedOrder: null,
    resumedFrom: null,
    requestHash: 'one request',
  },
  rateMicrosPerHour: RATE,
  receivedSecond: 1_800_000_000,
  callId: 'call_1',
  notAfterMs: 1_800_000_030_000,
  settleEveryMs: HOUR_MS,
  ...change,
});

/** The start that the api sends along with an update; a repeat finds the one that runs. */
export const startOf = (input: InstanceInput) =>
  new WithStartWorkflowOperation<(input: InstanceInput) => Promise<Receipt | null>>('instance', {
    ...startOptions.instance(input, 'req_1'),
    workflowIdConflictPolicy: 'USE_EXISTING',
  });

/** Starts an instance and asks for its admission in one call, as the api does. */
export function requestInstance(
  scene: Scene,
  input: InstanceInput,
  requestHash = input.spec.requestHash,
): Promise<Admission> {
  return scene.client.workflow.executeUpdateWithStart(admit, {
    args: [{ requestHash }],
    startWorkflowOperation: startOf(input),
  });
}

/** An instance that was admitted and has settled for the first time. */
export async function instanceThatRuns(scene: Scene, change: Partial<InstanceInput> = {}): Promise<WorkflowHandle> {
  const input = instanceInput(scene, change);
  await requestInstance(scene, input);
  await scene.untilAsked('settleInstance');
  return scene.handle(workflowId.instance(input.spec.id));
}

/** Starts, as the api does, the workflow of an instance whose start is recorded. */
export async function startRecorded(scene: Scene, name = '1', settleEveryMs = HOUR_MS): Promise<WorkflowHandle> {
  const { spec, receivedSecond: startSecond } = instanceInput(scene);
  const instance = {
    ...{ ...spec, id: scene.id('inst', name), startSecond, endSecond: null, reason: null, exhaustion: null },
    ...{ terminatedConfirmedSecond: null, reclaimSecond: null },
  };
  const input = inputOfStarted({ instance, rateMicrosPerHour: RATE }, settleEveryMs);
  await startInstanceWorkflow(scene.client, { ...input, saysRunning: true }, 'req_1');
  return scene.handle(workflowId.instance(instance.id));
}

// ── reservation ──────────────────────────────────────────────────────────────────────────────────────────────────

export const reserved: ReservationAdmission = {
  status: 'admitted',
  startSecond: 1_800_000_000,
  endSecond: 1_802_592_000,
  rateMicrosPerHour: RATE,
};

/** In a term in which nothing is due before a second. */
export const inTerm = (
  next: Extract<ReservationStanding, { status: 'running' }>['next'],
  change: Partial<Extract<ReservationStanding, { status: 'running' }>> = {},
): ReservationStanding => ({
  status: 'running',
  termNumber: 1,
  rateMicrosPerHour: RATE,
  costMicros: micros(0),
  endSecond: next.second,
  renew: false,
  covered: 1,
  count: 2,
  next,
  ...change,
});

export const reservationReceipt = (how: ReservationReceipt['how'] = 'ended'): ReservationReceipt => ({
  reservationId: 'resv',
  teamId: 'team',
  startSecond: 1_800_000_000,
  endSecond: 1_802_592_000,
  terms: 1,
  costMicros: micros(1_792_800_000),
  how,
});
export const overAndDone = (how?: ReservationReceipt['how']): ReservationStanding => ({
  status: 'ended',
  receipt: reservationReceipt(how),
});

export const reservationInput = (scene: Scene, change: Partial<ReservationInput> = {}): ReservationInput => ({
  spec: {
    id: scene.id('resv'),
    teamId: scene.id('team'),
    gpuType: 'H100',
    region: 'eu-1',
    count: 2,
    term: '1m',
    renew: false,
    requestHash: 'one request',
  },
  receivedSecond: 1_800_000_000,
  callId: 'call_1',
  notAfterMs: 1_800_000_030_000,
  settleEveryMs: HOUR_MS,
  ...change,
});

/** The start that the api sends along with an update; a repeat finds the one that runs. */
export const startOfReservation = (input: ReservationInput) =>
  new WithStartWorkflowOperation<(input: ReservationInput) => Promise<ReservationReceipt | null>>('reservation', {
    ...startOptions.reservation(input, 'req_1'),
    workflowIdConflictPolicy: 'USE_EXISTING',
  });

/** Starts a reservation and asks for its admission in one call, as the api does. */
export const requestReservation = (
  scene: Scene,
  input: ReservationInput,
  requestHash = input.spec.requestHash,
): Promise<ReservationAdmission> =>
  scene.client.workflow.executeUpdateWithStart(admitReservation, {
    args: [{ requestHash }],
    startWorkflowOperation: startOfReservation(input),
  });

/** A reservation that was admitted and has settled for the first time. */
export async function reservationThatRuns(
  scene: Scene,
  change: Partial<ReservationInput> = {},
): Promise<WorkflowHandle> {
  const input = reservationInput(scene, change);
  await requestReservation(scene, input);
  await scene.untilAsked('settleReservation');
  return scene.handle(workflowId.reservation(input.spec.id));
}

// ── balanceWatch, autoTopUp ──────────────────────────────────────────────────────────────────────────────────────

/** An idle team, but for what is said. */
export const outlook = (change: Partial<Outlook> = {}): Outlook => ({
  exhaustions: [],
  notices: [],
  attemptDepositId: null,
  next: null,
  availableMicros: micros(50_000_000),
  burnMicrosPerHour: micros(0),
  topUp: 'off',
  ...change,
});

/** A policy that is on with nothing due, but for what is said. */
export const decision = (change: Partial<TopUpDecision> = {}): TopUpDecision => ({
  policyOn: true,
  attemptDepositId: null,
  lookAgainSecond: null,
  state: 'suspended',
  ...change,
});
export const policyOff = decision({ policyOn: false, state: 'off' });

/** Tells a team's workflow as the product does: it is started when it is not there. */
export async function tellTeam(scene: Scene, type: 'balanceWatch' | 'autoTopUp'): Promise<WorkflowHandle> {
  const tell = createWorkflowWakes(scene.client);
  await (type === 'balanceWatch' ? tell.watch(scene.id('team')) : tell.autoTopUp(scene.id('team')));
  return scene.handle(workflowId[type](scene.id('team')));
}

/** A ledger that remembers one attempt: open until it is credited or failed, with the policy off after a failure. */
export function oneAttempt(outcome: PaymentOutcome, after: TopUpDecision = decision()) {
  let closed: 'succeeded' | 'failed' | undefined;
  let depositId = '';
  const mocks = {
    openAttempt: async () => {
      if (closed === undefined) return decision({ state: 'charging', attemptDepositId: depositId });
      return closed === 'failed' ? policyOff : after;
    },
    getDepositOrder: async () => orderOf(depositId, { kind: 'auto_top_up', status: closed ?? 'pending' }),
    createIntent: async () => ({ intentId: 'pi_1' }),
    confirmIntent: async () => outcome,
    creditDeposit: async () => {
      closed = 'succeeded';
      return orderOf(depositId, { kind: 'auto_top_up', status: closed });
    },
    failDeposit: async () => {
      closed = 'failed';
      return orderOf(depositId, { kind: 'auto_top_up', status: closed });
    },
  } satisfies Mocks;
  return {
    mocks,
    /** The attempt's deposit has an id of the story that plays. */
    of: (scene: Scene) => {
      depositId = scene.id('dep');
    },
  };
}

// ── deposit, notice ──────────────────────────────────────────────────────────────────────────────────────────────

export const SUCCEEDED = { status: 'succeeded', intentId: 'pi_1', receiptUrl: 'https://pay/receipt' } as PaymentOutcome;
export const FAILED: PaymentOutcome = { status: 'failed', intentId: 'pi_1', failureCode: 'card_expired' };
export const PROCESSING = { status: 'processing', intentId: 'pi_1' } as PaymentOutcome;

/** Nothing has come, and the page is good for ten minutes from now, but for what is said. */
export const cryptoSeen = async (scene: Scene, change: Partial<CryptoSeen> = {}): Promise<CryptoSeen> => ({
  confirmed: [],
  awaiting: 0,
  expired: false,
  expiresSecond: Math.floor((await scene.nowMs()) / 1000) + 600,
  ...change,
});
export const cryptoOutput = (transactionHash: string, dollars: number, output = 0) => ({
  transactionHash,
  output,
  chain: '8453',
  currency: 'usdc',
  amountMicros: micros(dollars * 1_000_000),
});

export const orderOf = (depositId: string, change: Partial<DepositOrder> = {}): DepositOrder => ({
  depositId,
  teamId: 'team',
  kind: 'saved_card',
  amountMicros: micros(100_000_000),
  status: 'pending',
  ...change,
});

/** A deposit that a person asked for by `kind`, or an auto top-up's, whose deposit is open already. */
function depositInput(scene: Scene, kind: DepositInput['kind']): DepositInput {
  const depositId = scene.id('dep');
  const teamId = scene.id('team');
  const order = (by: NewDepositOrder['kind']): NewDepositOrder => ({
    depositId,
    teamId,
    kind: by,
    amountMicros: micros(100_000_000),
    paymentMethodId: by === 'saved_card' ? 'pm_1' : null,
    receivedSecond: 1_800_000_000,
    callId: 'call_1',
    notAfterMs: 1_800_000_030_000,
  });
  return { depositId, teamId, kind, ...(kind !== 'auto_top_up' && { order: order(kind) }) };
}

export const startDeposit = (scene: Scene, kind: DepositInput['kind']): Promise<WorkflowHandle> =>
  scene.client.workflow.start('deposit', startOptions.deposit(depositInput(scene, kind), 'req_1'));

/** Starts a deposit and waits for the first thing to tell, as the api does; a repeat joins the one that runs. */
export function requestDeposit(
  scene: Scene,
  kind: DepositInput['kind'],
  withinMs = 10_000,
): Promise<{ handle: WorkflowHandle; answer: DepositAnswer }> {
  const input = depositInput(scene, kind);
  return scene.client.workflow
    .executeUpdateWithStart(firstAnswer, {
      args: [{ withinMs }],
      startWorkflowOperation: new WithStartWorkflowOperation('deposit', {
        ...startOptions.deposit(input, 'req_1'),
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    })
    .then((answer) => ({ answer, handle: scene.handle(workflowId.deposit(input.depositId)) }));
}

/** Tells of a deposit as a webhook does. */
export async function tellDeposit(scene: Scene): Promise<WorkflowHandle> {
  const depositId = scene.id('dep');
  await createWorkflowWakes(scene.client).deposit({ depositId, teamId: scene.id('team'), kind: 'saved_card' });
  return scene.handle(workflowId.deposit(depositId));
}

// ── refund, dispute ──────────────────────────────────────────────────────────────────────────────────────────────

export const refundOf = (change: Partial<RefundOrder> = {}): RefundOrder => ({
  refundId: 'ref',
  depositId: 'dep',
  teamId: 'team',
  amountMicros: micros(20_000_000),
  status: 'pending',
  origin: 'operator',
  stripeRefundId: null,
  ...change,
});

export const refundSeen = (status: RefundSeen['status'], namedRefundId: string | null = null): RefundSeen => {
  const seen = { amountMicros: micros(20_000_000), namedRefundId, stripeRefundId: 're_1' };
  return status === 'failed' ? { ...seen, status, failureCode: 'expired_or_canceled_card' } : { ...seen, status };
};

/** As the api asks for it; with `found`, as a webhook tells of it. */
export function refundInput(scene: Scene, by: 'operator' | 'webhook' = 'operator'): RefundInput {
  const of = { refundId: scene.id('ref'), teamId: scene.id('team'), depositId: scene.id('dep') };
  if (by === 'webhook') return { ...of, stripeRefundId: 're_1' };
  const call = { receivedSecond: 1_800_000_000, callId: 'call_1', notAfterMs: 1_800_000_030_000 };
  return { ...of, order: { ...of, amountMicros: micros(20_000_000), actor: 'platform', ...call } };
}

/** Starts a refund and waits for its outcome, as the api does; a repeat joins the one that runs. */
export function requestRefund(
  scene: Scene,
  withinMs = 10_000,
): Promise<{ handle: WorkflowHandle; answer: RefundAnswer }> {
  const input = refundInput(scene);
  return scene.client.workflow
    .executeUpdateWithStart(refundAnswer, {
      args: [{ withinMs }],
      startWorkflowOperation: new WithStartWorkflowOperation('refund', {
        ...startOptions.refund(input, 'req_1'),
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    })
    .then((answer) => ({ answer, handle: scene.handle(workflowId.refund(input.refundId)) }));
}

/** Tells of a refund as a webhook does. */
export async function tellRefund(scene: Scene): Promise<WorkflowHandle> {
  const { refundId, teamId, depositId } = refundInput(scene, 'webhook');
  await createWorkflowWakes(scene.client).refund({ refundId, teamId, depositId, stripeRefundId: 're_1' });
  return scene.handle(workflowId.refund(refundId));
}

export const disputeOf = (change: Partial<DisputeOrder> = {}): DisputeOrder => ({
  disputeId: 'disp',
  depositId: 'dep',
  teamId: 'team',
  amountMicros: micros(100_000_000),
  heldMicros: micros(60_000_000),
  status: 'open',
  ...change,
});

export const disputeSeen = (status: DisputeSeen['status'], dollars = 100): DisputeSeen => ({
  status,
  amountMicros: micros(dollars * 1_000_000),
  reason: 'fraudulent',
});

/** Tells of a dispute as a webhook does. */
export async function tellDispute(scene: Scene): Promise<WorkflowHandle> {
  const disputeId = scene.id('disp');
  const dispute = { disputeId, teamId: scene.id('team'), depositId: scene.id('dep'), stripeDisputeId: 'du_1' };
  await createWorkflowWakes(scene.client).dispute(dispute);
  return scene.handle(workflowId.dispute(disputeId));
}

/** Looks at a dispute as an operator does: its workflow is started when it does not run. */
export async function lookAtDisputeOf(scene: Scene): Promise<DisputeState> {
  const of = { disputeId: scene.id('disp'), teamId: scene.id('team'), depositId: scene.id('dep') };
  return lookAt(scene.client).dispute({ ...of, stripeDisputeId: 'du_1' });
}

// ── notice ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function startNotice(scene: Scene, channel: NoticeInput['channel']): Promise<WorkflowHandle> {
  const input: NoticeInput = { noticeId: scene.id('notice'), teamId: scene.id('team'), channel };
  return scene.client.workflow.start('notice', startOptions.notice(input));
}
