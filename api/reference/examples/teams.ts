/** Teams, with state, details and keys. */
import { receipt } from './instances.ts';
import { ENDED, type Examples, type FieldExamples, METADATA, STARTED, TEAM } from './values.ts';

const team = {
  id: TEAM,
  name: 'Acme Robotics',
  email: 'billing@acme.example',
  createdAt: '2026-11-22T04:41:59Z',
  status: 'active',
  suspendedAt: null,
  suspensionNote: null,
  archivedAt: null,
  metadata: METADATA,
};

const key = {
  id: 'key_7215ee9c7d9dc229d2921a40e899ec5f',
  name: 'dashboard',
  scopes: ['billing'],
  hint: '…x7Qa',
  createdAt: STARTED,
  lastUsedAt: ENDED,
  revokedAt: null,
};

const details = {
  company: 'Acme Robotics GmbH',
  address: '1 Main Street\n10115 Berlin\nGermany',
  taxId: 'DE123456789',
  reference: 'PO-1234',
  email: 'accounts@acme.example',
  version: 1,
};

export const TEAMS: Examples = {
  Team: team,
  SuspendedTeam: {
    ...team,
    status: 'suspended',
    suspendedAt: ENDED,
    suspensionNote: 'payment review',
    receipts: [receipt],
  },
  TeamStopped: { team: TEAM, project: null, stoppedAt: ENDED, count: 1, receipts: [receipt] },
  BillingDetails: details,
  BillingDetailsChange: { ...details, at: STARTED, actor: 'platform' },
  Key: key,
  NewKey: { ...key, secret: 'bk_QyfWgkJQYmret7--6YiJ76ZPJuhO9n36O-yD5YLLGeU' },
};

/** Fields that these examples leave out or set to null. */
export const TEAMS_FIELDS: FieldExamples = {
  'Team.suspendedAt': ENDED,
  'Team.suspensionNote': 'payment review',
  'Team.archivedAt': ENDED,
  'SuspendedTeam.archivedAt': ENDED,
  'TeamStopped.project': 'vision',
  'Key.revokedAt': ENDED,
  'NewKey.revokedAt': ENDED,
};
