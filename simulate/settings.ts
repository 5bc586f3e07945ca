/** The billing settings of scenarios: the product's defaults (docs/rules.md), without a volume discount. Tests and benches share them. */
import type { BillingSettings } from '../billing/account.ts';
import { micros } from '../billing/money.ts';

export const SCENARIO_SETTINGS: BillingSettings = {
  cooldownSeconds: 300,
  graceSeconds: 60,
  minStartMicros: micros(3_000_000),
  lowLevelMicros: micros(10_000_000),
  volumeTiers: [],
  chargeLatencySeconds: 10,
};
