/** CopperX's objects. Source: https://docs.copperx.io, https://copperx.readme.io/reference */

/**
 * A payment on a chain. Only `transactionHash` is documented publicly; decision 0010 states the assumptions about the
 * rest.
 */
export interface Transaction {
  id: string;
  createdAt: string;
  transactionHash: string;
  outputIndex: number;
  chainId: number;
  currency: string;
  /** With eight places, like every amount at CopperX: "100000000" is one coin. */
  amount: string;
  confirmations: number;
  status: 'pending' | 'confirmed';
}

export interface PaymentIntent {
  id: string;
  createdAt: string;
  updatedAt: string;
  amount: string;
  amountReceived: string | null;
  currency: string;
  status: 'requires_payment_method' | 'processing' | 'succeeded';
  paymentMethodTypes: ['wallet'];
  description: string | null;
  transactions: Transaction[];
}

export interface CheckoutSession {
  id: string;
  createdAt: string;
  updatedAt: string;
  mode: 'payment';
  paymentMethodTypes: ['wallet'];
  paymentSetting: { allowSwap: boolean; allowedChains: { chainId: number }[]; preferredChainId: number | null };
  expiresAt: string;
  submitType: string;
  amountTotal: string;
  amountNet: string;
  currency: string;
  clientReferenceId: string | null;
  metadata: Record<string, string> | null;
  successUrl: string;
  cancelUrl: string | null;
  status: 'open' | 'complete' | 'expired' | 'canceled';
  paymentStatus: 'unpaid' | 'paid';
  url: string;
  lineItems: { object: 'list'; data: LineItem[] };
  paymentIntent: PaymentIntent;
}

export interface LineItem {
  amountTotal: string;
  currency: string;
  description: string | null;
  quantity: number;
  price: { unitAmount: string; currency: string; type: 'one_time'; product: { name: string } };
}

export interface Event {
  id: string;
  apiVersion: string;
  /** Milliseconds. */
  created: number;
  object: 'checkoutSession';
  type: 'checkout_session.completed' | 'checkout_session.expired' | 'checkout_session.canceled';
  data: { object: CheckoutSession };
  /** For this stand-in, and not sent: 1 while a receiver still has to accept the event. */
  pending_webhooks: number;
}
