/** Tests the balance watch: when it reads the ledger, what it announces, and how often it wakes other workflows. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Crossing } from '../../billing/crossings.ts';
import { micros } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import { TASK_QUEUES, wakeUp, wakeUpSoon, watchState, workflowId } from '../../workflows/messages.ts';
import { outlook, tellTeam } from './given.ts';
import { failing, heldBack, inTurn, type Mocks, nearly, openStage, type Scene, type Stage } from './support.ts';

const DAY_SECONDS = 24 * 3600;
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>) => stage.play(mocks, story);

const looks = (scene: Scene): number[] => scene.calls('lookAhead').map(({ nowSecond }) => nowSecond);

/** A ledger whose next crossing lies so many seconds after the first look; once that has come, nothing follows. */
function crossingAfter(seconds: number, what: Crossing['what'] = 'top_up') {
  let crossing: number | undefined;
  return async ({ nowSecond }: { nowSecond: number }) => {
    crossing ??= nowSecond + seconds;
    const burning = { burnMicrosPerHour: micros(2_490_000) };
    return nowSecond < crossing ? outlook({ next: { second: crossing, what }, ...burning }) : outlook();
  };
}

describe('a team’s watch', () => {
  it('sleeps until the next crossing and reads the ledger in exactly that second', () =>
    play({ lookAhead: crossingAfter(5 * 3600 + 1_207) }, async (scene) => {
      const { workflowId: id } = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      const [first = 0] = looks(scene);
      await scene.passTo(first + 5 * 3600);
      expect(looks(scene)).toEqual([first]);
      await scene.passTo(first + 5 * 3600 + 1_210);
      await scene.untilAsked('lookAhead', 2);
      const expected = [first, first + 5 * 3600 + 1_207];
      expect(scene.onTime(expected, looks(scene))).toEqual(expected);
      expect(await scene.alarms(id)).toEqual([`top_up at ${formatSecond(first + 5 * 3600 + 1_207)}`]);
    }));

  it('reads the ledger once a month before a distant crossing, and again in the second of the crossing', () =>
    play({ lookAhead: crossingAfter(70 * DAY_SECONDS) }, async (scene) => {
      const { workflowId: id } = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await scene.pass('71 days');
      const [first = 0, ...rest] = looks(scene);
      const since = rest.map((second) => second - first);
      expect(nearly(scene, [30 * DAY_SECONDS, 60 * DAY_SECONDS], since.slice(0, 2))).toEqual([
        30 * DAY_SECONDS,
        60 * DAY_SECONDS,
      ]);
      expect(scene.onTime([70 * DAY_SECONDS], since.slice(2))).toEqual([70 * DAY_SECONDS]);
      const alarm = `top_up at ${formatSecond(first + 70 * DAY_SECONDS)}`;
      expect(await scene.alarms(id)).toEqual([alarm, alarm, alarm]);
    }));

  it('reads at most once a second when the crossing is due and the ledger does not show it yet', () => {
    let until: number | undefined;
    const lookAhead = async ({ nowSecond }: { nowSecond: number }) => {
      until ??= nowSecond + 60;
      return outlook({ next: nowSecond < until ? { second: 1, what: 'exhaustion' } : null });
    };
    return play({ lookAhead }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await scene.pass('70 seconds');
      await scene.untilState(handle.workflowId, 'idle');
      expect(looks(scene).length).toBeGreaterThan(20);
      expect(looks(scene).length).toBeLessThanOrEqual(62);
    });
  });

  it('wakes reservations that ended without a wake, and then starts their mail', () => {
    const notices = [{ noticeId: 'notice_a', teamId: 'team', channel: 'mail' as const }];
    const ended = outlook({ notices, reservationIds: ['resv_a', 'resv_b'] });
    return play({ lookAhead: inTurn(ended, outlook()) }, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('markTold');
      expect(scene.calls('reservation')).toEqual(['resv_a', 'resv_b']);
      expect(scene.order('reservation', 'notice')).toEqual(['reservation', 'reservation', 'notice']);
      expect(scene.calls('markTold')).toMatchObject([{ noticeIds: ['notice_a'] }]);
    });
  });

  it('stops the machines of a bulk stop in batches, and reads the next batch at once', () => {
    const batch = (id: number, instanceIds: string[]) => outlook({ stop: { id, instanceIds } });
    const mocks = { lookAhead: inTurn(batch(1, ['i_a', 'i_b']), batch(2, ['i_c']), outlook()) };
    return play(mocks, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead', 3);
      expect(scene.calls('instance')).toEqual(['i_a', 'i_b', 'i_c']);
      expect(scene.calls('markTold')).toMatchObject([{ stops: [1] }, { stops: [2] }]);
    });
  });

  it('of an idle team sets no timer, makes no further read and adds no event in forty days', () =>
    play({ lookAhead: async () => outlook() }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await scene.quiet(handle);
      const before = await scene.events(handle.workflowId);
      await scene.pass('40 days');
      expect(looks(scene)).toHaveLength(1);
      expect(await scene.events(handle.workflowId)).toBe(before);
    }));

  it('reads the ledger again when it is woken, and still reads in the second of the crossing', () =>
    play({ lookAhead: crossingAfter(3600) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await scene.pass('20 minutes');
      await handle.signal(wakeUp);
      await scene.untilAsked('lookAhead', 2);
      await scene.pass('50 minutes');
      const [first = 0, , ...rest] = looks(scene);
      expect(scene.onTime([first + 3600], rest)).toEqual([first + 3600]);
      expect(await scene.alarms(handle.workflowId)).toEqual([`top_up at ${formatSecond(first + 3600)}`]);
    }));

  it.each([
    ['earlier: it looks in the new second, and once more when its first alarm rings', 1800, [1800, 3600]],
    ['later: its alarm costs one look, and the crossing is met in its own second', 7200, [3600, 7200]],
  ])('follows a crossing that moves %s', (_, movedTo, expected) => {
    let crossing: number | undefined;
    let first: number | undefined;
    const lookAhead = async ({ nowSecond }: { nowSecond: number }) => {
      first ??= nowSecond;
      crossing ??= first + 3600;
      return outlook({ next: nowSecond < crossing ? { second: crossing, what: 'exhaustion' } : null });
    };
    return play({ lookAhead }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      crossing = (first ?? 0) + movedTo;
      await handle.signal(wakeUp);
      await scene.untilAsked('lookAhead', 2);
      await scene.pass('3 hours');
      const since = looks(scene).map((second) => second - (first ?? 0));
      expect(scene.onTime(expected, since.slice(2))).toEqual(expected);
      expect(await scene.alarms(handle.workflowId)).toContain(`exhaustion at ${formatSecond((first ?? 0) + movedTo)}`);
    });
  });

  it('sets one timer for twenty changes that leave the crossing unchanged', () =>
    play({ lookAhead: crossingAfter(3600) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      for (let look = 1; look <= 20; look++) {
        await scene.untilAsked('lookAhead', look);
        await handle.signal(wakeUp);
      }
      await scene.quiet(handle);
      const { events } = await handle.fetchHistory();
      expect(events?.filter((event) => event.timerStartedEventAttributes)).toHaveLength(1);
      expect(events?.filter((event) => event.timerCanceledEventAttributes)).toHaveLength(0);
    }));

  it('makes one read for a burst of fifty changes', () => {
    const firstLook = heldBack(outlook());
    const answers = [firstLook.answer, async () => outlook()];
    return play({ lookAhead: () => (answers.shift() ?? (async () => outlook()))() }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await Promise.all(Array.from({ length: 50 }, () => handle.signal(wakeUp)));
      firstLook.release();
      await scene.untilAsked('lookAhead', 2);
      await scene.quiet(handle);
      expect(looks(scene)).toHaveLength(2);
    });
  });

  it('makes one read, a second later, after a burst of a hundred changes of low urgency', () =>
    play({ lookAhead: async () => outlook() }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await Promise.all(Array.from({ length: 100 }, () => handle.signal(wakeUpSoon)));
      await scene.quiet(handle);
      // Of a machine that takes seconds for the burst, it looks once in each of them.
      expect(looks(scene).length).toBeLessThanOrEqual(1 + scene.realSeconds());
      const burstSeconds = scene.realSeconds();
      await scene.pass('1 minute');
      const [first = 0, ...rest] = looks(scene);
      expect(rest.length).toBeGreaterThan(0);
      expect(rest.length).toBeLessThanOrEqual(2 + burstSeconds);
      expect(rest[0]).toBeGreaterThan(first);
    }));

  it('reads once a second while it is woken continually, and once more after the last wake', () =>
    play({ lookAhead: async () => outlook() }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      for (let wakeUp = 0; wakeUp < 40; wakeUp += 1) {
        await handle.signal(wakeUpSoon);
        await scene.pass('250 ms');
      }
      const lastTold = await scene.env.currentTimeMs();
      await scene.pass('1 minute');
      const [first = 0, ...rest] = looks(scene);
      expect(rest.length).toBeLessThanOrEqual(Math.ceil(lastTold / 1000) - first + 1);
      expect(rest.length).toBeGreaterThanOrEqual(10);
      // A look that is late by real time may fall into the second of the next look.
      const [second = 0] = rest;
      const late = scene.realSeconds() + 1;
      for (const [index, look] of rest.entries()) expect(look).toBeGreaterThanOrEqual(second - late + index);
      expect(rest.at(-1)).toBeGreaterThanOrEqual(Math.floor(lastTold / 1000));
    }));

  it('makes, as a continued run, the read at once and the read a second later that the previous run had planned', () =>
    play({ lookAhead: async () => outlook() }, async (scene) => {
      const teamId = scene.id('team');
      await scene.env.client.workflow.start('balanceWatch', {
        workflowId: workflowId.balanceWatch(teamId),
        taskQueue: TASK_QUEUES.billing,
        args: [{ teamId, lookSoon: true }],
      });
      await scene.untilAsked('lookAhead');
      await scene.pass('1 minute');
      expect(looks(scene)).toHaveLength(2);
    }));

  it('has one run, however often it is woken', () =>
    play({ lookAhead: async () => outlook() }, async (scene) => {
      const runs: string[] = [];
      // One after another: this server loses its clock when two come at once and only one may start the workflow.
      for (let time = 1; time <= 5; time++) {
        const { runId } = await (await tellTeam(scene, 'balanceWatch')).describe();
        runs.push(runId);
      }
      expect(new Set(runs).size).toBe(1);
      await scene.untilAsked('lookAhead');
    }));

  it('retries while the database is unavailable', () =>
    play({ lookAhead: failing(2, outlook()) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead', 3);
      expect(await handle.query(watchState)).toMatchObject({ nextSecond: null });
    }));

  it('sleeps until halfway to a distant crossing, and shows the crossing', () => {
    let first: number | undefined;
    const burnMicrosPerHour = micros(2_490_000);
    const lookAhead = async ({ nowSecond }: { nowSecond: number }) => {
      first ??= nowSecond;
      const crossing = { second: first + 7_200, what: 'low' as const };
      if (nowSecond >= crossing.second) return outlook();
      if (nowSecond >= first + 3_600) return outlook({ next: crossing, burnMicrosPerHour });
      return outlook({ next: { second: first + 3_600, what: 'halfway' }, crossing, burnMicrosPerHour });
    };
    return play({ lookAhead }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await scene.quiet(handle);
      const crossingSecond = (first ?? 0) + 7_200;
      expect(await handle.query(watchState)).toMatchObject({ nextSecond: crossingSecond, nextWhat: 'low' });
      const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      expect(currentDetails).toContain(`| next crossing | low at ${formatSecond(crossingSecond)} |`);
      await scene.pass('3 hours');
      const since = looks(scene).map((second) => second - (first ?? 0));
      expect(scene.onTime([0, 3_600, 7_200], since)).toEqual([0, 3_600, 7_200]);
    });
  });

  it('shows its state: burning towards a crossing, a charge in flight, idle', () => {
    const next = { second: 4_000_000_000, what: 'low' as const };
    const burnMicrosPerHour = micros(2_490_000);
    const lookAhead = inTurn(
      outlook({ next, burnMicrosPerHour, topUp: 'suspended' }),
      outlook({ next: { ...next, what: 'grace_over' }, burnMicrosPerHour }),
      outlook(),
    );
    return play({ lookAhead }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      const { workflowId: id } = handle;
      await scene.untilState(id, 'burning');
      expect(await handle.query(watchState)).toEqual({
        teamId: scene.id('team'),
        asOfSecond: scene.calls('lookAhead')[0]?.nowSecond,
        availableMicros: 50_000_000,
        burnMicrosPerHour,
        topUp: 'suspended',
        nextSecond: 4_000_000_000,
        nextWhat: 'low',
      });
      const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      expect(currentDetails).toContain('| next crossing | low at 2096-10-02T07:06:40Z |');
      await handle.signal(wakeUp);
      await scene.untilState(id, 'charge_in_flight');
      await handle.signal(wakeUp);
      await scene.untilState(id, 'idle');
    });
  });
});

