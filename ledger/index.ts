/** The acts that record a team's money, each in a single transaction under the team's row lock. */

import { alertActs } from './alerts.ts';
import { policyActs } from './auto-top-up.ts';
import { correctionActs } from './corrections.ts';
import { cryptoActs } from './crypto.ts';
import { depositActs } from './deposits.ts';
import { discountActs } from './discounts.ts';
import { disputeActs } from './disputes.ts';
import { grantActs } from './grants.ts';
import { holdActs } from './holds.ts';
import { instanceActs } from './instances.ts';
import { noticeActs } from './notices.ts';
import { priceActs } from './prices.ts';
import { refundActs } from './refunds.ts';
import { reservationActs } from './reservations.ts';
import { teamActs } from './team.ts';
import { teamStateActs } from './team-state.ts';
import { usageActs } from './usage.ts';
import type { LedgerWorld } from './world.ts';

export const createLedger = (world: LedgerWorld) => ({
  ...teamActs(world),
  ...teamStateActs(world),
  ...instanceActs(world),
  ...depositActs(world),
  ...refundActs(world),
  ...disputeActs(world),
  ...cryptoActs(world),
  ...correctionActs(world),
  ...noticeActs(world),
  ...policyActs(world),
  ...alertActs(world),
  ...usageActs(world),
  ...holdActs(world),
  ...discountActs(world),
  ...grantActs(world),
  ...priceActs(world),
  ...reservationActs(world),
});

export type Ledger = ReturnType<typeof createLedger>;
