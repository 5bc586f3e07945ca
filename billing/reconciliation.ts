/**
 * Compares the ledger with the providers, row by row, for one UTC day. Rows are matched by ids, whenever each side
 * wrote them. A difference is reported on the day on which the provider moved the money, so a charge of 23:59:59 with
 * its credit at 00:00:01 is no difference on either day. Only a row that the provider lacks is reported on the ledger's
 * day.
 */
import { DIFFERENCES, type DifferenceClass } from './differences.ts';
import { BillingError } from './errors.ts';
import { add, type Micros, subtract, ZERO } from './money.ts';

export type Provider = 'stripe' | 'copperx';

// ── rows of the ledger ──────────────────────────────────────────────────────────────────────────────────────────

export interface LedgerDeposit {
  depositId: string;
  teamId: string;
  provider: Provider;
  status: 'open' | 'credited' | 'failed';
  /** The amount that is, or would be, credited for the deposit. */
  amountMicros: Micros;
  openedSecond: number;
  /** Credited or failed. */
  closedSecond: number | null;
  /** The provider's ids of the payment and the page of the deposit. */
  providerIds: string[];
  /** The provider's id of the team. */
  customerId: string | null;
  /** The transfers of the deposit's money into the team's credit. */
  postings: Posting[];
  /** Amounts that later corrections credited (positive) or took back (negative). */
  corrections: Correction[];
}

export interface Correction {
  teamId: string;
  amountMicros: Micros;
}

export interface Posting {
  reference: string;
  teamId: string;
  amountMicros: Micros;
  second: number;
}

export interface StrayPosting extends Posting {
  /** The deposit that the credit names and the ledger has no row of. */
  depositId: string | null;
  /** The sum of the corrections of the credit. */
  correctedMicros: Micros;
}

export interface LedgerRefund {
  refundId: string;
  depositId: string;
  teamId: string;
  providerId: string | null;
  /** The amount that the refund or dispute has taken, corrections included. */
  amountMicros: Micros;
  status: 'open' | 'succeeded' | 'failed';
  openedSecond: number;
}

export interface LedgerDispute {
  disputeId: string;
  depositId: string;
  teamId: string;
  providerId: string;
  amountMicros: Micros;
  status: DisputeStanding;
  openedSecond: number;
}

export type DisputeStanding = 'open' | 'won' | 'lost';

/** A credited output of a crypto transaction, corrections included. */
export interface LedgerOutput {
  outputId: string;
  depositId: string;
  teamId: string;
  amountMicros: Micros;
  second: number;
}

export interface LedgerRows {
  deposits: LedgerDeposit[];
  /** Credits from a provider for a deposit that the ledger lacks. */
  strayPostings: StrayPosting[];
  refunds: LedgerRefund[];
  disputes: LedgerDispute[];
  outputs: LedgerOutput[];
}

// ── rows of the providers ───────────────────────────────────────────────────────────────────────────────────────

interface ProviderRow {
  provider: Provider;
  /** Our deposit id from the metadata; null on payments of other programs on the same account. */
  depositId: string | null;
  amountMicros: Micros;
  currency: string;
  /** When the provider moved the money, or last learnt that no money will move. */
  second: number;
}

export interface ProviderPayment extends ProviderRow {
  paymentId: string;
  /** The page of the payment, if known. */
  pageId: string | null;
  teamId: string | null;
  customerId: string | null;
  refundedMicros: Micros;
  status: 'open' | 'succeeded' | 'failed';
}

export interface ProviderRefund extends ProviderRow {
  providerId: string;
  /** Our refund id from the metadata, if the refund was requested here. */
  refundId: string | null;
  paymentId: string | null;
  status: 'open' | 'succeeded' | 'failed';
}

export interface ProviderDispute extends ProviderRow {
  providerId: string;
  paymentId: string | null;
  /** An inquiry is only a question: no money has moved, and none may have to. */
  status: DisputeStanding | 'inquiry';
}

export interface ProviderOutput extends ProviderRow {
  outputId: string;
}

export interface ProviderRows {
  payments: ProviderPayment[];
  refunds: ProviderRefund[];
  disputes: ProviderDispute[];
  outputs: ProviderOutput[];
}

export const NO_PROVIDER_ROWS: ProviderRows = { payments: [], refunds: [], disputes: [], outputs: [] };

