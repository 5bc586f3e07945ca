/** Tests workflows that an operator cancels by mistake: facts that are recorded are still processed to their end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endInstance, wakeUp } from '../../workflows/messages.ts';
import { admitted, ended, instanceThatRuns, outlook, receipt, running, tellTeam } from './given.ts';
import { inTurn, openStage, type Stage } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

describe('a cancelled workflow', () => {
  it('of an instance continues to meter, and stops the machine at the end', () =>
    stage.play(
      {
        admitInstance: async () => admitted(),
        settleInstance: inTurn(running(), ended('inst', 'out_of_credits', false)),
        terminateMachine: async () => {},
      },
      async (scene) => {
        const handle = await instanceThatRuns(scene);
        await handle.cancel();
        await scene.pass('10 minutes');
        expect((await handle.describe()).status.name).toBe('RUNNING');
        await handle.signal(wakeUp);
        await handle.result();
        expect(scene.calls('terminateMachine')).toEqual([{ instanceId: scene.id('inst') }]);
      },
    ));

  it('of an instance still accepts an operator’s updates', () =>
    stage.play(
      {
        admitInstance: async () => admitted(),
        settleInstance: inTurn(running(), ended('inst', 'operator', false)),
        stopInstance: async () => receipt('inst', 'operator'),
        terminateMachine: async () => {},
      },
      async (scene) => {
        const handle = await instanceThatRuns(scene);
        await handle.cancel();
        expect(await handle.executeUpdate(endInstance, { args: [{ note: '' }] })).toMatchObject({ reason: 'operator' });
        await handle.result();
      },
    ));

  it('of a balance watch still reads the ledger at the next crossing', () => {
    let crossing: number | undefined;
    const lookAhead = async ({ nowSecond }: { nowSecond: number }) => {
      crossing ??= nowSecond + 3600;
      return outlook({ next: nowSecond < crossing ? { second: crossing, what: 'exhaustion' } : null });
    };
    return stage.play({ lookAhead }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await scene.quiet(handle);
      await handle.cancel();
      await scene.pass('2 hours');
      await scene.untilAsked('lookAhead', 2);
      expect((await handle.describe()).status.name).toBe('RUNNING');
    });
  });
});
