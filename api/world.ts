/** The world of the api: the rows, the ledger's acts, the engine, the card provider. Tests use another world. */
import type { Logger } from 'pino';
import type { ClockWatch } from '../activities/clock.ts';
import type { CopperxHint } from '../activities/copperx/events.ts';
import type { Brand } from '../activities/mail/brand.ts';
import type { Issuer } from '../activities/papers/issuer.ts';
import type { Reconciler } from '../activities/reconciliation/reconcile.ts';
import type { Cards } from '../activities/stripe/cards.ts';
import type { StripeHint } from '../activities/stripe/events.ts';
import type { StripeLooks } from '../activities/stripe/lookups.ts';
import type { BillingSettings } from '../billing/account.ts';
import type { Micros } from '../billing/money.ts';
import type { Ledger } from '../ledger/index.ts';
import type { Db } from '../prisma/client.ts';
import type { Engine } from './engine/engine.ts';
import type { CallTimes } from './http/deadlines.ts';
import type { GateSettings } from './http/gate.ts';

export interface ApiWorld {
  db: Db;
  ledger: Ledger;
  engine: Engine;
  /** Saved cards at Stripe. Card data itself never comes here. */
  cards: Cards;
  stripeLooks: StripeLooks;
  /** @throws BillingError `webhook_invalid` when the signature is not Stripe's, or is older than the tolerance */
  verifyStripeEvent: (rawBody: Buffer, signature: string) => StripeHint;
  /** The ledger against the providers. */
  reconciler: Pick<Reconciler, 'reportOf'>;
  /**
   * Null where no crypto deposits are offered.
   * @throws BillingError `webhook_invalid` when the signature is not CopperX's, or the event is older than the
   *   tolerance
   */
  verifyCopperxEvent: ((rawBody: Buffer, signature: string, nowMs: number) => CopperxHint) | null;
  settings: BillingSettings;
  deposits: { minMicros: Micros; maxMicros: Micros; presetsMicros: Micros[] };
  settleEveryMs: number;
  platformKey: string;
  publicUrl: string;
  /** The name and colour of the service, on pages for people. */
  brand?: Brand;
  /** The allowed origins of a returnUrl; null: any https address, and http on this machine. */
  returnUrlOrigins: readonly string[] | null;
  /** Who gives receipts. */
  issuer?: Issuer;
  rateLimitPerMinute: number;
  /** Whose `X-Forwarded-For` is believed: a number of hops, or addresses and networks. False: nobody's. */
  trustedProxies: number | string[] | false;
  /** Shorter times than the product's, in tests. */
  callTimes?: CallTimes;
  /** Another number of calls at once than the product's, in tests. */
  capacity?: Partial<GateSettings>;
  /** The clock of this process against the database's. Absent where tests choose the time. */
  clock?: ClockWatch;
  log: Logger;
  /** Unix milliseconds. */
  nowMs: () => number;
}
