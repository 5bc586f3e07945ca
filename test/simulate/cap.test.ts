/** Tests the monthly cap of auto top-up in skipped time, through the real workflows. */
import { setTimeout as realTime } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { topUpOutlook } from '../../billing/crossings.ts';
import { nextMonthStart } from '../../billing/time.ts';
import { AS_RECORDED, readAccount } from '../../prisma/accounts.ts';
import { listDeposits } from '../../prisma/deposits.ts';
import { noticesOf } from '../../prisma/notices.ts';
import type { Engine } from '../../simulate/engine.ts';
import { SCENARIO_SETTINGS } from '../../simulate/simulate.ts';
import { useEngine } from '../support/use-engine.ts';
import { aTeamAboutToBeCharged, dollars, switchOn } from './charged-team.ts';

let engine: Engine;
useEngine((started) => {
  engine = started;
});

it('a cap is announced before it blocks a charge, and applies until exactly the end of the month', async () => {
  const { db, clock, ledger, wake } = engine;
  const teamId = await aTeamAboutToBeCharged(engine);
  const charges = async () =>
    (await listDeposits(db, teamId, { limit: 10 })).data.map(({ openedSecond, status }) => [openedSecond, status]);
  const until = async (isSo: () => Promise<boolean>) => {
    for (let looks = 0; !(await isSo()); looks += 1) {
      if (looks > 600) throw new Error('it did not come about');
      await realTime(20);
    }
  };
  const capMails = async () => (await noticesOf(db, teamId)).filter(({ kind }) => kind === 'auto_top_up_capped');
  // The server's clock begins now: the story must not begin in the last minutes of a month.
  const left = nextMonthStart(clock.now) - clock.now;
  if (left < 3_600) await clock.goTo(clock.offset(clock.now) + left);
  const first = clock.now;

  // $50 of $60 are charged at once: no room is left for the next charge, though none is due yet.
  await switchOn(engine, teamId, dollars(60));
  await until(async () => (await charges())[0]?.[1] === 'succeeded');
  expect(await charges()).toEqual([[first, 'succeeded']]);
  await until(async () => (await capMails())[0]?.sentSecond != null);

  // Below the threshold again, and nothing is charged until the month is over.
  await clock.goTo(clock.offset(first) + 600);
  const price = { inputMicrosPerMillion: dollars(60), outputMicrosPerMillion: dollars(0) };
  const said = { model: 'm', project: null, inputTokens: 1_000_000, outputTokens: 0, atSecond: null, holdId: null };
  const events = [{ teamId, eventId: 'e', price, ...said }];
  await ledger.recordUsage({ events, receivedSecond: clock.now, causedBy: 'test' });
  await wake.watch(teamId);
  const newMonth = nextMonthStart(clock.now);
  await clock.goTo(clock.offset(newMonth) - 1);
  expect(await charges()).toEqual([[first, 'succeeded']]);
  const capped = await readAccount(db, teamId, AS_RECORDED);
  expect(capped.policy?.enabled).toBe(true);
  expect(topUpOutlook(capped, SCENARIO_SETTINGS)).toEqual({ state: 'capped', dueSecond: newMonth });

  // To the second itself: on a busy machine the mail may be decided some seconds of the server's clock later.
  await clock.goTo(clock.offset(newMonth));
  await until(async () => (await charges()).length === 2 && (await charges())[0]?.[1] === 'succeeded');
  await until(async () => (await capMails()).length === 2);
  await clock.goTo(clock.offset(newMonth) + 30);
  expect(await charges()).toEqual([
    [newMonth, 'succeeded'],
    [first, 'succeeded'],
  ]);
  expect((await capMails()).map(({ second }) => second)).toEqual([first, newMonth]);
});
