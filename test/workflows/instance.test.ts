/** Tests the workflow of an instance: admission, settlements, end, machine stop and an operator’s updates. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeOf } from '../../billing/spread.ts';
import type { Settlement } from '../../ledger/instances.ts';
import type { Admission } from '../../ledger/starting.ts';
import {
  CAUSE,
  endInstance,
  GPU_TYPE,
  INSTANCE_ID,
  instanceState,
  settleNow,
  TEAM_ID,
  wakeUp,
  workflowId,
} from '../../workflows/messages.ts';
import {
  admitted,
  ended,
  HOUR_MS,
  instanceInput,
  instanceThatRuns,
  RATE,
  receipt,
  requestInstance,
  running,
  startOf,
  startRecorded,
} from './given.ts';
import { failing, heldBack, inTurn, type Mocks, nearly, openStage, type Scene, type Stage } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

/** A world that admits and meters, but for what is said. */
const world = (mocks: Mocks = {}): Mocks => ({
  admitInstance: async () => admitted(),
  settleInstance: async () => running(),
  terminateMachine: async () => {},
  ...mocks,
});
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>) => stage.play(world(mocks), story);

/** The seconds at which it settled, after the first. */
const sinceFirst = (scene: Scene): number[] => since(scene.calls('settleInstance'));
/** The same of one among several. */
const settledOf = (scene: Scene, id: string): number[] =>
  since(scene.calls('settleInstance').filter(({ instanceId }) => instanceId === id));
const since = (settlements: Array<{ nowSecond: number }>): number[] => {
  const [first = 0, ...rest] = settlements.map(({ nowSecond }) => nowSecond);
  return rest.map((second) => second - first);
};

describe('an instance that finds a fact that the watch has not read', () => {
  it('wakes the watch before it stops its own machine', () =>
    play(
      {
        settleInstance: inTurn<Settlement>(running(), {
          ...ended('inst', 'out_of_credits', false),
          watchMustKnow: true,
        }),
      },
      async (scene) => {
        const handle = await instanceThatRuns(scene);
        await scene.pass('61 minutes');
        await handle.result();
        expect(scene.order('watch', 'settleInstance', 'terminateMachine')).toEqual([
          'watch',
          'settleInstance',
          'settleInstance',
          'watch',
          'terminateMachine',
        ]);
      },
    ));
});