describe('a fact that is not yet announced', () => {
  const exhaustions = [
    { number: 4, second: 1_800_000_000, instanceIds: ['inst_a', 'inst_b'] },
    { number: 5, second: 1_800_000_900, instanceIds: ['inst_c'] },
  ];
  const notices = [
    { noticeId: 'notice_a', teamId: 'team', channel: 'mail' as const },
    { noticeId: 'notice_b', teamId: 'team', channel: 'event' as const },
  ];

  it('wakes its instances and starts its notices before it is marked announced', () =>
    play({ lookAhead: inTurn(outlook({ exhaustions, notices }), outlook()) }, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('markTold');
      expect(scene.order()).toEqual([
        'lookAhead',
        ...['instance', 'instance', 'instance'],
        ...['notice', 'notice'],
        'markTold',
      ]);
      expect(scene.calls('instance')).toEqual(['inst_a', 'inst_b', 'inst_c']);
      expect(scene.calls('notice')).toEqual(notices);
      expect(scene.calls('markTold')).toEqual([
        { teamId: scene.id('team'), exhaustions: [4, 5], noticeIds: ['notice_a', 'notice_b'] },
      ]);
    }));

  it('is marked only if it exists', () =>
    play({ lookAhead: async () => outlook() }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await scene.quiet(handle);
      expect(scene.order()).toEqual(['lookAhead']);
    }));

  it('may be only a notice, or an exhaustion that ended no instance', () => {
    const onlyNotice = outlook({ notices: notices.slice(0, 1) });
    const endedNothing = outlook({ exhaustions: [{ number: 6, second: 1_800_000_000, instanceIds: [] }] });
    return play({ lookAhead: inTurn(onlyNotice, endedNothing, outlook()) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('markTold');
      await handle.signal(wakeUp);
      await scene.untilAsked('markTold', 2);
      expect(scene.calls('instance')).toEqual([]);
      expect(scene.calls('markTold')).toMatchObject([
        { exhaustions: [], noticeIds: ['notice_a'] },
        { exhaustions: [6], noticeIds: [] },
      ]);
    });
  });

  it('is announced again until every announcement succeeds, and is marked only then', () => {
    const lookAhead = inTurn(outlook({ exhaustions, notices }), outlook());
    const mocks: Mocks = { lookAhead, instance: failing(7, undefined), notice: failing(4, undefined) };
    return play(mocks, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('instance', 3);
      expect(scene.calls('notice')).toEqual([]);
      await scene.pass('5 minutes');
      await scene.untilAsked('markTold');
      expect(scene.order('instance', 'notice', 'markTold').slice(-3)).toEqual(['notice', 'notice', 'markTold']);
      expect(scene.calls('markTold')).toHaveLength(1);
      expect(new Set(scene.calls('instance'))).toEqual(new Set(['inst_a', 'inst_b', 'inst_c']));
    });
  });

  it('is read again when the watch is woken during its announcements', () => {
    const telling = heldBack(undefined);
    const lookAhead = inTurn(
      outlook({ notices: notices.slice(0, 1) }),
      outlook({ notices: notices.slice(1) }),
      outlook(),
    );
    return play({ lookAhead, notice: telling.answer }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('notice');
      await handle.signal(wakeUp);
      telling.release();
      await scene.untilAsked('markTold', 2);
      expect(scene.calls('markTold')).toMatchObject([{ noticeIds: ['notice_a'] }, { noticeIds: ['notice_b'] }]);
    });
  });
});

