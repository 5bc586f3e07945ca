/**
 * A team's auto top-up policy. Each change is a consent, recorded with the person, the second, the old and the new
 * policy.
 */
import type { TopUpPolicy } from '../../billing/top-up.ts';
import { AS_RECORDED, readAccount } from '../../prisma/accounts.ts';
import { listConsents } from '../../prisma/consents.ts';
import { defaultPaymentMethod, findPaymentMethod } from '../../prisma/payment-methods.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import type { Wakes } from '../engine/wakes.ts';
import { actorOf } from '../http/calls.ts';
import { InvalidRequest, type Problem, required } from '../http/messages.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, Id, listOf, pageQuery, pageRequest, TeamPath, UUID, Version, viewPage, z } from '../http/schemas.ts';
import { mustFindCard } from '../http/suggestions.ts';
import { AutoTopUp, readAutoTopUp } from '../views/auto-top-up.ts';
import { PolicyChange, viewPolicyChange } from '../views/policy-change.ts';
import type { ApiWorld } from '../world.ts';

const Policy = z.object({
  enabled: z.boolean(),
  threshold: Dollars.optional().openapi({
    description: '$5 to $500; the card is charged when available falls below the threshold',
  }),
  amount: Dollars.optional().openapi({ description: '$15 to $5,000' }),
  paymentMethod: Id.nullable().optional().openapi({ description: 'without it, the default card' }),
  monthlyCap: Dollars.nullable().optional().openapi({ description: 'the limit of charges in one UTC month' }),
  version: Version,
});

const cardOf = async ({ db }: ApiWorld, teamId: string, id: string | null | undefined): Promise<string | null> => {
  if (id === undefined || id === null) return (await defaultPaymentMethod(db, teamId))?.id ?? null;
  return (await mustFindCard(db, teamId, id)).id;
};

/** Switching off does not check the card, because the card may have been removed since. */
const cardOfOld = async (world: ApiWorld, teamId: string, old: TopUpPolicy | null): Promise<string | null> => {
  const oldCardId = old?.paymentMethodId ?? null;
  return oldCardId !== null && (await findPaymentMethod(world.db, teamId, oldCardId))
    ? oldCardId
    : cardOf(world, teamId, null);
};

/** Switching off needs no amounts: the present amounts are kept for the next time. Null: no policy to switch off. */
const policyOf = async (world: ApiWorld, teamId: string, put: z.output<typeof Policy>): Promise<TopUpPolicy | null> => {
  const { policy: old } = put.enabled ? { policy: null } : await readAccount(world.db, teamId, AS_RECORDED);
  const { threshold = old?.thresholdMicros, amount = old?.amountMicros } = put;
  if (!put.enabled && threshold === undefined && amount === undefined) return null;
  if (threshold === undefined || amount === undefined) {
    const [first, ...rest] = [
      ...(threshold === undefined ? [required('threshold')] : []),
      ...(amount === undefined ? [required('amount')] : []),
    ];
    throw new InvalidRequest([first as Problem, ...rest]);
  }
  return {
    enabled: put.enabled,
    thresholdMicros: threshold,
    amountMicros: amount,
    paymentMethodId: await (put.enabled || put.paymentMethod
      ? cardOf(world, teamId, put.paymentMethod)
      : cardOfOld(world, teamId, old)),
    monthlyCapMicros: put.monthlyCap === undefined ? (old?.monthlyCapMicros ?? null) : put.monthlyCap,
  };
};

const answer = async ({ db, settings }: ApiWorld, teamId: string, second: number) => ({
  status: 200,
  body: await inSnapshot(db, (tx) => readAutoTopUp(tx, settings, teamId, second)),
});

const getPolicy = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/auto-top-up',
    tag: 'Auto top-up',
    summary: 'Get the auto top-up policy of a team and its state',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: AutoTopUp },
    handle: async ({ params, call }) => answer(world, params.team, call.receivedSecond),
  });

const putPolicy = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'put',
    path: '/v1/teams/{team}/auto-top-up',
    tag: 'Auto top-up',
    summary: 'Set the auto top-up policy; if the balance is already below the threshold, the card is charged at once',
    who: 'billing',
    params: TeamPath,
    body: Policy,
    answer: { status: 200, schema: AutoTopUp },
    fails: ['amount_out_of_range', 'payment_method_required', 'version_conflict'],
    handle: async ({ params: { team }, body, call }) => {
      const policy = await policyOf(world, team, body);
      if (!policy) return answer(world, team, call.receivedSecond);
      const { version } = body;
      const change = { teamId: team, policy, actor: actorOf(call), nowSecond: call.receivedSecond };
      await world.ledger.setPolicy({ ...change, ...(version !== undefined && { version }) }, call.requestId);
      await wake({ what: 'autoTopUp', id: team }, { what: 'watch', id: team });
      return answer(world, team, call.receivedSecond);
    },
  });

const listChanges = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/auto-top-up/changes',
    tag: 'Auto top-up',
    summary: 'List every change of the policy, newest first, with the person, the time, the old and the new policy',
    who: 'read',
    params: TeamPath,
    query: pageQuery(UUID),
    answer: { status: 200, schema: listOf(PolicyChange) },
    handle: async ({ params, query }) => ({
      status: 200,
      body: viewPage(await listConsents(db, params.team, pageRequest(query)), viewPolicyChange),
    }),
  });

export const autoTopUp = (world: ApiWorld, wake: Wakes): Route[] => [
  getPolicy(world),
  putPolicy(world, wake),
  listChanges(world),
];
