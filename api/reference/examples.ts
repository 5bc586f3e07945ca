/**
 * A whole example of each schema that the API answers with. The document takes the examples of all fields from here, and
 * those of all answers, so that the values of one example agree with each other.
 */

const TEAM = 'acme';
const CARD = 'pm_e6e08eec1724b735226fa781a46e5a84';
const DEPOSIT = 'dep_9c1185a5c5e9fc54612808977ee8f548';
const REFUND = 'ref_5d41402abc4b2a76b9719d911017c592';
const HOLD = 'hold_d9e4b3c3d83877e58a25f469e44da010';
const STARTED = '2026-11-22T04:42:01Z';
const ENDED = '2026-11-22T05:12:01Z';
const RECEIPT_URL = `https://billing.example/v1/teams/${TEAM}/deposits/${DEPOSIT}/receipt`;

const RESERVED = { '1m': '1.740000', '3m': '1.570000', '6m': '1.420000', '12m': '1.250000' };
const METADATA = { customer: 'cus_1042', plan: 'pro' };

const team = {
  id: TEAM,
  name: 'Acme Robotics',
  email: 'billing@acme.example',
  createdAt: '2026-11-22T04:41:59Z',
  status: 'active',
  suspendedAt: null,
  suspensionNote: null,
  archivedAt: null,
  metadata: METADATA,
};

const receipt = {
  id: 'train-1',
  startedAt: STARTED,
  endedAt: ENDED,
  seconds: 1800,
  cost: '1.245000',
  reason: 'stopped',
};

const key = {
  id: 'key_7215ee9c7d9dc229d2921a40e899ec5f',
  name: 'dashboard',
  scopes: ['billing'],
  hint: '…x7Qa',
  createdAt: STARTED,
  revokedAt: null,
};

const segment = {
  hourly: '2.490000',
  startedAt: STARTED,
  endedAt: null,
  seconds: 1800,
  cost: '1.245000',
  list: '2.490000',
  discountPercent: 0,
  discountKind: null,
  coveredBy: null,
  why: 'on-demand list price $2.490000',
};

const instance = {
  id: 'train-1',
  team: TEAM,
  project: 'vision',
  gpuType: 'h100-80gb',
  region: 'eu-west-1',
  pricing: 'on_demand',
  status: 'active',
  startedAt: STARTED,
  endedAt: null,
  seconds: 1800,
  cost: '1.245000',
  hourly: '2.490000',
  reason: null,
  segments: [segment],
  shedOrder: null,
  reclaimAt: null,
  resumedFrom: null,
  metadata: METADATA,
};

const attempt = {
  deposit: 'dep_acme_top_up_1',
  at: STARTED,
  amount: '50.000000',
  status: 'succeeded',
  failureCode: null,
  failureMessage: null,
};

const policy = { enabled: true, threshold: '10.000000', amount: '50.000000', paymentMethod: CARD, monthlyCap: null };

const warning = {
  code: 'threshold_too_low',
  message: 'Credit can run out while the card is charged: a threshold of $25.00 or more would do.',
};

const deposit = {
  id: DEPOSIT,
  team: TEAM,
  at: STARTED,
  amount: '100.000000',
  method: 'card',
  label: 'Deposit',
  status: 'succeeded',
  refunded: '0.000000',
  receiptUrl: RECEIPT_URL,
  receiptNumber: 'acme-000001',
  providerReceiptUrl: 'https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8x',
  openedAt: '2026-11-22T04:42:00Z',
  returnUrl: null,
  metadata: METADATA,
  paymentMethod: CARD,
  card: { brand: 'visa', last4: '4242' },
  failureCode: null,
  failureMessage: null,
};

const gpuPrice = {
  gpuType: 'h100-80gb',
  region: 'eu-west-1',
  onDemand: '2.490000',
  spot: '1.250000',
  reserved: RESERVED,
};
const model = { id: 'llama-3.3-70b-instruct', input: '0.250000', output: '0.750000' };

const revocation = { at: ENDED, note: 'granted to the wrong team', fromCredit: '60.000000', owed: '0.000000' };

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