describe('an announced reclaim', () => {
  const reclaiming = (...ids: string[]) => outlook({ reclaiming: ids });

  it('wakes the instance’s workflow once, in the read that finds the instance gone', () =>
    play(
      {
        lookAhead: inTurn(
          reclaiming('inst_a', 'inst_b'),
          reclaiming('inst_b'),
          reclaiming('inst_b'),
          outlook(),
          outlook(),
        ),
      },
      async (scene) => {
        const handle = await tellTeam(scene, 'balanceWatch');
        const toldByLook = [[], ['inst_a'], ['inst_a'], ['inst_a', 'inst_b'], ['inst_a', 'inst_b']];
        for (const [look, instanceIds] of toldByLook.entries()) {
          await scene.untilAsked('lookAhead', look + 1);
          await scene.quiet(handle);
          expect(scene.calls('instance')).toEqual(instanceIds);
          await handle.signal(wakeUp);
        }
      },
    ));

  it('is kept by a continued run', () =>
    play({ lookAhead: async () => outlook() }, async (scene) => {
      const teamId = scene.id('team');
      await scene.env.client.workflow.start('balanceWatch', {
        workflowId: workflowId.balanceWatch(teamId),
        taskQueue: TASK_QUEUES.billing,
        args: [{ teamId, reclaiming: ['inst_a'] }],
      });
      await scene.untilAsked('instance');
      expect(scene.calls('instance')).toEqual(['inst_a']);
    }));

  it('of an instance that ended by exhaustion wakes the workflow once, together with the other instances', () => {
    const ran = outlook({ exhaustions: [{ number: 1, second: 1_800_000_000, instanceIds: ['inst_a', 'inst_b'] }] });
    return play({ lookAhead: inTurn(reclaiming('inst_a'), ran, outlook()) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await handle.signal(wakeUp);
      await scene.untilAsked('markTold');
      await scene.quiet(handle);
      expect(scene.calls('instance')).toEqual(['inst_a', 'inst_b']);
    });
  });

  it('is retried until the wake succeeds', () =>
    play({ lookAhead: inTurn(reclaiming('inst_a'), outlook()), instance: failing(3, undefined) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('lookAhead');
      await handle.signal(wakeUp);
      await scene.pass('1 minute');
      await scene.untilAsked('instance', 4);
      await scene.quiet(handle);
      expect(scene.calls('instance')).toHaveLength(4);
    }));
});

