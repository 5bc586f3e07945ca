/** Teams, with state and keys. */
import type { OperationTexts } from '../operation-text.ts';

export const TEAMS: OperationTexts = {
  'post /v1/teams': {
    description: `Creates a team: the owner of credit, cards and instances. Call it once for each customer of the platform.

Choose the \`id\` yourself, for example your own customer id. The same call again returns the same team, so a call without an answer can be repeated. Without \`id\` one is generated; repeat such a call under an \`Idempotency-Key\`. Mails about credit and payments go to \`email\`.`,
    requests: {
      team: {
        summary: 'A team with an id of yours',
        value: { id: 'acme', name: 'Acme Robotics', email: 'billing@acme.example' },
      },
    },
  },
  'get /v1/teams': {
    description: `Lists teams, newest first, a page at a time. Archived teams are listed only where \`status\` asks for them. \`search\` finds teams by id, name and address.`,
  },
  'get /v1/teams/{team}': {
    description: `Returns a team with its state. A team key reads its own team; any other team is 404.`,
  },
  'patch /v1/teams/{team}': {
    description: `Changes the name, the address of mails, or the metadata of a team. Fields that are left out stay as they are. A metadata key with the value \`null\` is removed.

Papers that were made before keep the old name. The same call again changes nothing.`,
    requests: { name: { summary: 'Another name', value: { name: 'Acme Robotics Inc.' } } },
  },
  'get /v1/teams/{team}/billing-details': {
    description: `Returns what the team wants on its papers, with a \`version\` for the next change.`,
  },
  'put /v1/teams/{team}/billing-details': {
    description: `Sets what stands on the papers of later payments. Papers that were made before keep what they have. A field that is left out is cleared.

Send the \`version\` that you read: 409 \`version_conflict\` when somebody else has changed the details since. Without it the last writer wins.`,
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
    description: `Lists every change of the billing details: who, when, and the details from then on.`,
  },
  'post /v1/teams/{team}/stop': {
    description: `Ends all running instances of a team, or of one \`project\`, in one transaction and at one second. It returns their receipts.

Use it in an emergency, or before you archive a team. The machines are ordered to stop by \`instance.terminate\` events unless you stop them yourself. The same call again finds nothing running.`,
    requests: { all: { summary: 'Every running instance', value: {} } },
  },
  'post /v1/teams/{team}/suspend': {
    description: `Refuses what would spend or collect more: starts, holds, reservations and auto top-ups of the team. Running instances go on and are billed, unless \`stop\` is true. Deposits stay possible.

The same call again changes nothing. Undo it with \`unsuspend\`.`,
    requests: { note: { summary: 'With the reason', value: { note: 'payment review' } } },
  },
  'post /v1/teams/{team}/unsuspend': {
    description: `Lets a suspended team spend again. An auto top-up that is due by then is charged at once. For a team that is not suspended it changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/teams/{team}/archive': {
    description: `Puts a team away for good: it leaves the lists, stays readable, and takes no new facts. The team must have nothing running, reserved, pending or held; 409 \`team_in_use\` names what is left. Its auto top-up is switched off.

The same call again changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/teams/{team}/unarchive': {
    description: `Takes a team out of the archive. Its auto top-up stays off until somebody switches it on again.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/teams/{team}/keys': {
    description: `Creates a key for one team. \`scopes\` limit what the key may do: \`read\` its reads, \`billing\` also deposits, cards and auto top-up, \`usage\` only usage and holds. The default is \`read\`.

The answer holds the \`secret\`, which is shown this once and stored as a digest. A repeat under the same \`Idempotency-Key\` returns the same secret.`,
    requests: {
      dashboard: { summary: 'A key that may pay', value: { name: 'dashboard', scopes: ['billing'] } },
      gateway: { summary: 'A key for metering', value: { name: 'gateway', scopes: ['usage'] } },
    },
  },
  'get /v1/teams/{team}/keys': {
    description: `Lists the keys of a team with the last characters of each secret, revoked ones too.`,
  },
  'delete /v1/teams/{team}/keys/{key}': {
    description: `Revokes a key. Calls with it are 401 from this moment on. The same call again returns the same key with its first \`revokedAt\`.`,
  },
};
