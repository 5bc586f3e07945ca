/** Tests how the ledger records holds, voids and the usage that settles holds, in races and repeats. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { getHold } from '../../prisma/holds.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk, usageEvent } from './desk.ts';

let one: Desk;
let two: Desk;
let names = 0;
/** At a dollar a million: a token costs a micro. */
let model: string;
let team: string;

useOffice((opened) => {
  ({ one, two } = opened);
});
beforeEach(async () => {
  names += 1;
  model = `model-${names}`;
  team = `team-${names}`;
  await one.price(model, '1', 0);
  await one.team(team, '20');
});

const either = (i: number) => (i % 2 === 0 ? one : two);
const refusal = (code: string, param?: string) => expect.objectContaining({ name: 'BillingError', code, param });
const hold = (holdId: string, tokens: number, at: number, ttlSeconds?: number) =>
  one.hold(team, `${team}-${holdId}`, model, tokens, at, ttlSeconds);
const idOf = (holdId: string) => `${team}-${holdId}`;
const accountOf = (teamId = team) => one.db.account.findUniqueOrThrow({ where: { teamId } });
const rowOf = async (holdId: string) => getHold(one.db, idOf(holdId));

/** Usage of so many tokens, an event for each hold that it names. Answers the holds that it settled. */
async function settle(desk: Desk, teamId: string, eventId: string, tokens: number, holdIds: string[], at: number) {
  const events = holdIds.map((holdId, i) => usageEvent(teamId, `${eventId}-${i}`, i === 0 ? tokens : 0, { holdId }));
  await desk.useAll(events.length > 0 ? events : [usageEvent(teamId, `${eventId}-0`, tokens)], at);
  const settledBy = { in: events.map((event) => event.eventId) };
  return (await one.db.hold.findMany({ where: { teamId, settledBy } })).map(({ id }) => id);
}

describe('a hold', () => {
  it('is stored with its request, and holds credit until its second', async () => {
    expect(await hold('a', 5_000_000, 100, 60)).toEqual({
      holdId: idOf('a'),
      teamId: team,
      model,
      project: null,
      maxInputTokens: 5_000_000,
      maxOutputTokens: 0,
      amountMicros: 5_000_000,
      placedSecond: 100,
      expiresSecond: 160,
      status: 'pending',
      closedSecond: null,
      settledBy: null,
    });
    expect(await accountOf()).toMatchObject({ postedMicros: 20_000_000n, heldMicros: 5_000_000n });
    await one.look(team, 159);
    expect(await accountOf()).toMatchObject({ heldMicros: 5_000_000n });
    await one.look(team, 500);
    expect(await accountOf()).toMatchObject({ heldMicros: 0n });
    expect(await rowOf('a')).toMatchObject({ status: 'expired', closedSecond: 160 });
  });

  it('uses the price in force at the receipt of its call, whatever prices came before or after', async () => {
    await one.price(model, '2', 50);
    const price = { model, inputMicrosPerMillion: 3, outputMicrosPerMillion: 3 } as Parameters<
      Desk['ledger']['changeModelPrice']
    >[0]['price'];
    await one.ledger.changeModelPrice({ price, effectiveFromSecond: 101, actor: 'me', nowSecond: 60 });
    expect(await hold('a', 1_000_000, 100)).toMatchObject({ amountMicros: 2_000_000 });
    expect(await hold('b', 1_000_000, 101)).toMatchObject({ amountMicros: 3 });
  });

  it('is refused for a model that is not listed, and for a team that does not exist', async () => {
    await expect(one.hold(team, 'x', 'never-listed', 1, 100)).rejects.toEqual(refusal('price_not_found', 'model'));
    await one.ledger.withdrawModelPrice({ model, actor: 'me', nowSecond: 100 });
    await expect(hold('x', 1, 100)).rejects.toEqual(refusal('price_not_found', 'model'));
    await expect(one.hold('nobody', 'x', model, 1, 100)).rejects.toEqual(refusal('not_found', 'team'));
    expect(await one.db.hold.count({ where: { teamId: team } })).toBe(0);
  });

  it('is refused for more than is available, and leaves no row', async () => {
    await expect(hold('a', 20_000_001, 100)).rejects.toEqual(refusal('insufficient_credit'));
    expect(await one.db.hold.count({ where: { teamId: team } })).toBe(0);
    expect(await hold('a', 20_000_000, 100)).toMatchObject({ status: 'pending' });
  });

  it('of one id is one hold in concurrent calls and repeats, also after its end', async () => {
    const placed = await atOnce(8, (i) => either(i).hold(team, idOf('a'), model, 5_000_000, 100 + i));
    expect(new Set(placed.map(({ expiresSecond }) => expiresSecond)).size).toBe(1);
    expect(await accountOf()).toMatchObject({ heldMicros: 5_000_000n });
    await one.void(idOf('a'), 120);
    expect(await hold('a', 5_000_000, 130)).toMatchObject({ status: 'voided', closedSecond: 120 });
    expect(await accountOf()).toMatchObject({ heldMicros: 0n });
  });

  it('of a free model holds nothing, and expires too', async () => {
    await one.price(`${model}-free`, '0', 0);
    const broke = await one.team(`${team}-broke`);
    const free = (holdId: string, at: number) => one.hold(broke, `${broke}-${holdId}`, `${model}-free`, 1e12, at, 60);
    expect(await free('a', 100)).toMatchObject({ amountMicros: 0, status: 'pending' });
    expect(await one.void(`${broke}-a`, 110)).toMatchObject({ status: 'voided' });
    await free('b', 120);
    await expect(one.void(`${broke}-b`, 180)).rejects.toEqual(refusal('hold_closed'));
    // Nothing on the account says that their second has come: the next one of their kind does.
    await free('c', 200);
    expect(await one.db.hold.findMany({ where: { teamId: broke, status: 'expired' } })).toMatchObject([
      { id: `${broke}-b`, closedSecond: 180n },
    ]);
  });
});