// ── the result ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface Difference {
  class: DifferenceClass;
  day: string;
  depositId: string | null;
  teamId: string | null;
  providerId: string | null;
  ledgerMicros: Micros | null;
  providerMicros: Micros | null;
  sentence: string;
  whatToDo: string;
}

/** A line of the comparison: the values of both sides, and their differences. */
export interface ComparedRow {
  kind: 'payment' | 'refund' | 'dispute' | 'output' | 'credit';
  provider: Provider | null;
  second: number;
  depositId: string | null;
  teamId: string | null;
  providerId: string | null;
  ledgerMicros: Micros | null;
  providerMicros: Micros | null;
  differences: DifferenceClass[];
}

/** A payment on the provider's account without our metadata. */
export interface ForeignRow {
  kind: 'payment' | 'refund' | 'dispute' | 'output';
  provider: Provider;
  providerId: string;
  second: number;
  amountMicros: Micros;
  currency: string;
}

export interface Comparison {
  day: string;
  rows: ComparedRow[];
  differences: Difference[];
  foreign: ForeignRow[];
  /** Rows of one side, too young to have a counterpart on the other side. A later comparison reports them. */
  underWay: number;
}

// ── the day ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Day {
  name: string;
  fromSecond: number;
  /** The first second of the next day. */
  toSecond: number;
}

export const DAY_SECONDS = 86_400;

/**
 * A UTC day that has begun, from its name.
 * @throws BillingError `invalid_request` naming `day`: no such day, or a day that has not begun
 */
export function dayToCompare(name: string, nowSecond: number): Day {
  const ms = /^(19[7-9]|[2-9]\d\d)\d-\d\d-\d\d$/.test(name) ? Date.parse(`${name}T00:00:00Z`) : Number.NaN;
  // Date.parse reads the 30th of February as the 2nd of March in some engines.
  if (Number.isNaN(ms) || dayOf(ms / 1000) !== name)
    throw new BillingError('invalid_request', 'day must be a day in UTC such as "2026-03-01"', 'day');
  const fromSecond = ms / 1000;
  if (fromSecond > nowSecond)
    throw new BillingError('invalid_request', 'the day has not begun yet: it begins at 00:00 UTC', 'day');
  return { name, fromSecond, toSecond: fromSecond + DAY_SECONDS };
}

/** True for a comparison made before its day was over. Rows of the day may still come. */
export const isProvisional = ({ day, madeSecond }: { day: string; madeSecond: number }): boolean =>
  dayOf(madeSecond) <= day;

/** The UTC day of a second. */
export const dayOf = (second: number): string => new Date(second * 1000).toISOString().slice(0, 10);

/** The last UTC day that was over at a second. */
export const dayBefore = (second: number): string => dayOf(second - DAY_SECONDS);

// ── the comparison ───────────────────────────────────────────────────────────────────────────────────────────────

/** Younger rows may still lack a counterpart on the other side. */
export const SETTLING_SECONDS = 600;

/**
 * Compares the rows of the ledger and of the providers for a day. Both sides may include rows of other days, for
 * matching.
 */
export function compare(day: Day, ledger: LedgerRows, provider: ProviderRows, nowSecond: number): Comparison {
  const comparing = new Comparing(day, ledger, provider, nowSecond);
  return comparing.run();
}

/** A payment that was given back in full is settled: an operator has handled the payment. */
const isGivenBack = ({ refundedMicros, amountMicros }: ProviderPayment): boolean => refundedMicros >= amountMicros;

type Line = Omit<ComparedRow, 'differences'>;

class Comparing {
  private readonly rows: ComparedRow[] = [];
  private readonly foreign: ForeignRow[] = [];
  private underWay = 0;
  private readonly day: Day;
  private readonly ledger: LedgerRows;
  private readonly provider: ProviderRows;
  private readonly nowSecond: number;
  private readonly deposits: Map<string, LedgerDeposit>;
  private readonly depositIdOfProviderId: Map<string, string>;
  /** The payment of each credited deposit. */
  private readonly own = new Map<string, ProviderPayment>();

  constructor(day: Day, ledger: LedgerRows, provider: ProviderRows, nowSecond: number) {
    this.day = day;
    this.ledger = ledger;
    this.provider = provider;
    this.nowSecond = nowSecond;
    this.deposits = new Map(ledger.deposits.map((deposit) => [deposit.depositId, deposit]));
    this.depositIdOfProviderId = new Map(
      ledger.deposits.flatMap(({ depositId, providerIds }) => providerIds.map((id) => [id, depositId])),
    );
  }

