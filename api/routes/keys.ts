/** A team's keys: shown once, kept as a digest, revocable. */

import { prefixedId } from '../../billing/ids.ts';
import { type ApiKey, insertApiKey, listApiKeys, revokeApiKey, revokeIfMade } from '../../prisma/api-keys.ts';
import { inTransaction } from '../../prisma/client.ts';
import { digest128, digestOf } from '../../prisma/digest.ts';
import { newSecret } from '../http/auth.ts';
import { newId } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import {
  listOf,
  PathId,
  pageQuery,
  pageRequest,
  TeamPath,
  Time,
  text,
  timeOrNull,
  viewPage,
  z,
} from '../http/schemas.ts';
import type { ApiWorld } from '../world.ts';

const Scopes = z
  .array(z.enum(['read', 'billing', 'usage']))
  .min(1)
  .max(3)
  .refine((scopes) => new Set(scopes).size === scopes.length, 'must not name a scope twice');

const Key = z
  .object({
    id: z.string(),
    name: z.string().nullable(),
    scopes: Scopes,
    hint: z.string().openapi({ description: 'the last characters of the secret', example: '…x7Qa' }),
    createdAt: Time,
    lastUsedAt: Time.nullable().openapi({ description: 'the last use, to the minute; null before the first use' }),
    revokedAt: Time.nullable(),
  })
  .openapi('Key');
const NewKey = z
  .object({
    ...Key.shape,
    secret: z.string().openapi({ description: 'the secret, which is shown only once', example: 'bk_…' }),
  })
  .openapi('NewKey');

/** The next id, for a repeat of a call without an answer that has taken this id. */
const idAfter = (id: string): string => prefixedId('key', digest128(id));

const view = (key: ApiKey): z.input<typeof Key> => ({
  id: key.id,
  name: key.name,
  scopes: key.scopes,
  hint: key.hint,
  createdAt: timeOrNull(key.createdSecond) as string,
  lastUsedAt: timeOrNull(key.lastUsedSecond),
  revokedAt: timeOrNull(key.revokedSecond),
});

const create = ({ db }: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/keys',
    tag: 'Keys',
    summary: 'Create a key for a team; its secret is shown only once',
    who: 'team_billing',
    params: TeamPath,
    body: z.object({ name: text(100).optional(), scopes: Scopes.default(['read']) }),
    answer: { status: 201, schema: NewKey },
    handle: async ({ params, body, call }) => {
      const secret = newSecret();
      const key = {
        teamId: params.team,
        name: body.name ?? null,
        scopes: body.scopes,
        hint: `…${secret.slice(-4)}`,
        createdSecond: call.receivedSecond,
      };
      const newKey = await inTransaction(db, async (tx) => {
        let id = newId(call, 'key');
        // A repeat under an Idempotency-Key: nobody has the secrets of keys whose calls were not answered.
        while (await revokeIfMade(tx, id, call.receivedSecond)) id = idAfter(id);
        return insertApiKey(tx, { ...key, id }, digestOf(secret));
      });
      return { status: 201, body: { ...view(newKey), secret } };
    },
  });

const list = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/keys',
    tag: 'Keys',
    summary: 'List the keys of a team, without their secrets',
    who: 'read',
    params: TeamPath,
    query: pageQuery(),
    answer: { status: 200, schema: listOf(Key) },
    handle: async ({ params, query }) => ({
      status: 200,
      body: viewPage(await listApiKeys(db, params.team, pageRequest(query)), view),
    }),
  });

const revoke = ({ db }: ApiWorld): Route =>
  route({
    method: 'delete',
    path: '/v1/teams/{team}/keys/{key}',
    tag: 'Keys',
    summary: 'Revoke a key from this moment on',
    archivedToo: true,
    who: 'team_billing',
    params: TeamPath.extend({ key: PathId }),
    answer: { status: 200, schema: Key },
    handle: async ({ params, call }) => ({
      status: 200,
      body: view(await inTransaction(db, (tx) => revokeApiKey(tx, params.team, params.key, call.receivedSecond))),
    }),
  });

export const keys = (world: ApiWorld): Route[] => [create(world), list(world), revoke(world)];