describe('a void', () => {
  it('releases the credit once, and a repeat receives the same answer', async () => {
    await hold('a', 5_000_000, 100, 60);
    const voided = await one.void(idOf('a'), 120);
    expect(voided).toMatchObject({ status: 'voided', closedSecond: 120 });
    expect(await accountOf()).toMatchObject({ heldMicros: 0n });
    expect(await atOnce(6, (i) => either(i).void(idOf('a'), 130 + 100 * i))).toEqual(Array(6).fill(voided));
  });

  it('is refused for a hold that was settled or has expired, even if the expiry is not recorded', async () => {
    await hold('settled', 1_000_000, 100, 60);
    expect(await settle(one, team, `${team}-ev`, 500_000, [idOf('settled')], 110)).toEqual([idOf('settled')]);
    await expect(one.void(idOf('settled'), 120)).rejects.toEqual(refusal('hold_closed'));
    expect(await rowOf('settled')).toMatchObject({ status: 'settled', closedSecond: 110, settledBy: `${team}-ev-0` });

    await hold('expired', 1_000_000, 120, 60);
    await expect(one.void(idOf('expired'), 180)).rejects.toEqual(refusal('hold_closed'));
    expect(await rowOf('expired')).toMatchObject({ status: 'pending' });
    await one.look(team, 180);
    await expect(one.void(idOf('expired'), 180)).rejects.toEqual(refusal('hold_closed'));
    expect(await rowOf('expired')).toMatchObject({ status: 'expired', closedSecond: 180 });
  });

  it('is refused for a hold that does not exist', async () => {
    await expect(one.void('nobodys', 100)).rejects.toEqual(refusal('not_found', 'hold'));
  });

  it('in a race with other voids and with usage of the hold ends the hold in one way only', async () => {
    for (let round = 0; round < 6; round += 1) {
      const holdId = `race-${round}`;
      await hold(holdId, 1_000_000, 100);
      const outcomes = await atOnce(8, async (i) => {
        if (i % 2 === 0)
          return (await settle(either(i / 2), team, `${idOf(holdId)}-${i}`, 0, [idOf(holdId)], 100)).length;
        return either(i)
          .void(idOf(holdId), 100)
          .then(
            () => 'voided',
            ({ code }) => code,
          );
      });
      const { status } = await rowOf(holdId);
      const settles = outcomes.filter((outcome) => outcome === 1).length;
      if (status === 'settled') expect([settles, outcomes.includes('voided')]).toEqual([1, false]);
      else expect([status, settles, outcomes.includes('hold_closed')]).toEqual(['voided', 0, false]);
    }
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, postedMicros: 20_000_000n });
  });
});

