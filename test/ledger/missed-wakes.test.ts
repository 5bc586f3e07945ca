/**
 * Tests the recovery after a process dies between a fact and the wake that follows it: the next worker that starts
 * wakes the watch.
 */
import { expect, it, vi } from 'vitest';
import { markAnnounced } from '../../prisma/exhaustions.ts';
import { markHandedOn, noticesOf } from '../../prisma/notices.ts';
import { resendMissedWakes } from '../../worker/missed-wakes.ts';
import { useOffice } from '../support/use-office.ts';
import type { Office } from './desk.ts';

let office: Office;
useOffice((opened) => {
  office = opened;
});

const log = { debug() {}, info() {}, warn: vi.fn(), error() {} };

async function wokenTeams(): Promise<string[]> {
  const teams: string[] = [];
  await resendMissedWakes(office.one.db, { watch: async (teamId) => void teams.push(teamId) }, log);
  return teams;
}

it('a worker that starts wakes the watch of an end of credit that a late stop recorded, until it is announced and its mail is started', async () => {
  const { one } = office;
  await one.team('quiet', '20');
  await one.team('dry', '5');
  const receipt = await noticesOf(one.db, 'dry');
  await markHandedOn(
    one.db,
    receipt.map(({ id }) => id),
  );
  await one.start({ teamId: 'dry', id: 'i', hourly: '3600', at: 0 });
  expect(await wokenTeams()).not.toContain('dry');
  await one.stop('i', 100);
  expect(await wokenTeams()).toContain('dry');
  await markAnnounced(one.db, 'dry', [1]);
  expect(await wokenTeams()).toContain('dry');
  const notices = await noticesOf(one.db, 'dry');
  await markHandedOn(
    one.db,
    notices.map(({ id }) => id),
  );
  expect(await wokenTeams()).not.toContain('dry');
});

it('a worker that starts wakes the watch of a charge that was opened and is not being made', async () => {
  const { one } = office;
  await one.team('below');
  await one.policy('below', { threshold: '5', amount: '15' }, 0);
  expect(await wokenTeams()).toContain('below');
});

it('a worker starts when the engine is unavailable', async () => {
  await resendMissedWakes(office.one.db, { watch: () => Promise.reject(new Error('away')) }, log);
  expect(log.warn).toHaveBeenCalledOnce();
});
