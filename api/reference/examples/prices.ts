/** Prices, discounts, quotes, reservations, usage of models, and reconciliation. */
import { DEPOSIT, ENDED, type Examples, type FieldExamples, HOLD, STARTED, TEAM } from './values.ts';

const RESERVED = { '1m': '1.740000', '3m': '1.570000', '6m': '1.420000', '12m': '1.250000' };

const gpuPrice = {
  gpuType: 'h100-80gb',
  region: 'eu-west-1',
  onDemand: '2.490000',
  spot: '1.250000',
  reserved: RESERVED,
};

const model = { id: 'llama-3.3-70b-instruct', input: '0.250000', output: '0.750000' };

const term = {
  startedAt: STARTED,
  endsAt: '2027-02-22T04:42:01Z',
  endedAt: null,
  hourly: '1.570000',
  cost: '0.785000',
};

const publicPrice = {
  id: 'gpt-4o-mini',
  provider: 'OpenAI',
  input: '0.150000',
  output: '0.600000',
  note: null,
  source: 'https://openai.com/api/pricing',
  asOf: '2026-11-20',
};

const cost = { perRequest: '0.000525', perMonth: '0.525000' };

const volume = { perMonth: 1000, here: '0.525000', there: '0.360000', saves: '-0.165000' };

const about = {
  depositId: DEPOSIT,
  teamId: TEAM,
  providerId: 'pi_3PqK2eLkdIwHu7ix0Q9yQ9yQ',
  ledgerAmount: '100.000000',
  providerAmount: '90.000000',
};

const usageSum = {
  day: '2026-11-22',
  gpuType: 'h100-80gb',
  cost: '59.760000',
  seconds: 86_400,
  filter: { from: '2026-11-21T23:00:00Z', to: '2026-11-22T23:00:00Z', gpuType: 'h100-80gb' },
};

const posted = {
  kind: 'transaction',
  id: '5b0f1c2e-3d4a-4f5b-8c6d-7e8f90a1b2c3',
  at: '2026-11-22T04:42:12Z',
  text: 'Usage of instance train-1 (h100-80gb, eu-west-1, on-demand): $0.006917',
};

const segment = {
  startedAt: '2026-11-22T04:42:01Z',
  endedAt: '2026-11-22T04:42:12Z',
  hourly: '2.490000',
  why: 'price given by the platform',
  posts: true,
};

const explanation = {
  text: 'the cost of 11 seconds at $2.490000 an hour, through 2026-11-22T04:42:12Z, less $0.000691 posted before',
  formula: 'floor(2490000 × 11 ÷ 3600) − 691 = 6917',
  postedAt: '2026-11-22T04:42:12Z',
  segments: [segment],
  events: [],
};