  run(): Comparison {
    const paymentsOf = new Map<string, ProviderPayment[]>();
    // A payment that was looked up may be among the day's payments too, and then also has its page.
    const payments = new Map<string, ProviderPayment>();
    for (const payment of this.provider.payments)
      if (payment.pageId !== null || !payments.has(payment.paymentId)) payments.set(payment.paymentId, payment);
    for (const payment of payments.values()) {
      const depositId = this.depositIdOf(payment);
      if (depositId === null) this.isForeign('payment', payment.paymentId, payment);
      else paymentsOf.set(depositId, [...(paymentsOf.get(depositId) ?? []), payment]);
    }
    for (const [depositId, made] of paymentsOf) {
      const deposit = this.deposits.get(depositId);
      if (!deposit) for (const payment of made) this.unknownDeposit(depositId, payment);
      else this.paid(deposit, made);
    }
    for (const deposit of this.ledger.deposits)
      if (deposit.provider === 'copperx') this.creditOf(deposit);
      else if (!paymentsOf.has(deposit.depositId)) this.unpaid(deposit);
    for (const posting of this.ledger.strayPostings) this.stray(posting);
    this.refunds();
    this.disputes();
    this.outputs();
    this.rows.sort((a, b) => a.second - b.second);
    return {
      day: this.day.name,
      rows: this.rows,
      differences: this.rows.flatMap((row) => row.differences.map((found) => this.differenceOf(found, row))),
      foreign: this.foreign,
      underWay: this.underWay,
    };
  }

  // ── payments ──

  private paid(deposit: LedgerDeposit, payments: ProviderPayment[]): void {
    const taken = payments.filter(({ status }) => status === 'succeeded').sort((a, b) => a.second - b.second);
    const own =
      taken.find(({ paymentId, pageId }) => deposit.providerIds.some((id) => id === paymentId || id === pageId)) ??
      taken[0];
    if (!own) {
      this.unpaid(deposit, payments[0]);
      return;
    }
    this.own.set(deposit.depositId, own);
    for (const surplus of taken)
      if (surplus !== own && this.lies(surplus.second))
        this.add(lineOf(deposit, surplus), isGivenBack(surplus) ? [] : ['charged_twice']);
    if (!this.lies(own.second)) return;
    const line = lineOf(deposit, own);
    // A payment of the wrong kind is settled once all of the money has gone back. Its refunds are compared separately.
    if (deposit.status === 'credited')
      this.add(
        line,
        unlessCorrected(deposit, own, [...(isGivenBack(own) ? [] : matched(deposit, own)), ...posted(deposit)]),
      );
    else if (isGivenBack(own)) this.add(line, posted(deposit));
    else if (deposit.status === 'failed') this.add(line, ['charged_though_failed', ...posted(deposit)]);
    else if (this.isYoung(own.second)) this.underWay += 1;
    else this.add(line, ['stuck_open', ...posted(deposit)]);
  }

  /** Reports a deposit without money at the provider. `payment`: the provider's payment instead, if any. */
  private unpaid(deposit: LedgerDeposit, payment?: ProviderPayment): void {
    const line = lineOf(deposit, payment ?? null);
    if (deposit.status === 'credited') {
      const found: DifferenceClass[] = ['deposit_without_charge', ...posted(deposit)];
      if (this.lies(line.second)) this.add(line, unlessCorrected(deposit, null, found));
      return;
    }
    const isOver = deposit.status === 'open' && payment?.status === 'failed' && !this.isYoung(payment.second);
    const second = deposit.postings.find((posting) => this.lies(posting.second))?.second ?? deposit.openedSecond;
    if (!this.lies(second) || (!isOver && deposit.postings.length === 0)) return;
    this.add({ ...line, second }, [...(isOver ? ['stuck_open' as const] : []), ...posted(deposit)]);
  }

  private unknownDeposit(depositId: string, payment: ProviderPayment): void {
    if (payment.status !== 'succeeded' || !this.lies(payment.second)) return;
    const { provider, second, teamId, paymentId: providerId, amountMicros: providerMicros } = payment;
    this.add(
      { kind: 'payment', provider, second, depositId, teamId, providerId, ledgerMicros: null, providerMicros },
      isGivenBack(payment) ? [] : ['charge_without_deposit'],
    );
  }

  // ── the ledger within itself ──