describe('the admission of an instance', () => {
  it('answers the caller with the ledger’s decision, wakes the watch and starts to meter', () =>
    play({}, async (scene) => {
      const input = instanceInput(scene);
      expect(await requestInstance(scene, input)).toEqual(admitted());
      await scene.untilAsked('settleInstance');
      expect(scene.order()).toEqual(['admitInstance', 'watch', 'settleInstance']);
      expect(scene.calls('watch')).toEqual([input.spec.teamId]);
      expect(scene.calls('admitInstance')).toMatchObject([{ spec: input.spec, callId: 'call_1' }]);
    }));

  it('is found in Temporal by team, by instance, by GPU type and by the request that caused it', () =>
    play({}, async (scene) => {
      const { workflowId: id } = await instanceThatRuns(scene);
      expect(await scene.attribute(id, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(id, INSTANCE_ID)).toBe(scene.id('inst'));
      expect(await scene.attribute(id, GPU_TYPE)).toBe('H100');
      expect(await scene.attribute(id, CAUSE)).toBe('req_1');
    }));

  it.each(['insufficient_credit', 'id_taken', 'start_expired'] as const)(
    'ends without a meter when the ledger refuses with %s',
    (code) => {
      const refusal: Admission = { status: 'refused', code };
      return play({ admitInstance: async () => refusal }, async (scene) => {
        const input = instanceInput(scene);
        expect(await requestInstance(scene, input)).toEqual(refusal);
        const handle = scene.handle(workflowId.instance(input.spec.id));
        expect(await handle.result()).toBeNull();
        expect(scene.order()).toEqual(['admitInstance']);
        await scene.untilState(handle.workflowId, 'refused');
      });
    },
  );

  it('is decided once, and repeats of the request receive the same answer', () =>
    play({}, async (scene) => {
      const input = instanceInput(scene);
      const answers = await Promise.all([requestInstance(scene, input), requestInstance(scene, input)]);
      await scene.untilAsked('settleInstance');
      answers.push(await requestInstance(scene, input));
      expect(answers).toEqual([admitted(), admitted(), admitted()]);
      expect(scene.calls('admitInstance')).toHaveLength(1);
    }));

  it('refuses another request with the same id, while the instance runs on', () =>
    play({}, async (scene) => {
      const handle = await instanceThatRuns(scene);
      expect(await requestInstance(scene, instanceInput(scene), 'another request')).toEqual({
        status: 'refused',
        code: 'id_taken',
      });
      expect(await handle.query(instanceState)).toMatchObject({ state: 'running' });
      expect(scene.calls('admitInstance')).toHaveLength(1);
    }));

  it('refuses another request with the same id before the first request is decided', () => {
    const admission = heldBack(admitted());
    return play({ admitInstance: admission.answer }, async (scene) => {
      const input = instanceInput(scene);
      const first = requestInstance(scene, input);
      await scene.untilAsked('admitInstance');
      const other = requestInstance(scene, input, 'another request');
      admission.release();
      expect(await other).toEqual({ status: 'refused', code: 'id_taken' });
      expect(await first).toEqual(admitted());
    });
  });

  it('waits while the database is unavailable, and is decided when the database answers', () =>
    play({ admitInstance: failing(2, admitted()) }, async (scene) => {
      expect(await requestInstance(scene, instanceInput(scene))).toEqual(admitted());
      expect(scene.calls('admitInstance')).toHaveLength(3);
    }));

  it('is kept by a continued run, which settles at once and neither asks the ledger nor wakes the watch', () =>
    play({}, async (scene) => {
      const input = instanceInput(scene, { admission: admitted() });
      expect(await requestInstance(scene, input)).toEqual(admitted());
      await scene.untilAsked('settleInstance');
      expect(scene.order()).toEqual(['settleInstance']);
      await scene.untilState(workflowId.instance(input.spec.id), 'running');
    }));

  it('is followed by one more settlement when a wake arrived before it', () => {
    const admission = heldBack(admitted());
    return play({ admitInstance: admission.answer }, async (scene) => {
      const input = instanceInput(scene);
      const asked = requestInstance(scene, input);
      await scene.untilAsked('admitInstance');
      await scene.handle(workflowId.instance(input.spec.id)).signal(wakeUp);
      admission.release();
      expect(await asked).toEqual(admitted());
      await scene.untilAsked('settleInstance', 2);
      await scene.handle(workflowId.instance(input.spec.id)).query(instanceState);
      expect(sinceFirst(scene)).toHaveLength(1);
    });
  });
});

describe('the settlements of an instance', () => {
  it('happen every SETTLE_EVERY', () =>
    play({}, async (scene) => {
      await instanceThatRuns(scene);
      await scene.pass(3.5 * HOUR_MS);
      const expected = [3600, 7200, 10_800];
      expect(nearly(scene, expected, sinceFirst(scene))).toEqual(expected);
    }));

  it('happen only at the end when SETTLE_EVERY is 0, and a wake at the end causes it', () => {
    let over = false;
    return play({ settleInstance: async () => (over ? ended('inst', 'stopped', true) : running()) }, async (scene) => {
      const handle = await instanceThatRuns(scene, { settleEveryMs: 0 });
      await scene.quiet(handle);
      const before = await scene.events(handle.workflowId);
      await scene.pass('40 days');
      expect(await scene.events(handle.workflowId)).toBe(before);
      over = true;
      await handle.signal(wakeUp);
      expect(await handle.result()).toEqual(receipt('inst', 'stopped'));
      expect(scene.calls('settleInstance')).toHaveLength(2);
    });
  });

  it('happen at once after a wake, without a change of the timer for the next', () =>
    play({}, async (scene) => {
      const handle = await instanceThatRuns(scene);
      await scene.pass('20 minutes');
      await handle.signal(wakeUp);
      await scene.untilAsked('settleInstance', 2);
      await scene.pass('101 minutes');
      const expected = [1200, 3600, 7200];
      expect(nearly(scene, expected, sinceFirst(scene))).toEqual(expected);
    }));

  it('find an end for which no wake was sent', () => {
    let over = false;
    return play({ settleInstance: async () => (over ? ended('inst', 'stopped', true) : running()) }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      await scene.pass('90 minutes');
      over = true;
      expect(await handle.result()).toEqual(receipt('inst', 'stopped'));
      const expected = [3600, 7200];
      expect(nearly(scene, expected, sinceFirst(scene))).toEqual(expected);
    });
  });

  it('start at an offset in the interval that the id decides, which spreads instances of one second over many seconds', () =>
    play({}, async (scene) => {
      const names = Array.from({ length: 40 }, (_, index) => `of_one_second_${index}`);
      await Promise.all(names.map((name) => startRecorded(scene, name)));
      await scene.untilAsked('settleInstance', names.length);
      await scene.pass(2 * HOUR_MS);
      await scene.untilAsked('settleInstance', 3 * names.length);
      const seconds = names.map((name) => settledOf(scene, scene.id('inst', name)));
      const places = names.map((name) => Math.floor(placeOf(scene.id('inst', name), HOUR_MS) / 1000));
      expect(new Set(places).size).toBeGreaterThan(35);
      expect(new Set(places.map((place) => Math.floor(place / 600))).size).toBe(6);
      for (const [index, place] of places.entries()) {
        const expected = [place, place + 3600];
        expect(nearly(scene, expected, seconds[index]?.slice(0, 2) ?? [])).toEqual(expected);
      }
    }));

  it('happen at once after a wake before the first offset, and then at the offset', () =>
    play({}, async (scene) => {
      const handle = await startRecorded(scene);
      await scene.untilAsked('settleInstance');
      await handle.signal(wakeUp);
      await scene.untilAsked('settleInstance', 2);
      await scene.pass(HOUR_MS);
      const expected = [0, Math.floor(placeOf(scene.id('inst'), HOUR_MS) / 1000)];
      expect(nearly(scene, expected, sinceFirst(scene).slice(0, 2))).toEqual(expected);
    }));

  it('happen only at the end when SETTLE_EVERY is 0, in a run that is started with an input too', () =>
    play({}, async (scene) => {
      const handle = await startRecorded(scene, '1', 0);
      await scene.untilAsked('settleInstance');
      await scene.quiet(handle);
      await scene.pass('3 days');
      expect(scene.calls('settleInstance')).toHaveLength(1);
    }));

  it('are retried while the database is unavailable, and lose nothing', () =>
    play({ settleInstance: failing(2, running(7)) }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      await scene.untilAsked('settleInstance', 3);
      await scene.until('the cost is seen', async () => (await handle.query(instanceState)).costMicros === 7);
    }));

  it('take rate and cost from the ledger’s answer instead of the request', () => {
    const repriced = { ...running(1_245_000), rateMicrosPerHour: RATE - 490_000 } as ReturnType<typeof running>;
    return play({ settleInstance: inTurn(running(), repriced) }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      expect(await handle.query(instanceState)).toEqual({
        instanceId: scene.id('inst'),
        teamId: scene.id('team'),
        state: 'running',
        rateMicrosPerHour: RATE,
        costMicros: 0,
      });
      await scene.pass('61 minutes');
      expect(await handle.query(instanceState)).toMatchObject({ rateMicrosPerHour: 2_000_000, costMicros: 1_245_000 });
    });
  });

  it('show rate, cost, balance and next crossing to an operator as a small table', () => {
    const next = { second: 1_800_003_600, what: 'top_up' as const };
    return play({ settleInstance: async () => ({ ...running(1_000_000), next }) as never }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      expect(currentDetails.split('\n')).toEqual([
        '| | |',
        '|---|---|',
        expect.stringMatching(/^\| as of \| 20\d\d-\d\d-\d\dT[\d:]{8}Z \|$/),
        '| rate per hour | $2.490000 |',
        '| cost so far | $1.000000 |',
        '| team balance | $50.000000 |',
        '| next crossing | top_up at 2027-01-15T09:00:00Z |',
      ]);
    });
  });
});

