/** A case that does not come to its step says why: a person who could not pay is no payment that was lost on its way. */
import { describe, expect, it } from 'vitest';
import type { Case } from '../../simulate/faults/cases.ts';
import { savedCard } from '../../simulate/faults/kinds/saved-card.ts';
import { Run } from '../../simulate/faults/run.ts';
import type { Site } from '../../simulate/faults/site.ts';

const TEAM = { id: 'team-1', email: 't1@faults.example', card: 'pm_1' };

describe('a case that does not come to its step', () => {
  it('tells what the person was answered who could not pay, and waits for nothing more', async () => {
    const kind = {
      ...savedCard,
      play: async () => {
        throw new Error('POST /v1/teams/team-1/deposits was answered 503');
      },
      hold: () => ({ reached: new Promise<never>(() => {}), release: () => {} }),
    };
    const what: Case = { kind, step: 'during', fault: 'dropped' };
    const run = await Run.of({ newTeam: async () => TEAM } as unknown as Site, what);
    await run.toStep();
    await run.strike();
    await run.rest();
    expect(await run.differences()).toEqual([
      'the person could not pay: POST /v1/teams/team-1/deposits was answered 503',
    ]);
  });
});
