/** Tests the rows of saved cards: the default card, repeats and removal. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  defaultPaymentMethod,
  findPaymentMethod,
  findSameCard,
  listPaymentMethods,
  makeDefault,
  removePaymentMethod,
  savePaymentMethod,
} from '../../prisma/payment-methods.ts';
import { createTeam } from '../../prisma/teams.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let team: string;
let teams = 0;

beforeAll(async () => {
  database = await newDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  team = `t${++teams}`;
  await createTeam(database.db, { id: team, name: 'A team', email: 'a@example.com' }, 0);
});

const card = (id: string, createdSecond = 0) => ({
  id: `${id}-${team}`,
  teamId: team,
  stripePaymentMethodId: `pm_${id}_${team}`,
  brand: 'visa',
  last4: '4242',
  expMonth: 1,
  expYear: 2030,
  fingerprint: `print-${id}`,
  createdSecond,
});
const save = (id: string, second = 0) => savePaymentMethod(database.db, card(id, second));
const defaultOf = async () => (await defaultPaymentMethod(database.db, team))?.id.split('-')[0];

describe('a saved card', () => {
  it('is the default if it is the first card of the team', async () => {
    expect((await save('a')).isDefault).toBe(true);
    expect((await save('b')).isDefault).toBe(false);
    expect(await defaultOf()).toBe('a');
  });

  it('that is saved twice is one card', async () => {
    const [first, again] = await Promise.all([save('a'), save('a')]);
    expect(first).toEqual(again);
    expect(await listPaymentMethods(database.db, team)).toHaveLength(1);
  });

  it('can be saved at once with another first card: both are kept, and one is the default', async () => {
    const cards = await Promise.all(['a', 'b', 'c', 'd'].map((id) => save(id)));
    expect(cards.filter(({ isDefault }) => isDefault)).toHaveLength(1);
    expect(await listPaymentMethods(database.db, team)).toHaveLength(4);
  });

  it('that is made the default replaces the old default, and cannot be another team’s card', async () => {
    await save('a');
    const b = await save('b');
    await makeDefault(database.db, team, b.id, 0);
    expect(await defaultOf()).toBe('b');
    await expect(makeDefault(database.db, 'another', b.id, 0)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('that is removed is no longer found, and the newest remaining card becomes the default', async () => {
    const a = await save('a', 1);
    await save('b', 2);
    await save('c', 3);
    await removePaymentMethod(database.db, team, a.id, 5);
    expect(await defaultOf()).toBe('c');
    expect(await findPaymentMethod(database.db, team, a.id)).toBeNull();
    expect(await findSameCard(database.db, team, a)).toBeNull();
    await createTeam(database.db, { id: `other-${team}`, name: 'Another', email: 'b@example.com' }, 0);
    await removePaymentMethod(database.db, `other-${team}`, `c-${team}`, 6);
    expect(await defaultOf()).toBe('c');
  });
});
