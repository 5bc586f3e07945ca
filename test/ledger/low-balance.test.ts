/**
 * Tests the mail about low credit, which is omitted when another mail of the same fact says more. The platform receives
 * both events.
 */
import { beforeEach, expect, it } from 'vitest';
import { noticesOf } from '../../prisma/notices.ts';
import { useOffice } from '../support/use-office.ts';
import type { Desk } from './desk.ts';

let one: Desk;
let team: string;
let teams = 0;

useOffice((opened) => {
  ({ one } = opened);
});
beforeEach(() => {
  teams += 1;
  team = `low${teams}`;
});

const heard = async (): Promise<string[]> =>
  (await noticesOf(one.db, team))
    .filter(({ kind }) => !kind.startsWith('deposit'))
    .map(({ kind, channel, second }) => `${second} ${channel} ${kind}`)
    .sort();

it('A failed top-up that leaves credit low causes one mail, about the top-up', async () => {
  await one.team(team, '50');
  await one.policy(team, { threshold: '20', amount: '50' }, 1);
  await one.use(team, 'a', 42_000_000, 5);
  // The top-up may still lift the balance, so nobody is notified yet.
  expect(await heard()).toEqual([]);
  const attempt = await one.db.deposit.findFirstOrThrow({ where: { teamId: team, kind: 'auto_top_up' } });
  await one.fail(attempt.id, 9);
  expect(await heard()).toEqual(['5 event top_up.failed', '5 mail auto_top_up_failed', '9 event balance.low']);
});

it('A failed top-up that leaves credit above the low level causes no mail about low credit until credit is low', async () => {
  await one.team(team, '50');
  await one.policy(team, { threshold: '20', amount: '50' }, 1);
  await one.use(team, 'a', 32_000_000, 5);
  const attempt = await one.db.deposit.findFirstOrThrow({ where: { teamId: team, kind: 'auto_top_up' } });
  await one.fail(attempt.id, 9);
  expect(await heard()).toEqual(['5 event top_up.failed', '5 mail auto_top_up_failed']);
  await one.use(team, 'b', 9_000_000, 12);
  expect(await heard()).toEqual([
    '12 event balance.low',
    '12 mail balance_low',
    '5 event top_up.failed',
    '5 mail auto_top_up_failed',
  ]);
});

it('An end of credit in the second in which credit becomes low causes one mail, about the end', async () => {
  await one.team(team, '15');
  await one.start({ teamId: team, id: `${team}-a`, hourly: '54000', at: 5 });
  await one.look(team, 60);
  expect(await heard()).toEqual(['6 event balance.exhausted', '6 event balance.low', '6 mail credits_exhausted']);
});

it('An end of credit some seconds after credit became low causes a mail of its own', async () => {
  await one.team(team, '15');
  await one.start({ teamId: team, id: `${team}-a`, hourly: '3600', at: 5 });
  await one.look(team, 60);
  expect(await heard()).toEqual([
    '11 event balance.low',
    '11 mail balance_low',
    '20 event balance.exhausted',
    '20 mail credits_exhausted',
  ]);
});
