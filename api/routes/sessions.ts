/**
 * Sessions of people in the dashboard. The platform gives its signed-in user a one-time link. The link's secret is in the
 * fragment, which no server and no mail scanner receives, and the page exchanges the secret by a POST for a cookie.
 */
import { BillingError } from '../../billing/errors.ts';
import { formatSecond } from '../../billing/time.ts';
import { digestOf } from '../../prisma/digest.ts';
import {
  endSession,
  endSessionsOf,
  exchangeLink,
  findSession,
  insertSession,
  type NewSession,
  type Session,
} from '../../prisma/sessions.ts';
import { newSecret } from '../http/auth.ts';
import { type Call, newId, sessionOf } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { Id, PathId, TeamPath, Time, text, z } from '../http/schemas.ts';
import { setCookie } from '../http/sessions.ts';
import type { ApiWorld } from '../world.ts';

/** Long enough for a redirect of a browser, and for a mail that is opened at once. */
const LINK_SECONDS = 10 * 60;
/** A working day. */
const SESSION_SECONDS = 8 * 60 * 60;

const LONGEST_PAGE = 200;

const User = z.object({
  id: Id.openapi({ description: 'the id of the person at the platform', example: 'ada' }),
  name: text(100).openapi({ example: 'Ada Lovelace' }),
  email: z
    .email('must be an e-mail address such as "ada@acme.example"')
    .max(254)
    .openapi({ example: 'ada@acme.example' }),
});

/** A page of the dashboard and no other address: a link must not lead to another site. */
const Page = z
  .string()
  .max(LONGEST_PAGE)
  .regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, 'must be the path of a page below /dashboard/, such as "usage"')
  .openapi({ description: 'the page to open, as a path below `/dashboard/`', example: 'usage' });

const Link = z
  .object({
    url: z.string().openapi({ description: 'the link for the person. Its fragment is the secret' }),
    expiresAt: Time.openapi({ description: 'the time until which the link can be exchanged' }),
  })
  .openapi('SessionLink');

const SessionBody = z
  .object({
    user: z.object({ id: z.string(), name: z.string(), email: z.string() }),
    role: z.enum(['viewer', 'billing', 'operator']),
    team: z.string().nullable().openapi({ description: 'null for an operator' }),
    startedAt: Time,
    expiresAt: Time,
  })
  .openapi('Session');

const view = ({ user, role, teamId, startedSecond, expiresSecond }: Session): z.input<typeof SessionBody> => ({
  user,
  role,
  team: teamId,
  startedAt: formatSecond(startedSecond),
  expiresAt: formatSecond(expiresSecond),
});

/** Records a link and returns the answer with its address. */
async function newLink(
  { db, publicUrl }: ApiWorld,
  call: Call,
  asked: Pick<NewSession, 'teamId' | 'role' | 'user'>,
  path: string,
) {
  const secret = newSecret('bl');
  const linkExpiresSecond = call.receivedSecond + LINK_SECONDS;
  // A repeat under an Idempotency-Key after a call without an answer gets another link: nobody has the first secret.
  const id = newId({ ...call, seed: null }, 'ses');
  await insertSession(db, { ...asked, id, createdSecond: call.receivedSecond, linkExpiresSecond }, digestOf(secret));
  return { status: 201, body: { url: `${publicUrl}${path}#${secret}`, expiresAt: formatSecond(linkExpiresSecond) } };
}

const dashboardLink = (world: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/dashboard-sessions',
    tag: 'Sessions',
    summary: 'Make a one-time link to a team’s dashboard for a signed-in person',
    who: 'platform_key',
    params: TeamPath,
    body: z.object({
      user: User,
      role: z.enum(['viewer', 'billing']).openapi({ example: 'billing' }),
      page: Page.optional(),
    }),
    answer: { status: 201, schema: Link },
    archivedToo: true,
    handle: ({ params, body: { user, role, page }, call }) =>
      newLink(
        world,
        call,
        { teamId: params.team, role, user },
        page === undefined ? '/dashboard' : `/dashboard/${page}`,
      ),
  });

const operatorLink = (world: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/operator-sessions',
    tag: 'Sessions',
    summary: 'Make a one-time link to the operator’s pages',
    who: 'platform_key',
    body: z.object({ user: User }),
    answer: { status: 201, schema: Link },
    handle: ({ body: { user }, call }) => newLink(world, call, { teamId: null, role: 'operator', user }, '/operator'),
  });

const exchange = (world: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/session',
    tag: 'Sessions',
    summary: 'Exchange the secret of a one-time link for the cookie of a session',
    who: 'anyone',
    body: z.object({
      secret: z
        .string()
        .min(1)
        .max(200)
        .openapi({ description: 'the fragment of the link, without `#`', example: 'bl_Vx0k9yS6…' }),
    }),
    answer: { status: 201, schema: SessionBody },
    fails: ['unauthenticated'],
    handle: async ({ body, call: { receivedSecond: nowSecond } }) => {
      const secret = newSecret('bs');
      const expiresSecond = nowSecond + SESSION_SECONDS;
      const started = { hash: digestOf(secret), nowSecond, expiresSecond };
      const session = await exchangeLink(world.db, digestOf(body.secret), started);
      if (!session)
        throw new BillingError('unauthenticated', 'the link is not known, has expired or was used: ask for a new link');
      return { status: 201, body: view(session), headers: { 'Set-Cookie': setCookie(world, secret, SESSION_SECONDS) } };
    },
  });

const current = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/session',
    tag: 'Sessions',
    summary: 'Get the session of the cookie: person, role and team',
    who: 'session',
    answer: { status: 200, schema: SessionBody },
    handle: async ({ call, secret }) => {
      const session = await findSession(db, digestOf(secret), call.receivedSecond);
      // Ended since the caller was found.
      if (!session) throw new BillingError('unauthenticated', 'the session is over: ask for a new link');
      return { status: 200, body: view(session) };
    },
  });

const Ended = z.object({ endedAt: Time }).openapi('EndedSession');

const signOut = (world: ApiWorld): Route =>
  route({
    method: 'delete',
    path: '/v1/session',
    tag: 'Sessions',
    summary: 'Sign out: end the session and delete its cookie',
    who: 'session',
    answer: { status: 200, schema: Ended },
    handle: async ({ call }) => {
      const session = sessionOf(call.caller);
      if (session) await endSession(world.db, session.sessionId, call.receivedSecond);
      const headers = { 'Set-Cookie': setCookie(world, '', 0) };
      return { status: 200, body: { endedAt: formatSecond(call.receivedSecond) }, headers };
    },
  });

const EndedSessions = z
  .object({
    ended: z.int().openapi({ description: 'the number of ended sessions and unused links', example: 2 }),
  })
  .openapi('EndedSessions');

const endAll = ({ db }: ApiWorld): Route =>
  route({
    method: 'delete',
    path: '/v1/teams/{team}/members/{id}/sessions',
    tag: 'Sessions',
    summary: 'End all sessions of a person in a team, and revoke the person’s unused links',
    who: 'platform',
    params: TeamPath.extend({ id: PathId }),
    answer: { status: 200, schema: EndedSessions },
    archivedToo: true,
    handle: async ({ params, call }) => {
      const ended = await endSessionsOf(db, params.team, params.id, call.receivedSecond);
      return { status: 200, body: { ended: ended.length } };
    },
  });

export const sessions = (world: ApiWorld): Route[] => [
  dashboardLink(world),
  operatorLink(world),
  exchange(world),
  current(world),
  signOut(world),
  endAll(world),
];
