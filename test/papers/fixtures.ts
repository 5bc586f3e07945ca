import type { ReceiptFacts } from '../../activities/papers/receipt-paper.ts';
import { parseDollars } from '../../billing/money.ts';

/** 2026-03-01 00:00:00 UTC */
const CREDITED = Date.UTC(2026, 2, 1) / 1000;

export const facts = (change: Partial<ReceiptFacts> = {}): ReceiptFacts => ({
  number: 'acme-000001',
  issuer: {
    name: 'Acme Clouds',
    address: '1 Main Street\nSpringfield',
    taxId: 'US-12',
    contact: 'help@clouds.example',
  },
  recipient: { teamName: 'Acme Robotics', company: null, address: null, taxId: null, reference: null },
  teamId: 'acme',
  depositId: 'dep_1',
  label: 'Auto Top-Up',
  method: 'Visa ending in 4242',
  paidMicros: parseDollars('25.5'),
  creditedSecond: CREDITED,
  coins: [],
  deposit: null,
  ...change,
});

export const madeOutTo = (teamName: string) =>
  facts({ recipient: { teamName, company: null, address: null, taxId: null, reference: null } });
