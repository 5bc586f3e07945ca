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

/** Stripe's hidden knowledge of a PaymentMethod. */
export interface CardOnFile {
  number: string;
  /** Saved for off-session use, with authentication if the card requires it. */
  setUp: boolean;
  /** Used once without a customer, or detached: Stripe allows no further use. */
  spent: boolean;
}

/** The request of the last confirmation of an intent, needed when the customer returns from authentication. */
export interface Confirmation {
  paymentMethod: string;
  returnUrl: string | null;
  clientSecret: string;
}

/** The creation parameters of a Checkout Session without a field of their own. */
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
  /** Method, path and parameters, which another request with the key must repeat. */
  endpoint: string;
  params: string;
  at: number;
  /** Null while the first request with the key is still being executed. */
  answer: { status: number; body: string; requestId: string } | null;
}

/** The state that survives a restart. Maps keep the order of creation, and lists read the maps backwards. */
export interface State {
  customers: Map<string, Customer>;
  deletedCustomers: Set<string>;
  /** Ids for which Stripe says that the object belongs to the other mode. */
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