describe('the end of an instance', () => {
  it('by exhaustion makes the platform stop the machine, and the confirmation is recorded', () =>
    play({ settleInstance: inTurn(running(), ended('inst', 'out_of_credits', false)) }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      await handle.signal(wakeUp);
      expect(await handle.result()).toEqual(receipt('inst', 'out_of_credits'));
      expect(scene.order('settleInstance', 'terminateMachine', 'confirmTerminated')).toEqual([
        'settleInstance',
        'settleInstance',
        'terminateMachine',
        'confirmTerminated',
      ]);
      expect(scene.calls('terminateMachine')).toEqual([{ instanceId: scene.id('inst') }]);
      await scene.untilState(handle.workflowId, 'ended');
    }));

  it('is sent to the platform until the platform confirms, for more than an hour', () => {
    const end = ended('inst', 'out_of_credits', false);
    const mocks = { settleInstance: inTurn(running(), end), terminateMachine: failing(70, undefined) };
    return play(mocks, async (scene) => {
      const handle = await instanceThatRuns(scene);
      await handle.signal(wakeUp);
      await scene.untilState(handle.workflowId, 'stopping_machine');
      await scene.pass('1 hour');
      expect(scene.calls('confirmTerminated')).toEqual([]);
      expect(await handle.query(instanceState)).toMatchObject({ state: 'stopping_machine', costMicros: RATE });
      await handle.result();
      expect(scene.calls('terminateMachine')).toHaveLength(71);
      const [endedAt = 0] = scene.calls('settleInstance').slice(-1);
      const [confirmed] = scene.calls('confirmTerminated');
      expect(confirmed?.instanceId).toBe(scene.id('inst'));
      expect(confirmed?.nowSecond).toBeGreaterThan((endedAt as { nowSecond: number }).nowSecond + 3600);
    });
  });

  it('by the platform is not sent to the platform', () =>
    play({ settleInstance: inTurn(running(), ended('inst', 'stopped', true)) }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      await handle.signal(wakeUp);
      expect(await handle.result()).toEqual(receipt('inst', 'stopped'));
      expect(scene.order('terminateMachine', 'confirmTerminated')).toEqual([]);
      expect(await handle.query(instanceState)).toMatchObject({ state: 'ended', costMicros: RATE });
    }));

  it('before the first settlement stops the machine', () =>
    play({ settleInstance: async () => ended('inst', 'out_of_credits', false) }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      expect(await handle.result()).toEqual(receipt('inst', 'out_of_credits'));
      expect(scene.calls('terminateMachine')).toHaveLength(1);
    }));
});

