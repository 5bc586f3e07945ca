/** The JSON form of a team. */
import { formatSecond } from '../../billing/time.ts';
import type { TeamStatus, TeamWithState } from '../../prisma/teams.ts';
import { Metadata } from '../http/metadata.ts';
import { Time, timeOrNull, z } from '../http/schemas.ts';

export const TEAM_STATUSES = ['active', 'suspended', 'archived'] as const;

export const Team = z
  .object({
    id: z.string().openapi({ example: 'acme' }),
    name: z.string().openapi({ example: 'Acme Robotics' }),
    email: z.string().openapi({ example: 'billing@acme.example' }),
    createdAt: Time,
    status: z.enum(TEAM_STATUSES).openapi({
      description:
        'suspended: starts, holds, reservations and top-ups are refused; archived: every change and charge is refused',
    }),
    suspendedAt: Time.nullable(),
    suspensionNote: z.string().nullable().openapi({ example: 'chargeback under review' }),
    archivedAt: Time.nullable(),
    metadata: Metadata,
  })
  .openapi('Team');

const statusOf = ({ suspendedSecond, archivedSecond }: TeamWithState): TeamStatus => {
  if (archivedSecond !== null) return 'archived';
  return suspendedSecond === null ? 'active' : 'suspended';
};

export const viewTeam = (team: TeamWithState): z.input<typeof Team> => ({
  id: team.id,
  name: team.name,
  email: team.email,
  createdAt: formatSecond(team.createdSecond),
  status: statusOf(team),
  suspendedAt: timeOrNull(team.suspendedSecond),
  suspensionNote: team.suspendedNote,
  archivedAt: timeOrNull(team.archivedSecond),
  metadata: { ...team.metadata },
});
