import { randomUUID } from 'node:crypto';
import type { World } from '../../activities/index.ts';
import { DEFAULT_BRAND } from '../../activities/mail/brand.ts';
import type { CheckoutPage, Payments } from '../../activities/providers.ts';
import type { Cards } from '../../activities/stripe/cards.ts';
import { type Micros, micros } from '../../billing/money.ts';
import type { Db } from '../../prisma/client.ts';
import { type DepositKind, openAttemptDeposit, openDeposit } from '../../prisma/deposits.ts';
import type { PaymentMethod } from '../../prisma/payment-methods.ts';
import { createTeam, type Team } from '../../prisma/teams.ts';

/** 2026-03-01T00:00:00Z */
export const NOW = 1_772_323_200;
export const dollars = (amount: number): Micros => micros(amount * 1_000_000);
export const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** How a deployment sends its mails; the rest is what a test is about. */
export const MAIL_SETTINGS = {
  minDepositMicros: dollars(15),
  from: { name: 'Burnrate', address: 'billing@burnrate.test' },
  brand: DEFAULT_BRAND,
  billingUrl: 'https://burnrate.test/billing?team={team}',
};

/** What every mail is told of its team, for mails that are made without a notice. */
export const ABOUT = {
  teamName: 'Acme',
  billingUrl: 'https://burnrate.test/billing?team=acme',
  brand: DEFAULT_BRAND,
  help: 'reply to this mail',
};

const newId = (prefix: string) => `${prefix}_${randomUUID().replaceAll('-', '')}`;

export async function newTeam(db: Db, about: Partial<Pick<Team, 'name' | 'email'>> = {}): Promise<Team> {
  const { name = 'Acme', email = 'billing@acme.test' } = about;
  return (await createTeam(db, { id: newId('team'), name, email }, NOW)).team;
}

export const saveCard = (cards: Cards, teamId: string, stripePaymentMethod = 'pm_card_visa'): Promise<PaymentMethod> =>
  cards.attach({ teamId, stripePaymentMethod, nowSecond: NOW, newId: newId('pm') });

let attempts = 0;

/** A deposit that is open. Answers its id. */
export async function newDeposit(
  db: Db,
  deposit: {
    teamId: string;
    kind: DepositKind;
    paymentMethodId?: string | null;
    amountMicros?: Micros;
    saveCard?: boolean;
  },
): Promise<string> {
  const { teamId, kind, paymentMethodId = null, amountMicros = dollars(100), saveCard = false } = deposit;
  const id = newId('dep');
  if (kind === 'auto_top_up') {
    attempts += 1;
    const attempt = { number: attempts, depositId: id, openedSecond: NOW, amountMicros };
    await openAttemptDeposit(db, teamId, attempt, paymentMethodId);
  } else await openDeposit(db, { id, teamId, kind, amountMicros, openedSecond: NOW, paymentMethodId, saveCard });
  return id;
}

/** Opens the Checkout page of a deposit, and fails where the provider refuses it. */
export async function openPage(
  payments: Payments,
  depositId: string,
): Promise<Extract<CheckoutPage, { sessionId: string }>> {
  const page = await payments.createCheckout({ depositId });
  if ('failureCode' in page) throw new Error(`no page: ${page.failureCode}`);
  return page;
}

/** A world of activities with these neighbours. Each other neighbour accepts every call and does nothing. */
export const worldOf = (parts: Partial<World>): World =>
  new Proxy(parts as World, {
    get: (target, name) => Reflect.get(target, name) ?? new Proxy({}, { get: () => async () => {} }),
  });
