/** Recorded facts without a look of the team's watch. */

import type { Tx } from './client.ts';
import { type EndedPiece, endedPieceFromJson, nextEndedPieceInJson, PIECE } from './ended-pieces.ts';
import { Prisma } from './generated/client.ts';
import { type Notice, noticesFromJson, noticesNotHandedOnInJson } from './notices.ts';
import { defaultPaymentMethodInJson, type PaymentMethod, paymentMethodFromJson } from './payment-methods.ts';
import type { Also } from './reading.ts';

/** The news for a look of a team's watch: ended instances and notices, a piece of each. */
export interface Unannounced {
  ended: EndedPiece | null;
  notices: Notice[];
}

const unannouncedInJson = (teamId: Prisma.Sql): Prisma.Sql => Prisma.sql`
  SELECT json_build_object('ended', (${nextEndedPieceInJson(teamId)}),
    'notices', (${noticesNotHandedOnInJson(teamId, PIECE)}))`;

function unannouncedFromJson(value: unknown): Unannounced {
  const { ended, notices } = value as Record<keyof Unannounced, unknown>;
  return { ended: endedPieceFromJson(ended), notices: noticesFromJson(notices) };
}

export async function readUnannounced(tx: Tx, teamId: string): Promise<Unannounced> {
  const [row] = await tx.$queryRaw<
    Array<{ unannounced: unknown }>
  >`SELECT (${unannouncedInJson(Prisma.sql`${teamId}`)}) AS unannounced`;
  return unannouncedFromJson(row?.unannounced);
}

/** The values that a look reads beside the account. */
export interface ReadByLook {
  unannounced: Unannounced;
  defaultCard: PaymentMethod | null;
}

const OF_LOCKED = Prisma.sql`locked.team_id`;

export const READ_BY_LOOK: Also<ReadByLook> = {
  sql: Prisma.sql`
    SELECT json_build_object('unannounced', (${unannouncedInJson(OF_LOCKED)}),
      'defaultCard', (${defaultPaymentMethodInJson(OF_LOCKED)}))`,
  of: (value) => {
    const { unannounced, defaultCard } = value as Record<keyof ReadByLook, unknown>;
    return { unannounced: unannouncedFromJson(unannounced), defaultCard: paymentMethodFromJson(defaultCard) };
  },
};

/** Teams with instances whose machines are to be stopped, a mail or event to hand on, or a charge in flight. */
export async function teamsWithMissedWakes(tx: Tx): Promise<string[]> {
  const rows = await tx.$queryRaw<Array<{ team_id: string }>>`
    SELECT team_id FROM exhaustions WHERE NOT announced
    UNION SELECT team_id FROM team_stops WHERE NOT announced
    UNION SELECT team_id FROM notices WHERE NOT handed_on
    UNION SELECT team_id FROM accounts WHERE attempt_deposit_id IS NOT NULL
    ORDER BY team_id`;
  return rows.map((row) => row.team_id);
}
