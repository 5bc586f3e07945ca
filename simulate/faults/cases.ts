/** The cases: every kind of payment at every step with every fault. A kind is added here. */
import type { PaymentKind } from './kind.ts';
import { autoTopUp } from './kinds/auto-top-up.ts';
import { checkout } from './kinds/checkout.ts';
import { crypto } from './kinds/crypto.ts';
import { refund } from './kinds/refund.ts';
import { savedCard } from './kinds/saved-card.ts';
import { FAULTS, type Fault, STEPS, type Step } from './words.ts';

export const KINDS: readonly PaymentKind[] = [savedCard, autoTopUp, checkout, crypto, refund];

export interface Case {
  kind: PaymentKind;
  step: Step;
  fault: Fault;
}

export const ALL_CASES: readonly Case[] = KINDS.flatMap((kind) =>
  STEPS.flatMap((step) => FAULTS.map((fault) => ({ kind, step, fault }))),
);

export const nameOf = ({ kind, step, fault }: Case): string => `${kind.name}, ${step}, ${fault}`;