  /**
   * A crypto deposit has one payment for each output, compared separately. Here its credit must equal the received
   * amount.
   */
  private creditOf(deposit: LedgerDeposit): void {
    const seconds = [
      ...deposit.postings.map(({ second }) => second),
      ...(deposit.closedSecond === null ? [] : [deposit.closedSecond]),
    ];
    const second = seconds.find((at) => this.lies(at));
    if (second === undefined || (deposit.status !== 'credited' && deposit.postings.length === 0)) return;
    this.add({ ...lineOf(deposit, null), kind: 'credit', second }, posted(deposit));
  }

  private stray({ reference, teamId, second, depositId, amountMicros, correctedMicros }: StrayPosting): void {
    if (!this.lies(second)) return;
    const line = { kind: 'credit' as const, provider: null, second, depositId, teamId, providerId: reference };
    const ledgerMicros = add(amountMicros, correctedMicros);
    this.add({ ...line, ledgerMicros, providerMicros: null }, ledgerMicros === 0 ? [] : ['credit_without_deposit']);
  }

  // ── refunds ──

  private refunds(): void {
    const known = new Set<LedgerRefund>();
    for (const refund of this.provider.refunds) {
      const kept = this.ledger.refunds.find(
        ({ providerId, refundId }) => providerId === refund.providerId || refundId === refund.refundId,
      );
      if (kept) known.add(kept);
      const depositId = kept?.depositId ?? this.depositIdOf(refund);
      if (depositId === null) this.isForeign('refund', refund.providerId, refund);
      else if (kept) this.refunded(kept, refund);
      else this.refundNotKept(depositId, refund);
    }
    for (const kept of this.ledger.refunds) {
      // A refund that the provider refused and the ledger gave back has no effect on either side.
      if (known.has(kept) || kept.status === 'failed' || !this.lies(kept.openedSecond)) continue;
      if (kept.status === 'open' && this.isYoung(kept.openedSecond)) this.underWay += 1;
      else this.add(refundLine(kept, null), ['refund_not_at_provider']);
    }
  }

  private refunded(kept: LedgerRefund, refund: ProviderRefund): void {
    if (!this.lies(refund.second)) return;
    const found: DifferenceClass[] = [];
    if (kept.amountMicros !== refund.amountMicros) found.push('refund_amount_differs');
    const oneEnded = (kept.status === 'failed') !== (refund.status === 'failed');
    const longOver = kept.status === 'open' && refund.status !== 'open';
    if (oneEnded || longOver) {
      if (this.isYoung(refund.second)) this.underWay += 1;
      else found.push('refund_status_differs');
    }
    this.add(refundLine(kept, refund), found);
  }

  /** Money that was never credited, such as a second charge, is refunded without a row in the ledger. */
  private refundNotKept(depositId: string, refund: ProviderRefund): void {
    const deposit = this.deposits.get(depositId);
    const own = this.own.get(depositId);
    const wasCredited = deposit?.status === 'credited' && (own === undefined || own.paymentId === refund.paymentId);
    if (!wasCredited || refund.status === 'failed' || !this.lies(refund.second)) return;
    if (this.isYoung(refund.second)) {
      this.underWay += 1;
      return;
    }
    const { provider, second, providerId, amountMicros: providerMicros } = refund;
    const { teamId } = deposit;
    this.add({ kind: 'refund', provider, second, depositId, teamId, providerId, ledgerMicros: null, providerMicros }, [
      'refund_not_in_ledger',
    ]);
  }

  // ── disputes ──

  private disputes(): void {
    const known = new Set<LedgerDispute>();
    for (const dispute of this.provider.disputes) {
      const kept = this.ledger.disputes.find(({ providerId }) => providerId === dispute.providerId);
      if (kept) known.add(kept);
      const depositId = kept?.depositId ?? this.depositIdOf(dispute);
      if (depositId === null) this.isForeign('dispute', dispute.providerId, dispute);
      else if (kept) this.disputed(kept, dispute);
      else this.disputeNotKept(depositId, dispute);
    }
    // A won dispute holds nothing and has taken nothing.
    for (const kept of this.ledger.disputes)
      if (!known.has(kept) && this.lies(kept.openedSecond))
        this.add(disputeLine(kept, null), kept.status === 'won' ? [] : ['dispute_not_at_provider']);
  }

