import type {
  BalanceTransaction,
  Charge,
  CheckoutSession,
  Customer,
  Dispute,
  Event,
  PaymentIntent,
  PaymentMethod,
  Refund,
  SetupIntent,
} from './objects.ts';

/** What Stripe knows of a PaymentMethod and never shows. */
export interface CardOnFile {
  number: string;
  /** Saved for off-session use, with authentication where the card asks for it. */
  setUp: boolean;
  /** Used once without a customer, or detached: Stripe lets it be used no more. */
  spent: boolean;
}

/** What was asked at the last confirmation of an intent, needed when its customer comes back from authentication. */
export interface Confirmation {
  paymentMethod: string;
  returnUrl: string | null;
  clientSecret: string;
}

/** What a Checkout Session was created with and shows on no field of its own. */
export interface CheckoutPlan {
  description: string | null;
  metadata: Record<string, string>;
  receiptEmail: string | null;
  setupFutureUsage: 'off_session' | 'on_session' | null;
  statementDescriptorSuffix: string | null;
  lineItems: CheckoutLineItem[];
}

export interface CheckoutLineItem {
  id: string;
  name: string;
  unitAmount: number;
  quantity: number;
}

export interface StoredAnswer {
  /** Method, path and parameters: what another request with the key must repeat. */
  endpoint: string;
  params: string;
  at: number;
  /** Null while the first request with the key is still being executed. */
  answer: { status: number; body: string; requestId: string } | null;
}

/** All that survives a restart. Maps keep the order in which things were created; lists read them backwards. */
export interface State {
  customers: Map<string, Customer>;
  deletedCustomers: Set<string>;
  /** Ids that Stripe says belong to the other mode. */
  inLiveMode: Set<string>;
  paymentMethods: Map<string, PaymentMethod>;
  cardsOnFile: Map<string, CardOnFile>;
  setupIntents: Map<string, SetupIntent>;
  paymentIntents: Map<string, PaymentIntent>;
  confirmations: Map<string, Confirmation>;
  charges: Map<string, Charge>;
  refunds: Map<string, Refund>;
  disputes: Map<string, Dispute>;
  balanceTransactions: Map<string, BalanceTransaction>;
  checkoutSessions: Map<string, CheckoutSession>;
  checkoutPlans: Map<string, CheckoutPlan>;
  events: Map<string, Event>;
  idempotencyKeys: Map<string, StoredAnswer>;
}

export function emptyState(): State {
  return {
    customers: new Map(),
    deletedCustomers: new Set(),
    inLiveMode: new Set(),
    paymentMethods: new Map(),
    cardsOnFile: new Map(),
    setupIntents: new Map(),
    paymentIntents: new Map(),
    confirmations: new Map(),
    charges: new Map(),
    refunds: new Map(),
    disputes: new Map(),
    balanceTransactions: new Map(),
    checkoutSessions: new Map(),
    checkoutPlans: new Map(),
    events: new Map(),
    idempotencyKeys: new Map(),
  };
}
