/**
 * Tests the report of a case that does not reach its step: a failed payment request is reported, and is not a lost
 * payment.
 */
import { describe, expect, it } from 'vitest';
import type { Case } from '../../simulate/faults/cases.ts';
import { Courier } from '../../simulate/faults/courier.ts';
import type { PaymentKind } from '../../simulate/faults/kind.ts';
import { savedCard } from '../../simulate/faults/kinds/saved-card.ts';
import { Run } from '../../simulate/faults/run.ts';
import type { Site } from '../../simulate/faults/site.ts';

const TEAM = { id: 'team-1', email: 't1@faults.example', card: 'pm_1' };

const site = { newTeam: async () => TEAM, courier: new Courier() } as unknown as Site;

async function played(kind: PaymentKind, fault: Case['fault']): Promise<string[]> {
  const run = await Run.of(site, { kind, step: 'during', fault });
  await run.toStep();
  await run.strike();
  await run.rest();
  return run.differences();
}

describe('a case that does not reach its step', () => {
  it('reports the answer to the payer’s failed request, and stops waiting', async () => {
    const kind = {
      ...savedCard,
      play: async () => {
        throw new Error('POST /v1/teams/team-1/deposits was answered 503');
      },
      hold: () => ({ reached: new Promise<never>(() => {}), release: () => {} }),
    };
    expect(await played(kind, 'dropped')).toEqual([
      'the person could not pay: POST /v1/teams/team-1/deposits was answered 503',
    ]);
  });

  it.each(['dropped', 'lost'] as const)(
    'because its preparation failed does not stop other cases (%s)',
    async (fault) => {
      const kind = {
        ...savedCard,
        prepare: async () => {
          throw new Error('POST /v1/teams/team-1/deposits was answered 503');
        },
      };
      expect(await played(kind, fault)).toEqual([
        'it could not be prepared: POST /v1/teams/team-1/deposits was answered 503',
      ]);
    },
  );
});
