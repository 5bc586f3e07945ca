/** Sessions of people in the dashboard. */
import type { OperationTexts } from '../operation-text.ts';

const USER = { id: 'ada', name: 'Ada Lovelace', email: 'ada@acme.example' };

export const SESSIONS: OperationTexts = {
  'post /v1/teams/{team}/dashboard-sessions': {
    description: `Makes a one-time link to the dashboard of a team, for a person who is signed in at the platform. Redirect the person to \`url\`.

The secret of the link is in the fragment, which browsers send to no server. The page exchanges the secret by a \`POST\`, so a program that only opens the link, such as a scanner of mails, does not use the link up. The link is valid for ten minutes and for one exchange. The session then lasts eight hours.

A \`viewer\` reads. The role \`billing\` may also do what a key with \`billing\` may, stop instances, and manage the keys of its team.`,
    requests: {
      billing: { summary: 'A person who may pay', value: { user: USER, role: 'billing' } },
      page: { summary: 'A reader, on the usage page', value: { user: USER, role: 'viewer', page: 'usage' } },
    },
  },
  'post /v1/operator-sessions': {
    description: `Makes a one-time link to the operator's pages, for a person who is signed in at the platform as an operator. The session may do what the platform key may do, except make further sessions.`,
    requests: { operator: { summary: 'An operator', value: { user: USER } } },
  },
  'post /v1/session': {
    description: `Exchanges the secret of a link for a session. The answer sets the cookie \`burnrate_session\`, which scripts cannot read and browsers do not send with calls from other sites. The cookie is new with each exchange.

An \`Authorization\` header and an \`Idempotency-Key\` are ignored. A link that is unknown, expired, revoked or used is 401. A call from a page of another origin is 403.`,
    requests: {
      link: { summary: 'The fragment of the link', value: { secret: 'bl_Vx0k9yS6tPz3-Yb1WcE7RmQ8uJ4nHf2L' } },
    },
  },
  'get /v1/session': {
    description: `Returns the person, the role and the team of the cookie's session. A session that is over is 401.`,
  },
  'delete /v1/session': {
    description: `Signs the person out: ends the session at once and deletes the cookie.`,
  },
  'delete /v1/teams/{team}/members/{id}/sessions': {
    description: `Ends all sessions of a person in a team at once, and revokes the links that the person has not used. Call it when the person leaves the team or loses a device. \`id\` is the \`user.id\` of the links. The same call again ends nothing.`,
  },
};