describe('a charge in flight', () => {
  it('wakes auto top-up once, and the next charge wakes it once again', () => {
    const first = outlook({ attemptDepositId: 'dep_1' });
    const second = outlook({ attemptDepositId: 'dep_2' });
    return play({ lookAhead: inTurn(first, first, first, outlook(), second, second) }, async (scene) => {
      const handle = await tellTeam(scene, 'balanceWatch');
      for (let look = 1; look <= 6; look++) {
        await scene.untilAsked('lookAhead', look);
        await scene.quiet(handle);
        expect(scene.calls('autoTopUp')).toHaveLength(look < 5 ? 1 : 2);
        await handle.signal(wakeUp);
      }
      expect(new Set(scene.calls('autoTopUp'))).toEqual(new Set([scene.id('team')]));
    });
  });

  it('wakes auto top-up after a first wake failed', () =>
    play(
      { lookAhead: async () => outlook({ attemptDepositId: 'dep_1' }), autoTopUp: failing(3, undefined) },
      async (scene) => {
        const handle = await tellTeam(scene, 'balanceWatch');
        await scene.pass('1 minute');
        await scene.untilAsked('autoTopUp', 4);
        await scene.quiet(handle);
        await handle.signal(wakeUp);
        await scene.untilAsked('lookAhead', 2);
        expect(scene.calls('autoTopUp')).toHaveLength(4);
      },
    ));

  it('makes the watch read the ledger again in the second in which the grace ends', () => {
    let graceOver: number | undefined;
    const lookAhead = async ({ nowSecond }: { nowSecond: number }) => {
      graceOver ??= nowSecond + 60;
      if (nowSecond >= graceOver)
        return outlook({ exhaustions: [{ number: 1, second: graceOver - 60, instanceIds: ['inst_a'] }] });
      return outlook({ attemptDepositId: 'dep_1', next: { second: graceOver, what: 'grace_over' } });
    };
    return play({ lookAhead }, async (scene) => {
      await tellTeam(scene, 'balanceWatch');
      await scene.untilAsked('autoTopUp');
      expect(scene.calls('instance')).toEqual([]);
      await scene.pass('62 seconds');
      await scene.untilAsked('markTold');
      const [first = 0, second] = looks(scene);
      expect(second).toBe(first + 60);
      expect(scene.calls('instance')).toEqual(['inst_a']);
    });
  });
});