const details = {
  company: 'Acme Robotics GmbH',
  address: '1 Main Street\n10115 Berlin\nGermany',
  taxId: 'DE123456789',
  reference: 'PO-1234',
  email: 'accounts@acme.example',
  version: 1,
};

const about = {
  depositId: DEPOSIT,
  teamId: TEAM,
  providerId: 'pi_3PqK2eLkdIwHu7ix0Q9yQ9yQ',
  ledgerAmount: '100.000000',
  providerAmount: '90.000000',
};

export const EXAMPLES: Record<string, Record<string, unknown>> = {
  Error: {
    error: {
      type: 'invalid_request_error',
      code: 'invalid_request',
      message: 'name is required',
      param: 'name',
      errors: [{ param: 'name', message: 'name is required' }],
      requestId: 'req_0f6d3c1b9a8e7d5c4b3a29181716f5e4',
    },
  },
  Team: team,
  SuspendedTeam: {
    ...team,
    status: 'suspended',
    suspendedAt: ENDED,
    suspensionNote: 'payment review',
    receipts: [receipt],
  },
  TeamStopped: { team: TEAM, project: null, stoppedAt: ENDED, count: 1, receipts: [receipt] },
  BillingDetails: details,
  BillingDetailsChange: { ...details, at: STARTED, actor: 'platform' },
  Key: key,
  NewKey: { ...key, secret: 'bk_QyfWgkJQYmret7--6YiJ76ZPJuhO9n36O-yD5YLLGeU' },
  Balance: {
    available: '13.755000',
    posted: '15.000000',
    held: '0.000000',
    owed: '0.000000',
    burnPerHour: '2.490000',
    runsOutAt: '2026-11-22T10:43:27Z',
    lowAt: '2026-11-22T06:42:30Z',
    thisMonth: '1.245000',
    activeInstances: 1,
    asOf: ENDED,
  },
  Instance: instance,
  Segment: segment,
  Receipt: receipt,
  Shedding: { order: ['train-1'] },
  AutoTopUp: {
    ...policy,
    paymentMethodMissing: false,
    state: 'cooling_down',
    lastAttempt: attempt,
    cooldownUntil: '2026-11-22T04:47:01Z',
    disabledReason: null,
    disabledMessage: null,
    warnings: [],
  },
  AutoTopUpAttempt: attempt,
  Warning: warning,
  PolicyChange: {
    id: '0f8fad5b-d9cb-469f-a165-70867728950e',
    at: STARTED,
    actor: 'platform',
    cause: 'req_0f6d3c1b9a8e7d5c4b3a29181716f5e4',
    old: null,
    new: policy,
  },
  PaymentMethod: {
    id: CARD,
    brand: 'visa',
    last4: '4242',
    expMonth: 11,
    expYear: 2027,
    isDefault: true,
    expired: false,
    expiresSoon: false,
    createdAt: STARTED,
  },
  SetupPage: { checkoutUrl: 'https://checkout.stripe.com/c/pay/cs_test_a1B2c3D4' },
  DepositOptions: {
    min: '15.000000',
    max: '5000.000000',
    presets: [
      { amount: '50.000000', recommended: false },
      { amount: '100.000000', recommended: true },
    ],
    methods: ['card', 'crypto'],
  },
  Deposit: deposit,
  Payment: { ...deposit, deposit: null },
  PaymentReceipt: { number: 'acme-000001', at: STARTED, amount: '100.000000', url: RECEIPT_URL, transactions: [] },
  Refund: { id: REFUND, deposit: DEPOSIT, at: ENDED, amount: '20.000000', status: 'succeeded' },
  Transaction: {
    id: '5b0f1c2e-3d4a-4f5b-8c6d-7e8f90a1b2c3',
    at: ENDED,
    amount: '-1.245000',
    account: 'credit',
    code: 'instance_usage',
    status: 'posted',
    reference: 'instance/train-1/through/1795324321',
    cause: 'instance/train-1',
    instance: 'train-1',
    reservation: null,
    deposit: null,
    corrects: null,
    description: 'Instance train-1 on h100-80gb in eu-west-1',
    method: null,
    receiptNumber: null,
    model: null,
    project: 'vision',
  },
  Grant: {
    id: 'welcome-acme',
    team: TEAM,
    at: STARTED,
    amount: '60.000000',
    note: 'welcome credit',
    status: 'given',
    revocation: null,
    metadata: METADATA,
  },
  GrantRevocation: revocation,
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

/** Examples of fields that the whole examples leave out or that are null there, by schema and path. */
export const FIELD_EXAMPLES: Record<string, unknown> = {
  'Error.error.instance': 'train-1',
  'Error.error.deposit': DEPOSIT,
  'Error.error.refund': REFUND,
  'Error.error.reason': 'insufficient_funds',
  'Team.suspendedAt': ENDED,
  'Team.suspensionNote': 'payment review',
  'Team.archivedAt': ENDED,
  'SuspendedTeam.archivedAt': ENDED,
  'TeamStopped.project': 'vision',
  'Key.revokedAt': ENDED,
  'NewKey.revokedAt': ENDED,
  'Instance.endedAt': ENDED,
  'Instance.reason': 'stopped',
  'Instance.shedOrder': 1,
  'Instance.reclaimAt': ENDED,
  'Instance.resumedFrom': 'train-0',
  'Segment.endedAt': ENDED,
  'Segment.discountKind': 'volume',
  'Segment.coveredBy': 'r1',
  'AutoTopUp.monthlyCap': '500.000000',
  'AutoTopUp.disabledReason': 'insufficient_funds',
  'AutoTopUp.disabledMessage': 'The card was not charged: the card has expired. Save a card that is valid.',
  'AutoTopUpAttempt.failureCode': 'insufficient_funds',
  'AutoTopUpAttempt.failureMessage': 'The card was not charged: the card has expired. Save a card that is valid.',
  'PolicyChange.new.monthlyCap': '500.000000',
  'PolicyChange.old.enabled': false,
  'PolicyChange.old.threshold': '10.000000',
  'PolicyChange.old.amount': '50.000000',
  'PolicyChange.old.paymentMethod': CARD,
  'PolicyChange.old.monthlyCap': '500.000000',
  'Transaction.model': 'llama-3.3-70b-instruct',
  'Transaction.project': 'vision',
  'Transaction.method': 'card',
  'Transaction.receiptNumber': 'acme-000001',
  'Transaction.reservation': 'r1',
  'Transaction.deposit': DEPOSIT,
  'Transaction.corrects': 'instance/train-1/through/1795324321',
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
  ...Object.fromEntries(
    ['Deposit', 'Payment'].flatMap((name) => [
      [`${name}.checkoutUrl`, 'https://checkout.stripe.com/c/pay/cs_test_a1B2c3D4'],
      [`${name}.returnUrl`, 'https://app.example/billing'],
      [`${name}.received`, '99.500000'],
      [`${name}.transactions.hash`, '0x9fc76417374aa880d4449a1f7f31ec597f00b1f6f3dd2d66f4c9c6c445836d8b'],
      [`${name}.transactions.output`, 0],
      [`${name}.transactions.chain`, 'base'],
      [`${name}.transactions.amount`, '99.500000'],
      [`${name}.transactions.at`, ENDED],
      [`${name}.transactions.receiptNumber`, 'acme-000002'],
      [`${name}.transactions.receiptUrl`, `${RECEIPT_URL}s/acme-000002`],
      [`${name}.failureCode`, 'insufficient_funds'],
      [`${name}.failureMessage`, 'The card was not charged: the card has expired. Save a card that is valid.'],
    ]),
  ),
  'Payment.deposit': DEPOSIT,
  'PaymentReceipt.transactions.hash': '0x9fc76417374aa880d4449a1f7f31ec597f00b1f6f3dd2d66f4c9c6c445836d8b',
  'PaymentReceipt.transactions.output': 0,
  'PaymentReceipt.transactions.chain': 'base',
  'PaymentReceipt.transactions.currency': 'usdc',
};
