/** A team in skipped time whose card is about to be charged. */
import { type Micros, micros } from '../../billing/money.ts';
import { savePaymentMethod } from '../../prisma/payment-methods.ts';
import { createTeam, setStripeCustomer } from '../../prisma/teams.ts';
import type { Engine } from '../../simulate/engine.ts';

export const dollars = (amount: number): Micros => micros(amount * 1_000_000);

/** A team with $20, whose auto top-up of $50 is due at its next look: the policy's threshold is above what it has. */
export async function aTeamAboutToBeCharged(engine: Engine): Promise<string> {
  const { db, stripe, ledger, clock } = engine;
  const teamId = 'acme';
  await createTeam(db, { id: teamId, name: 'Acme', email: 'acme@teams.example' }, clock.second(0));
  const customer = await stripe.customers.create({ metadata: { team: teamId } });
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id });
  await setStripeCustomer(db, teamId, customer.id);
  await savePaymentMethod(db, {
    id: 'pm_acme',
    teamId,
    stripePaymentMethodId: card.id,
    brand: 'visa',
    last4: '4242',
    expMonth: 12,
    expYear: 2099,
    fingerprint: null,
    createdSecond: clock.second(0),
  });
  await clock.goTo(0);
  await ledger.grant(
    { teamId, grantId: 'grant', amountMicros: dollars(20), note: 'to begin with', nowSecond: clock.now },
    'test',
  );
  return teamId;
}

export async function switchOn(
  { ledger, wake, clock }: Engine,
  teamId: string,
  monthlyCapMicros: Micros | null = null,
): Promise<void> {
  const policy = {
    enabled: true,
    thresholdMicros: dollars(25),
    amountMicros: dollars(50),
    paymentMethodId: 'pm_acme',
    monthlyCapMicros,
  };
  await ledger.setPolicy({ teamId, policy, actor: 'a person', nowSecond: clock.now }, 'test');
  await wake.autoTopUp(teamId);
  await wake.watch(teamId);
}