describe('usage that names a hold at or after its expiry', () => {
  it('is charged without the hold', async () => {
    await hold('a', 10_000_000, 0, 30);
    expect(await settle(one, team, `${team}-ev`, 1_000_000, [idOf('a')], 30)).toEqual([]);
    expect(await rowOf('a')).toMatchObject({ status: 'expired', closedSecond: 30, settledBy: null });
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, postedMicros: 19_000_000n });
  });

  it('of a free model is charged without the hold too', async () => {
    await one.price(`${model}-free`, '0', 0);
    await one.hold(team, idOf('free'), `${model}-free`, 1, 0, 30);
    expect(await settle(one, team, `${team}-ev`, 1, [idOf('free')], 30)).toEqual([]);
    expect(await rowOf('free')).toMatchObject({ status: 'pending' });
  });

  it('still settles the hold at X, where no hold expires', async () => {
    await one.policy(team, { threshold: '5', amount: '15' }, 0);
    await hold('a', 10_000_000, 0, 30);
    await one.start({ teamId: team, id: `${team}-i`, hourly: '3600', at: 0 });
    // The charge is in flight at X = 10, and the hold's second comes while it is.
    await one.look(team, 12);
    expect(await accountOf()).toMatchObject({ standsAtSecond: 10n, heldMicros: 10_000_000n });
    expect(await settle(one, team, `${team}-ev`, 1_000_000, [idOf('a')], 31)).toEqual([idOf('a')]);
    expect(await rowOf('a')).toMatchObject({ status: 'settled', closedSecond: 31 });
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, owedMicros: 0n });
    // Past the grace it would have been over: there, a hold that was not named is.
    await one.look(team, 100);
    expect(await accountOf()).toMatchObject({ heldMicros: 0n, owedMicros: 0n, postedMicros: 9_000_000n });
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
  });
});

/** Re-read from the rows: nothing is held that there is not, and each hold has ended as its row says. */
async function expectSound(teamId: string): Promise<void> {
  const { postedMicros, heldMicros } = await accountOf(teamId);
  expect(heldMicros).toBeLessThanOrEqual(postedMicros);
  expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
}

describe('fifty concurrent clients', () => {
  it('receive exactly twenty holds of 5 cents from a dollar', async () => {
    const teamId = await one.team(`${team}-fifty`);
    await one.grant(teamId, `${teamId}-grant`, '1', 0);
    const answers = await atOnce(50, (i) =>
      either(i)
        .hold(teamId, `${teamId}-${i}`, model, 50_000, 100 + (i % 3))
        .then(
          ({ status }) => status,
          ({ code }) => code,
        ),
    );
    expect(answers.filter((answer) => answer === 'pending')).toHaveLength(20);
    expect(answers.filter((answer) => answer === 'insufficient_credit')).toHaveLength(30);
    expect(await accountOf(teamId)).toMatchObject({ postedMicros: 1_000_000n, heldMicros: 1_000_000n });
    expect(await one.db.hold.count({ where: { teamId, status: 'pending' } })).toBe(20);
    await expectSound(teamId);
  });

  it('with holds, voids, usage and expiries in any order never hold more than the credit', async () => {
    let round = 0;
    const kind = fc.constantFrom('hold', 'hold', 'hold', 'void', 'settle', 'use', 'look');
    const calls = fc.array(fc.record({ kind, at: fc.nat(60), tokens: fc.nat(90_000), which: fc.nat(50) }), {
      minLength: 50,
      maxLength: 50,
    });
    await fc.assert(
      fc.asyncProperty(calls, async (acts) => {
        round += 1;
        const teamId = await one.team(`${team}-round-${round}`);
        await one.grant(teamId, `${teamId}-grant`, '1', 0);
        const ended: string[] = [];
        const holdOf = (i: number) => `${teamId}-${i % 50}`;
        await atOnce(50, async (i) => {
          const { kind, at, tokens, which } = acts[i]!;
          const desk = either(i);
          try {
            if (kind === 'hold') await desk.hold(teamId, holdOf(i), model, tokens, at, 1 + (tokens % 40));
            else if (kind === 'void') ended.push((await desk.void(holdOf(which), at)).holdId);
            else if (kind === 'look') await desk.look(teamId, at);
            else {
              const named = kind === 'settle' ? [which, which + 1, which, i - 1].map(holdOf) : [];
              ended.push(...(await settle(desk, teamId, `${teamId}-ev-${i}`, tokens, named, at)));
            }
          } catch (error) {
            if ((error as Error).name !== 'BillingError') throw error;
          }
        });
        await expectSound(teamId);
        const closed = await one.db.hold.findMany({ where: { teamId, status: { in: ['voided', 'settled'] } } });
        // A void that is repeated answers the same; a settle never names one twice.
        expect([...new Set(ended)].sort()).toEqual(closed.map(({ id }) => id).sort());
        for (const { closedSecond, placedSecond, expiresSecond } of closed) {
          expect(closedSecond).toBeGreaterThanOrEqual(placedSecond);
          expect(closedSecond).toBeLessThan(expiresSecond);
        }
        await one.look(teamId, 200);
        expect(await accountOf(teamId)).toMatchObject({ heldMicros: 0n });
        expect(await one.db.hold.count({ where: { teamId, status: 'pending', amountMicros: { gt: 0 } } })).toBe(0);
        await expectSound(teamId);
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });
});
