/** Tests the notices about a default card that is about to expire. */
import { describe, expect, it } from 'vitest';
import { spreadSecond } from '../../billing/looks.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { makeDefault, savePaymentMethod } from '../../prisma/payment-methods.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, type Office } from './desk.ts';

const at = (time: string) => Date.parse(time) / 1000;
const FIRST = at('2026-03-01T23:59:59Z');
const SECOND = at('2026-03-24T23:59:59Z');

let office: Office;
useOffice((opened) => {
  office = opened;
});

const save = (teamId: string, name: string, expMonth: number) =>
  savePaymentMethod(office.one.db, {
    id: `pm_${teamId}_${name}`,
    teamId,
    stripePaymentMethodId: `pm_at_stripe_${teamId}_${name}`,
    brand: 'visa',
    last4: '4242',
    expMonth,
    expYear: 2026,
    fingerprint: null,
    createdSecond: 0,
  });
const mails = async (teamId: string) =>
  (await noticesOf(office.one.db, teamId))
    .filter(({ kind }) => kind === 'card_expiring')
    .map(({ second, data }) => [second, data.paymentMethodId, data.expiry?.days]);

describe('the watch of a team', () => {
  it('reads again when a notice of the default card is due, and concurrent reads write each notice once', async () => {
    const { one, two } = office;
    const team = await one.team('dying', '100', FIRST - 1000);
    const card = await save(team, 'a', 3);
    expect((await one.look(team, FIRST - 10)).next).toEqual({
      second: spreadSecond(team, FIRST),
      what: 'card_expiring',
    });
    expect(await mails(team)).toEqual([]);
    await atOnce(6, (i) => (i % 2 ? one : two).look(team, FIRST));
    expect(await mails(team)).toEqual([[FIRST, card.id, 30]]);
    expect((await one.look(team, FIRST + 1)).next).toEqual({
      second: spreadSecond(team, SECOND),
      what: 'card_expiring',
    });
    const outlook = await one.look(team, SECOND);
    expect(outlook.next).toBeNull();
    expect(outlook.notices.map(({ noticeId }) => noticeId)).toContain(
      `card_expiring/${card.id}/expires-2026-3-in-7-days`,
    );
    expect(await mails(team)).toEqual([
      [FIRST, card.id, 30],
      [SECOND, card.id, 7],
    ]);
  });

  it('sleeps until an earlier crossing, and writes no notice for a card that is not the default', async () => {
    const { one } = office;
    const team = await one.team('two-cards', '100', FIRST - 100_000);
    await save(team, 'good', 9);
    const old = await save(team, 'old', 3);
    await one.start({ teamId: team, id: 'inst-two-cards', hourly: '600', at: FIRST - 100 });
    expect((await one.look(team, FIRST)).next?.what).toBe('low');
    await one.stop('inst-two-cards', FIRST + 1);
    expect(await mails(team)).toEqual([]);
    await makeDefault(one.db, team, old.id, 0);
    await one.look(team, FIRST + 2);
    expect(await mails(team)).toEqual([[FIRST + 2, old.id, 30]]);
  });
});
