/** Grants: credit that an operator gives or revokes. */
import { BillingError } from '../../billing/errors.ts';
import { micros, subtract } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import { findGrant, type Grant as GrantRow, listGrants } from '../../prisma/grants.ts';
import type { Wakes } from '../engine/wakes.ts';
import { mustSee, newId } from '../http/calls.ts';
import { Metadata, NewMetadata } from '../http/metadata.ts';
import { type Route, route } from '../http/route.ts';
import {
  Amount,
  amount,
  Dollars,
  Id,
  listOf,
  PathId,
  pageQuery,
  pageRequest,
  TeamPath,
  Time,
  text,
  viewPage,
  z,
} from '../http/schemas.ts';
import type { ApiWorld } from '../world.ts';

const MAX_GRANT_MICROS = micros(1_000_000_000_000);

const Revocation = z
  .object({
    at: Time,
    note: z.string().nullable(),
    fromCredit: Amount.openapi({ description: 'the amount that was taken from credit', example: '20.000000' }),
    owed: Amount.openapi({ description: 'the rest, which became owed', example: '0.000000' }),
  })
  .openapi('GrantRevocation');

const Grant = z
  .object({
    id: z.string(),
    team: z.string(),
    at: Time,
    amount: Amount,
    note: z.string(),
    status: z.enum(['given', 'revoked']),
    revocation: Revocation.nullable(),
    metadata: Metadata,
  })
  .openapi('Grant');

const view = ({ id, teamId, second, amountMicros, note, metadata, revocation }: GrantRow): z.input<typeof Grant> => ({
  id,
  team: teamId,
  at: formatSecond(second),
  amount: amount(amountMicros),
  note,
  status: revocation === null ? 'given' : 'revoked',
  revocation: revocation && {
    at: formatSecond(revocation.second),
    note: revocation.note,
    fromCredit: amount(revocation.creditMicros),
    owed: amount(subtract(amountMicros, revocation.creditMicros)),
  },
  metadata: { ...metadata },
});

const give = ({ ledger }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/grants',
    tag: 'Operator',
    summary: 'Give a team credit without a payment; the same id and body again is the same grant',
    who: 'platform',
    params: TeamPath,
    body: z.object({
      id: Id.optional(),
      amount: Dollars,
      note: text(500).openapi({ example: 'launch credit' }),
      metadata: NewMetadata.optional(),
    }),
    answer: { status: 201, schema: Grant },
    fails: ['amount_out_of_range', 'id_taken'],
    handle: async ({ params: { team: teamId }, body, call }) => {
      const { id: grantId = newId(call, 'grant'), amount: amountMicros, note, metadata = {} } = body;
      if (amountMicros <= 0 || amountMicros > MAX_GRANT_MICROS)
        throw new BillingError('amount_out_of_range', 'amount must be above $0 and not above $1,000,000', 'amount');
      const input = { teamId, grantId, amountMicros, note, metadata, nowSecond: call.receivedSecond };
      const grant = await ledger.grant(input, call.requestId);
      await wake({ what: 'watch', id: teamId });
      return { status: 201, body: view(grant) };
    },
  });

const list = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/grants',
    tag: 'Operator',
    summary: 'List a team’s grants, newest first, including revoked grants',
    who: 'read',
    params: TeamPath,
    query: pageQuery(),
    answer: { status: 200, schema: listOf(Grant) },
    handle: async ({ params: { team }, query }) => ({
      status: 200,
      body: viewPage(await listGrants(db, team, pageRequest(query)), view),
    }),
  });

const get = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/grants/{id}',
    tag: 'Operator',
    summary: 'Get a grant',
    who: 'read',
    params: z.object({ id: PathId }),
    answer: { status: 200, schema: Grant },
    handle: async ({ params, call }) => {
      const grant = await findGrant(db, params.id);
      if (!grant) throw new BillingError('not_found', 'no such grant', 'id');
      mustSee(call, grant.teamId, 'grant', 'id');
      return { status: 200, body: view(grant) };
    },
  });

const revoke = ({ ledger }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/grants/{id}/revoke',
    tag: 'Operator',
    summary: 'Revoke a grant: from credit first, the rest becomes owed; a repeat returns the same answer',
    who: 'platform',
    params: z.object({ id: PathId }),
    body: z.object({ note: text(500).optional().openapi({ example: 'given to the wrong team' }) }),
    answer: { status: 200, schema: Grant },
    fails: ['team_archived'],
    handle: async ({ params, body: { note = null }, call }) => {
      const input = { grantId: params.id, note, nowSecond: call.receivedSecond };
      const grant = await ledger.revokeGrant(input, call.requestId);
      await wake({ what: 'watch', id: grant.teamId });
      return { status: 200, body: view(grant) };
    },
  });

export const grants = (world: ApiWorld, wake: Wakes): Route[] => [
  give(world, wake),
  list(world),
  get(world),
  revoke(world, wake),
];
