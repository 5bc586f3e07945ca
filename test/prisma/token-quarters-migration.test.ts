/** Tests the migration of token quarters with events from before the migration. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DatabaseBefore, databaseBefore } from './before-migration.ts';

let database: DatabaseBefore;
beforeAll(async () => {
  database = await databaseBefore('20261203000000_token_quarters');
});
afterAll(() => database?.drop());

const event = (id: string, second: number, model: string, project: string | null, tokens: number) =>
  database.client.query(
    `INSERT INTO usage_events (team_id, event_id, model, project, input_tokens, output_tokens, cost, second, charge_micros, charged_with)
     VALUES ('acme', $1, $2, $3, $4::bigint, 1, 0, $5, $4::bigint * 10, $1)`,
    [id, model, project, tokens, second],
  );
const quarters = async () =>
  (
    await database.client.query(
      `SELECT quarter_second::int, model, project, events::int, input_tokens::int, output_tokens::int, charge_micros::int
       FROM token_quarters ORDER BY quarter_second, model, project`,
    )
  ).rows.map((row) => Object.values(row).join(' '));

it('the migration sums the events, and later events are added', async () => {
  await event('a', 899, 'm', null, 1);
  await event('b', 900, 'm', 'vision', 2);
  await event('c', 1799, 'm', 'vision', 3);
  await database.apply();
  expect(await quarters()).toEqual(['0 m  1 1 1 10', '900 m vision 2 5 2 50']);
  await event('d', 1000, 'm', 'vision', 4);
  await event('e', 1000, 'n', null, 5);
  expect(await quarters()).toEqual(['0 m  1 1 1 10', '900 m vision 3 9 3 90', '900 n  1 5 1 50']);
  await expect(event('d', 1000, 'm', 'vision', 4)).rejects.toThrow(/usage_events_pkey/);
  expect(await quarters()).toHaveLength(3);
});
