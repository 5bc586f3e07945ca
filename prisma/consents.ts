/** Every change of an auto top-up policy: who, when, old and new. Source: docs/rules.md#auto-top-up. */
import { v7 as uuidv7 } from 'uuid';
import type { TopUpPolicy } from '../billing/top-up.ts';
import type { Tx } from './client.ts';
import { toSecond } from './columns.ts';
import { type Consent, type Prisma, Prisma as PrismaSql } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

export interface PolicyChange {
  teamId: string;
  second: number;
  /** The id of a person or key, or the workflow that switched the policy off. */
  actor: string;
  cause: string;
  oldPolicy: TopUpPolicy | null;
  newPolicy: TopUpPolicy;
}

/** A recorded change. */
export type RecordedPolicyChange = PolicyChange & { id: string };

const toPolicyChange = (row: Consent): RecordedPolicyChange => ({
  ...row,
  second: toSecond(row.second),
  oldPolicy: row.oldPolicy as TopUpPolicy | null,
  newPolicy: row.newPolicy as unknown as TopUpPolicy,
});

export const insertConsent = async (tx: Tx, change: PolicyChange): Promise<void> => {
  await tx.consent.create({
    data: {
      ...change,
      id: uuidv7(),
      oldPolicy: (change.oldPolicy as Prisma.InputJsonObject | null) ?? PrismaSql.DbNull,
      newPolicy: { ...change.newPolicy },
    },
  });
};

/** The version of a team's policy: the number of its changes. Each change is recorded under the team's row lock. */
export const policyVersion = (tx: Tx, teamId: string): Promise<number> => tx.consent.count({ where: { teamId } });

export const consentsOf = (tx: Tx, teamId: string) =>
  tx.consent.findMany({ where: { teamId }, orderBy: [{ second: 'asc' }, { id: 'asc' }] });

/** Newest first. */
export async function listConsents(tx: Tx, teamId: string, page: PageRequest): Promise<Page<RecordedPolicyChange>> {
  const { data, nextCursor } = await pageOf(
    page,
    'second',
    (where, take) =>
      tx.consent.findMany({ where: { teamId, ...where }, orderBy: [{ second: 'desc' }, { id: 'desc' }], take }),
    'uuid',
  );
  return { data: data.map(toPolicyChange), nextCursor };
}

/** The policy in force at a second, by the last change recorded through the second. */
export async function policyAt(tx: Tx, teamId: string, second: number): Promise<TopUpPolicy | null> {
  const row = await tx.consent.findFirst({
    where: { teamId, second: { lte: second } },
    orderBy: [{ second: 'desc' }, { id: 'desc' }],
  });
  return row && (row.newPolicy as unknown as TopUpPolicy);
}