export const PRICES: Examples = {
  TeamDiscount: {
    percent: 7.5,
    until: null,
    note: 'launch partner',
    volumePercent: 0,
    effectivePercent: 7.5,
    effectiveKind: 'assigned',
    trailingSpend: '412.500000',
    nextTier: { spend: '1000.000000', percent: 2 },
  },
  Hold: {
    id: HOLD,
    team: TEAM,
    model: model.id,
    project: 'vision',
    maxInputTokens: 8000,
    maxOutputTokens: 2000,
    amount: '0.003500',
    placedAt: STARTED,
    expiresAt: '2026-11-22T04:44:01Z',
    status: 'pending',
    closedAt: null,
    settledBy: null,
  },
  ListedGpuPrice: {
    ...gpuPrice,
    discountPercent: 7.5,
    discountKind: 'assigned',
    yourOnDemand: '2.303250',
    yourSpot: '1.156250',
  },
  GpuPrice: { ...gpuPrice, effectiveFrom: STARTED },
  GpuPriceRow: { ...gpuPrice, effectiveFrom: STARTED, withdrawn: false, recordedAt: STARTED, actor: 'platform' },
  GpuPriceWithdrawn: { gpuType: 'h100-80gb', region: 'eu-west-1', withdrawnFrom: ENDED },
  Model: model,
  ModelPrice: { ...model, effectiveFrom: STARTED },
  ModelWithdrawn: { id: model.id, withdrawnFrom: ENDED },
  Quote: {
    hourly: '2.303250',
    totalPerHour: '4.606500',
    coveredCount: 0,
    discountPercent: 7.5,
    burnPerHour: '4.606500',
    runsOutAt: '2026-11-22T07:42:01Z',
    nextTopUpAt: '2026-11-22T06:12:30Z',
    warnings: [],
  },
  UsageAnswer: {
    events: [{ id: 'e1', status: 'accepted', cost: '0.001625' }],
    balances: { acme: { available: '39.997939', owed: '0.000000' } },
  },
  UsageEvent: { id: 'e1', status: 'accepted', cost: '0.001625' },
  NewUsageEvent: { id: 'e1', team: TEAM, model: model.id, inputTokens: 5000, outputTokens: 500, hold: HOLD },
  UsageSums: {
    from: '2026-11-01T00:00:00Z',
    to: '2026-12-01T00:00:00Z',
    timeZone: 'Europe/Berlin',
    data: [usageSum],
    total: '59.760000',
  },
  UsageSum: usageSum,
  Reservation: {
    id: 'r1',
    team: TEAM,
    gpuType: 'h100-80gb',
    region: 'eu-west-1',
    count: 1,
    term: '3m',
    status: 'active',
    startedAt: STARTED,
    endsAt: term.endsAt,
    endedAt: null,
    how: null,
    renew: false,
    hourly: '1.570000',
    hourlyEach: '1.570000',
    cost: '0.785000',
    terms: [term],
    covers: ['train-1'],
    savesPerHour: '0.733250',
  },
  ReservationTerm: term,
  Comparison: {
    model: { ...model, ...cost },
    compareWith: { ...publicPrice, perRequest: '0.00036', perMonth: '0.360000' },
    saves: { perMonth: '-0.165000', percent: -45.83 },
    byVolume: [volume],
  },
  ComparedPublicPrice: { ...publicPrice, perRequest: '0.00036', perMonth: '0.360000' },
  ComparedVolume: volume,
  PublicPrice: publicPrice,
  Audit: {
    ...posted,
    team: TEAM,
    workflow: 'instance/train-1',
    causes: [{ kind: 'workflow', id: 'instance/train-1', at: null, text: 'the workflow that wrote the row' }],
    effects: [],
    hasMore: false,
    explanation,
  },
  AuditLink: posted,
  Explanation: explanation,
  ExplainedSegment: segment,
  ExplainedEvent: {
    id: 'e1',
    model: model.id,
    project: 'vision',
    inputTokens: 5000,
    outputTokens: 500,
    at: '2026-11-22T04:42:01Z',
    inputPrice: '0.250000',
    outputPrice: '0.750000',
    exactCost: '1625000000',
    cost: '0.001625',
  },
  Reconciliation: {
    day: '2026-11-21',
    madeAt: '2026-11-22T02:00:00Z',
    provisional: false,
    compared: 1,
    underWay: 0,
    differences: [
      {
        class: 'amount_differs',
        day: '2026-11-21',
        ...about,
        sentence: 'The provider took another amount than the ledger credited.',
        whatToDo: 'Grant what is missing, or refund at the provider what was taken too much.',
      },
    ],
    rows: [
      { kind: 'payment', provider: 'stripe', at: '2026-11-21T09:30:00Z', ...about, differences: ['amount_differs'] },
    ],
    foreign: [],
  },
  Difference: {
    class: 'amount_differs',
    day: '2026-11-21',
    ...about,
    sentence: 'The provider took another amount than the ledger credited.',
    whatToDo: 'Grant what is missing, or refund at the provider what was taken too much.',
  },
  ComparedRow: {
    kind: 'payment',
    provider: 'stripe',
    at: '2026-11-21T09:30:00Z',
    ...about,
    differences: ['amount_differs'],
  },
  ForeignRow: {
    kind: 'payment',
    provider: 'stripe',
    providerId: 'pi_3PqK2eLkdIwHu7ix0Q9yQ9yQ',
    at: '2026-11-21T09:30:00Z',
    amount: '12.000000',
    currency: 'usd',
  },
};

/** Fields that these examples leave out or set to null. */
export const PRICES_FIELDS: FieldExamples = {
  'UsageSum.hour': '2026-11-22T05:00:00+01:00',
  'UsageSum.month': '2026-11',
  'UsageSum.region': 'eu-west-1',
  'UsageSum.pricing': 'on_demand',
  'UsageSum.project': 'vision',
  'UsageSum.model': model.id,
  'UsageSum.instance': 'train-1',
  'UsageSum.reservation': 'r1',
  'UsageSum.reservedSeconds': 3600,
  'UsageSum.inputTokens': 5000,
  'UsageSum.outputTokens': 500,
  'TeamDiscount.until': '2027-01-01T00:00:00Z',
  'Hold.closedAt': ENDED,
  'Hold.settledBy': 'e1',
  'ReservationTerm.endedAt': ENDED,
  'Reservation.endedAt': ENDED,
  'Reservation.how': 'ended',
  'UsageEvent.error.code': 'price_not_found',
  'UsageEvent.error.message': 'the model has no price now: see GET /v1/models',
  'UsageEvent.error.param': 'model',
  'NewUsageEvent.project': 'vision',
  'NewUsageEvent.at': STARTED,
  'PublicPrice.note': 'without the discount for cached input',
  'ComparedPublicPrice.note': 'without the discount for cached input',
};
