/** Tests an outage of Stripe that is longer than the 24 hours for which Stripe keeps idempotency keys. */
import { describe, expect, it } from 'vitest';
import { spendableMicros } from '../../billing/account.ts';
import { advance } from '../../billing/facts.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { AS_RECORDED, readAccount } from '../../prisma/accounts.ts';
import { type Engine, startEngine } from '../../simulate/engine.ts';
import { SCENARIO_SETTINGS } from '../../simulate/simulate.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { ofBudget } from '../support/budget.ts';
import { useSurroundings } from '../support/use-engine.ts';
import { aTeamAboutToBeCharged, dollars, switchOn } from './charged-team.ts';

const HOUR = 3600;

let surroundings: Surroundings;
useSurroundings((shared) => {
  surroundings = shared;
});

async function untilCredited({ db }: Engine, teamId: string) {
  for (let tries = 0; tries < 600; tries += 1) {
    const deposit = await db.deposit.findFirstOrThrow({ where: { teamId, kind: 'auto_top_up' } });
    if (deposit.status !== 'pending') return deposit;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the charge did not come to an end');
}

describe('during an outage of Stripe that is longer than the life of its idempotency keys', () => {
  let standIn: StripeStandIn;
  let engine: Engine;
  let nowMs = Date.now();
  const begin = async () => {
    standIn = await startStripeStandIn({ now: () => nowMs });
    engine = await startEngine(surroundings, { settings: SCENARIO_SETTINGS, standIn });
    return aTeamAboutToBeCharged(engine);
  };
  const end = async () => {
    await engine.close();
    await standIn.close();
  };
  const passAway = async (hours: number) => {
    await engine.clock.goTo(hours * HOUR);
    nowMs += hours * HOUR * 1000;
  };

  type Outage = [how: string, lostAnswerOf: string | undefined, tookEffect: { created: number; charged: number }];
  const confirmationLost: Outage = [
    'its answer to the confirmation is lost, and so is all that follows',
    'POST /v1/payment_intents/:id/confirm',
    { created: 1, charged: 1 },
  ];
  const outages: Outage[] = [
    ['nothing reaches it', undefined, { created: 0, charged: 0 }],
    [
      'its answer to the creation is lost, and so is all that follows',
      'POST /v1/payment_intents',
      { created: 1, charged: 0 },
    ],
    confirmationLost,
  ];
  it.each(ofBudget({ test: [confirmationLost], long: outages }))(
    'the policy stays on and the card is charged once, when %s',
    async (_, lostAnswerOf, tookEffect) => {
      const teamId = await begin();
      try {
        const { faults } = standIn.control;
        if (lostAnswerOf) {
          faults.add({ on: lostAnswerOf, kind: 'error_after_effect' });
          faults.add({ on: '*', kind: 'rate_limit', times: 'always', skip: lostAnswerOf.includes('confirm') ? 2 : 1 });
        } else faults.add({ on: '*', kind: 'rate_limit', times: 'always' });
        await switchOn(engine, teamId);
        await passAway(26);

        const { control } = standIn;
        expect({ created: control.paymentIntents().length, charged: control.charges().length }).toEqual(tookEffect);
        const during = await readAccount(engine.db, teamId, AS_RECORDED);
        expect(during.policy?.enabled).toBe(true);
        expect(during.attempt?.number).toBe(1);
        const pending = await engine.db.deposit.findFirstOrThrow({ where: { teamId, kind: 'auto_top_up' } });
        expect(pending.status).toBe('pending');

        faults.reset();
        await passAway(27);
        const deposit = await untilCredited(engine, teamId);
        expect(deposit.status).toBe('succeeded');
        const taken = standIn.control.charges().filter(({ status }) => status === 'succeeded');
        expect(taken.map(({ amount, metadata }) => [amount, metadata.deposit])).toEqual([[5000, deposit.id]]);
        const { account } = advance(
          await readAccount(engine.db, teamId, AS_RECORDED),
          SCENARIO_SETTINGS,
          engine.clock.now,
        );
        expect(account.policy?.enabled).toBe(true);
        expect(spendableMicros(account, account.asOfSecond)).toBe(dollars(70));
      } finally {
        await end();
      }
    },
    240_000,
  );
});