  /**
   * A provider does not report when a dispute moved, so a difference is reported on every day until both sides agree.
   */
  private disputed(kept: LedgerDispute, dispute: ProviderDispute): void {
    const found: DifferenceClass[] = [];
    if (kept.amountMicros !== dispute.amountMicros) found.push('dispute_amount_differs');
    if (dispute.status !== 'inquiry' && kept.status !== dispute.status) found.push('dispute_status_differs');
    if (found.length > 0 || this.lies(dispute.second)) this.add(disputeLine(kept, dispute), found);
  }

  private disputeNotKept(depositId: string, dispute: ProviderDispute): void {
    if (!this.lies(dispute.second) || dispute.status === 'inquiry') return;
    if (this.isYoung(dispute.second)) {
      this.underWay += 1;
      return;
    }
    const { provider, second, providerId, amountMicros: providerMicros } = dispute;
    const teamId = this.deposits.get(depositId)?.teamId ?? null;
    this.add({ kind: 'dispute', provider, second, depositId, teamId, providerId, ledgerMicros: null, providerMicros }, [
      'dispute_not_in_ledger',
    ]);
  }

  // ── outputs of crypto transactions ──

  private outputs(): void {
    const credited = new Map(this.ledger.outputs.map((output) => [output.outputId, output]));
    const arrived = new Set<string>();
    for (const output of this.provider.outputs) {
      arrived.add(output.outputId);
      const kept = credited.get(output.outputId) ?? null;
      const depositId = kept?.depositId ?? this.depositIdOf(output);
      if (depositId === null) this.isForeign('output', output.outputId, output);
      else if (this.lies(output.second)) this.arrived(depositId, kept, output);
    }
    for (const kept of this.ledger.outputs)
      if (!arrived.has(kept.outputId) && this.lies(kept.second))
        this.add(outputLine(kept.depositId, kept, null), kept.amountMicros === 0 ? [] : ['credit_without_output']);
  }

  private arrived(depositId: string, kept: LedgerOutput | null, output: ProviderOutput): void {
    const line = outputLine(depositId, kept, output);
    if (kept) this.add(line, kept.amountMicros === output.amountMicros ? [] : ['output_amount_differs']);
    else if (this.isYoung(output.second)) this.underWay += 1;
    else this.add({ ...line, teamId: this.deposits.get(depositId)?.teamId ?? null }, ['output_not_credited']);
  }

  // ── shared by all comparisons ──

  private lies(second: number): boolean {
    return second >= this.day.fromSecond && second < this.day.toSecond;
  }

  private isYoung(second: number): boolean {
    return second > this.nowSecond - SETTLING_SECONDS;
  }

  /** By the provider's id first: metadata can be edited in a dashboard, ids cannot. */
  private depositIdOf(row: { depositId: string | null; paymentId?: string | null; pageId?: string | null }) {
    const byId = (id: string | null | undefined) => (id ? this.depositIdOfProviderId.get(id) : undefined);
    return byId(row.paymentId) ?? byId(row.pageId) ?? row.depositId;
  }

  private isForeign(kind: ForeignRow['kind'], providerId: string, row: ProviderRow): void {
    const { provider, second, amountMicros, currency } = row;
    if (this.lies(second)) this.foreign.push({ kind, provider, providerId, second, amountMicros, currency });
  }

  private add(line: Line, differences: DifferenceClass[]): void {
    this.rows.push({ ...line, differences: [...new Set(differences)] });
  }

  private differenceOf(found: DifferenceClass, row: ComparedRow): Difference {
    const { depositId, teamId, providerId, ledgerMicros, providerMicros } = row;
    const { sentence, whatToDo } = DIFFERENCES[found];
    return {
      class: found,
      day: this.day.name,
      depositId,
      teamId,
      providerId,
      ledgerMicros,
      providerMicros,
      sentence,
      whatToDo,
    };
  }
}

const sumOf = (rows: ReadonlyArray<{ amountMicros: Micros }>): Micros =>
  add(ZERO, ...rows.map(({ amountMicros }) => amountMicros));

/** True if a deposit's team has this credit for the deposit, corrections included, and no other team has any. */
function isCredited(deposit: LedgerDeposit, dueMicros: Micros, teamId = deposit.teamId): boolean {
  const net = new Map<string, Micros>([[teamId, ZERO]]);
  for (const row of [...deposit.postings, ...deposit.corrections])
    net.set(row.teamId, add(net.get(row.teamId) ?? ZERO, row.amountMicros));
  return [...net].every(([of, netMicros]) => netMicros === (of === teamId ? dueMicros : ZERO));
}