describe('an operator', () => {
  it('settles an instance, and receives the cost after the settlement', () =>
    play({ settleInstance: inTurn(running(), running(415_000)) }, async (scene) => {
      const handle = await instanceThatRuns(scene);
      expect(await handle.executeUpdate(settleNow)).toMatchObject({ state: 'running', costMicros: 415_000 });
      expect(scene.calls('settleInstance')).toHaveLength(2);
    }));

  it('ends an instance, receives the ledger’s receipt, and causes a wake of the watch and the stop of the machine', () => {
    let over = false;
    const mocks: Mocks = {
      settleInstance: async () => (over ? ended('inst', 'operator', false) : running()),
      stopInstance: async () => {
        over = true;
        return receipt('inst', 'operator');
      },
    };
    return play(mocks, async (scene) => {
      const handle = await instanceThatRuns(scene);
      const answer = await handle.executeUpdate(endInstance, { args: [{ note: 'asked for by the team' }] });
      expect(answer).toEqual(receipt('inst', 'operator'));
      expect(await handle.result()).toEqual(answer);
      expect(scene.calls('stopInstance')).toMatchObject([
        { instanceId: scene.id('inst'), reason: 'operator', platformAsked: false },
      ]);
      expect(scene.calls('watch')).toEqual([scene.id('team'), scene.id('team')]);
      expect(scene.calls('terminateMachine')).toHaveLength(1);
    });
  });

  it('receives the same receipt for two requests of one end', () => {
    let over = false;
    const mocks: Mocks = {
      settleInstance: async () => (over ? ended('inst', 'operator', false) : running()),
      stopInstance: async () => {
        over = true;
        return receipt('inst', 'operator');
      },
    };
    return play(mocks, async (scene) => {
      const handle = await instanceThatRuns(scene);
      const end = () => handle.executeUpdate(endInstance, { args: [{ note: 'now' }] });
      expect(await Promise.all([end(), end()])).toEqual([receipt('inst', 'operator'), receipt('inst', 'operator')]);
      await handle.result();
      expect(scene.calls('terminateMachine')).toHaveLength(1);
    });
  });

  // These come with the start, in the same task as the admission: the earliest that an operator can be.
  it('who asks before the admission is answered after it', () =>
    play({}, async (scene) => {
      const startWorkflowOperation = startOf(instanceInput(scene));
      const state = await scene.client.workflow.executeUpdateWithStart(settleNow, { startWorkflowOperation });
      expect(state).toMatchObject({ state: 'running' });
      expect(scene.order()[0]).toBe('admitInstance');
    }));

  it.each(['settleNow', 'endInstance'])(
    'who requests %s of a refused instance receives the refusal, and the workflow still ends',
    (update) => {
      const refusal: Admission = { status: 'refused', code: 'insufficient_credit' };
      return play({ admitInstance: async () => refusal }, async (scene) => {
        const startWorkflowOperation = startOf(instanceInput(scene));
        const answer = scene.client.workflow.executeUpdateWithStart(update, { startWorkflowOperation });
        await expect(answer).rejects.toMatchObject({ cause: { type: 'insufficient_credit' } });
        expect(await scene.handle(workflowId.instance(scene.id('inst'))).result()).toBeNull();
        expect(scene.order()).toEqual(['admitInstance']);
      });
    },
  );
});

it('an instance is found in Temporal by its state at each step', () => {
  const admission = heldBack(admitted());
  const machine = heldBack(undefined);
  const mocks: Mocks = {
    admitInstance: admission.answer,
    settleInstance: inTurn(running(), ended('inst', 'out_of_credits', false)),
    terminateMachine: machine.answer,
  };
  return play(mocks, async (scene) => {
    const input = instanceInput(scene);
    const id = workflowId.instance(input.spec.id);
    const asked = requestInstance(scene, input);
    await scene.untilAsked('admitInstance');
    await scene.untilState(id, 'admitting');
    admission.release();
    await asked;
    await scene.untilState(id, 'running');
    await scene.pass(HOUR_MS);
    await scene.untilState(id, 'stopping_machine');
    machine.release();
    await scene.untilState(id, 'ended');
  });
});
