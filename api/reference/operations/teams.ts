/** Teams, with state and keys. */
import type { OperationTexts } from '../operation-text.ts';

export const TEAMS: OperationTexts = {
  'post /v1/teams': {
    description: `Creates a team: the owner of credit, cards and instances. Call it once for each customer of the platform.

Choose the \`id\` yourself, for example your own customer id. The same call again returns the same team, so a call without an answer can be repeated. Without \`id\`, an id is generated; repeat such a call under an \`Idempotency-Key\`. Mails about credit and payments go to \`email\`.`,
    requests: {
      team: {
        summary: 'A team with an id of yours',
        value: { id: 'acme', name: 'Acme Robotics', email: 'billing@acme.example' },
      },
    },
  },
  'get /v1/teams': {
    description: `Lists teams, newest first, a page at a time. Archived teams are listed only if \`status\` includes them. \`search\` finds teams by id, name and address.`,
  },
  'get /v1/teams/{team}': {
    description: `Returns a team with its state. A team key reads its own team; any other team is 404.`,
  },
  'patch /v1/teams/{team}': {
    description: `Changes the name, the address of mails, or the metadata of a team. Fields that are left out stay as they are. A metadata key with the value \`null\` is removed.

Existing papers keep the old name. The same call again changes nothing.`,
    requests: { name: { summary: 'Another name', value: { name: 'Acme Robotics Inc.' } } },
  },
  'get /v1/teams/{team}/billing-details': {
    description: `Returns the details for the team's papers, with a \`version\` for the next change.`,
  },
  'put /v1/teams/{team}/billing-details': {
    description: `Sets the details for the papers of later payments. Existing papers stay the same. A field that is left out is cleared.

Send the \`version\` that you read: 409 \`version_conflict\` if somebody else has changed the details since. Without \`version\`, the last writer wins.`,
    requests: {
      company: {
        summary: 'A company with its address',
        value: {
          company: 'Acme Robotics GmbH',
          address: '1 Main Street\n10115 Berlin\nGermany',
          taxId: 'DE123456789',
          reference: 'PO-1234',
          email: 'accounts@acme.example',
        },
      },
    },
  },
  'get /v1/teams/{team}/billing-details/changes': {
    description: `Lists every change of the billing details, with the person, the time, and the new details.`,
  },
  'post /v1/teams/{team}/stop': {
    description: `Ends all running instances of a team, or of one \`project\`, in one transaction and at one second, and returns their receipts.

Use the call in an emergency, or before you archive a team. The platform gets an \`instance.terminate\` event for each machine that it has not stopped itself. The same call again ends nothing.`,
    requests: { all: { summary: 'Every running instance', value: {} } },
  },
  'post /v1/teams/{team}/suspend': {
    description: `Suspends a team: its starts, holds, reservations and auto top-ups are refused. Running instances continue and are billed, unless \`stop\` is true. Deposits stay possible.

The same call again changes nothing. Undo it with \`unsuspend\`.`,
    requests: { note: { summary: 'With the reason', value: { note: 'payment review' } } },
  },
  'post /v1/teams/{team}/unsuspend': {
    description: `Ends the suspension of a team. An auto top-up that has become due is charged at once. For a team that is not suspended, the call changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/teams/{team}/archive': {
    description: `Archives a team: it is removed from the lists, stays readable, and cannot be changed or charged. The team must have no running instance, reservation, pending payment or hold, and no credit or debt unless \`keepBalance\` is true; 409 \`team_in_use\` lists the reasons. Auto top-up is switched off.

The same call again changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/teams/{team}/unarchive': {
    description: `Ends the archiving of a team. Auto top-up stays off until somebody switches it on again.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/teams/{team}/keys': {
    description: `Creates a key for one team. \`scopes\` limit the calls of the key: \`read\` permits reads of the team, \`billing\` also deposits, cards and auto top-up, and \`usage\` only usage and holds. The default is \`read\`.

The answer has the \`secret\`. The secret is shown only once and stored as a digest. A repeat under the same \`Idempotency-Key\` returns the same secret.`,
    requests: {
      dashboard: { summary: 'A key that may pay', value: { name: 'dashboard', scopes: ['billing'] } },
      gateway: { summary: 'A key for metering', value: { name: 'gateway', scopes: ['usage'] } },
    },
  },
  'get /v1/teams/{team}/keys': {
    description: `Lists the keys of a team with the last characters of each secret and the last use, including revoked keys. \`lastUsedAt\` is exact to the minute, and appears within a few seconds of the use.`,
  },
  'delete /v1/teams/{team}/keys/{key}': {
    description: `Revokes a key. Calls with the key are 401 from this moment on. The same call again returns the same key with its first \`revokedAt\`.`,
  },
};