/**
 * Drops differences that corrections have settled: the corrected credit equals the amount that the provider took. Money
 * of another team or in another currency is no credit of this team; such a difference is settled once the whole credit
 * is taken back or moved to the paying team.
 */
function unlessCorrected(
  deposit: LedgerDeposit,
  own: ProviderPayment | null,
  found: DifferenceClass[],
): DifferenceClass[] {
  if (deposit.corrections.length === 0) return found;
  const isOfAnother = found.includes('wrong_team') && own !== null && matched(deposit, own).includes('wrong_team');
  if (isOfAnother || found.includes('currency_differs')) {
    const isMoved = isOfAnother && own.teamId !== null && isCredited(deposit, own.amountMicros, own.teamId);
    return isMoved || isCredited(deposit, ZERO) ? [] : found;
  }
  return isCredited(deposit, own?.amountMicros ?? ZERO) ? [] : found;
}

/** The differences between a deposit and its payment. */
function matched(deposit: LedgerDeposit, own: ProviderPayment): DifferenceClass[] {
  const found: DifferenceClass[] = [];
  if (own.currency !== 'usd') found.push('currency_differs');
  else if (own.amountMicros !== deposit.amountMicros) found.push('amount_differs');
  const otherTeam = own.teamId !== null && own.teamId !== deposit.teamId;
  const otherCustomer = own.customerId !== null && own.customerId !== deposit.customerId;
  if (otherTeam || otherCustomer) found.push('wrong_team');
  return found;
}

/** The differences between a deposit and its transfers. */
function posted(deposit: LedgerDeposit): DifferenceClass[] {
  const { status, amountMicros, teamId, postings } = deposit;
  const dueMicros = status === 'credited' ? amountMicros : ZERO;
  if (deposit.corrections.length > 0 && isCredited(deposit, dueMicros)) return [];
  if (status !== 'credited') return postings.length > 0 ? ['credit_without_deposit'] : [];
  if (postings.length === 0) return ['credit_missing'];
  if (postings.some((posting) => posting.teamId !== teamId)) return ['wrong_team'];
  const surplusMicros = subtract(sumOf(postings), amountMicros);
  if (surplusMicros === 0) return [];
  return surplusMicros > 0 && postings.length > 1 ? ['credited_twice'] : ['credit_differs'];
}

function lineOf(deposit: LedgerDeposit, payment: ProviderPayment | null): Line {
  const { depositId, teamId, provider, postings, corrections, amountMicros, closedSecond, openedSecond } = deposit;
  return {
    kind: 'payment',
    provider,
    second: payment?.status === 'succeeded' ? payment.second : (postings[0]?.second ?? closedSecond ?? openedSecond),
    depositId,
    teamId,
    providerId: payment?.paymentId ?? deposit.providerIds[0] ?? null,
    ledgerMicros: postings.length + corrections.length > 0 ? sumOf([...postings, ...corrections]) : amountMicros,
    providerMicros: payment?.status === 'succeeded' ? payment.amountMicros : null,
  };
}

function refundLine(kept: LedgerRefund, refund: ProviderRefund | null): Line {
  const { depositId, teamId, amountMicros: ledgerMicros } = kept;
  return {
    kind: 'refund',
    provider: refund?.provider ?? 'stripe',
    second: refund?.second ?? kept.openedSecond,
    depositId,
    teamId,
    providerId: refund?.providerId ?? kept.providerId,
    ledgerMicros,
    providerMicros: refund?.amountMicros ?? null,
  };
}

function disputeLine(kept: LedgerDispute, dispute: ProviderDispute | null): Line {
  const { depositId, teamId, providerId, amountMicros: ledgerMicros } = kept;
  return {
    kind: 'dispute',
    provider: dispute?.provider ?? 'stripe',
    second: dispute?.second ?? kept.openedSecond,
    depositId,
    teamId,
    providerId,
    ledgerMicros,
    providerMicros: dispute?.amountMicros ?? null,
  };
}

function outputLine(depositId: string, kept: LedgerOutput | null, output: ProviderOutput | null): Line {
  return {
    kind: 'output',
    provider: output?.provider ?? 'copperx',
    second: output?.second ?? kept?.second ?? 0,
    depositId,
    teamId: kept?.teamId ?? null,
    providerId: output?.outputId ?? kept?.outputId ?? null,
    ledgerMicros: kept?.amountMicros ?? null,
    providerMicros: output?.amountMicros ?? null,
  };
}
