/**
 * A person comes back from Stripe's page. Nothing is believed of it: like a webhook, it is a hint to ask Stripe what is
 * so. A payment's workflow is woken, a saved card is adopted. The page is shown whatever comes of it.
 */
import type { RequestHandler } from 'express';
import { adoptedId } from '../activities/stripe-card-adoption.ts';
import { secondOf } from '../billing/time.ts';
import { findDeposit } from '../prisma/deposits.ts';
import { wakeDeposit } from './webhooks.ts';
import type { ApiWorld } from './world.ts';

/** Whoever comes back waits for this page no longer; what takes longer is found out by others. */
const WITHIN_MS = 3_000;
const SESSION = /^cs_\w{1,200}$/;
const DEPOSIT = /^[A-Za-z0-9_-]{1,128}$/;

export const returning =
  (world: ApiWorld): RequestHandler =>
  async (request, _response, next) => {
    const { setup, deposit } = request.query;
    const looking = Promise.all([
      typeof setup === 'string' && SESSION.test(setup) ? adopt(world, setup) : undefined,
      typeof deposit === 'string' && DEPOSIT.test(deposit) ? wake(world, deposit) : undefined,
    ]).catch((error) => world.log.warn({ err: error }, 'a return from Stripe could not be followed up at once'));
    await Promise.race([looking, new Promise((resolve) => setTimeout(resolve, WITHIN_MS).unref())]);
    next();
  };

async function adopt({ cards, engine, nowMs }: ApiWorld, sessionId: string): Promise<void> {
  const card = await cards.adoptFromSetup({ sessionId, nowSecond: secondOf(nowMs()), newId: adoptedId(sessionId) });
  if (card) await engine.tell.watch(card.teamId);
}

async function wake(world: ApiWorld, depositId: string): Promise<void> {
  const deposit = await findDeposit(world.db, depositId);
  if (deposit) await wakeDeposit(world, deposit);
}
