/** A process dies between a fact and the wake that follows it: the next worker that starts has the watch look again. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { markAnnounced } from '../../prisma/exhaustions.ts';
import { markHandedOn, noticesOf } from '../../prisma/notices.ts';
import { tellUntold } from '../../worker/untold.ts';
import { type Office, openOffice } from './desk.ts';

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.close());

const log = { debug() {}, info() {}, warn: vi.fn(), error() {} };

async function told(): Promise<string[]> {
  const teams: string[] = [];
  await tellUntold(office.one.db, { watch: async (teamId) => void teams.push(teamId) }, log);
  return teams;
}

it('an end of credit that a late stop recorded, until it is announced and its mail handed on', async () => {
  const { one } = office;
  await one.team('quiet', '20');
  await one.team('dry', '5');
  const receipt = await noticesOf(one.db, 'dry');
  await markHandedOn(
    one.db,
    receipt.map(({ id }) => id),
  );
  await one.start({ teamId: 'dry', id: 'i', hourly: '3600', at: 0 });
  expect(await told()).not.toContain('dry');
  await one.stop('i', 100);
  expect(await told()).toContain('dry');
  await markAnnounced(one.db, 'dry', [1]);
  expect(await told()).toContain('dry');
  const notices = await noticesOf(one.db, 'dry');
  await markHandedOn(
    one.db,
    notices.map(({ id }) => id),
  );
  expect(await told()).not.toContain('dry');
});

it('a charge that was opened and that nobody makes', async () => {
  const { one } = office;
  await one.team('below');
  await one.policy('below', { threshold: '5', amount: '15' }, 0);
  expect(await told()).toContain('below');
});

it('and an engine that is away stops no worker', async () => {
  await tellUntold(office.one.db, { watch: () => Promise.reject(new Error('away')) }, log);
  expect(log.warn).toHaveBeenCalledOnce();
});
