/** Sessions of people in the dashboard. */
import { ENDED, type Examples, STARTED, TEAM } from './values.ts';

export const SESSIONS: Examples = {
  SessionLink: {
    url: 'https://billing.example/dashboard#bl_Vx0k9yS6tPz3-Yb1WcE7RmQ8uJ4nHf2L',
    expiresAt: '2026-11-22T04:52:01Z',
  },
  Session: {
    user: { id: 'ada', name: 'Ada Lovelace', email: 'ada@acme.example' },
    role: 'billing',
    team: TEAM,
    startedAt: STARTED,
    expiresAt: '2026-11-22T12:42:01Z',
  },
  EndedSession: { endedAt: ENDED },
  EndedSessions: { ended: 2 },
};
