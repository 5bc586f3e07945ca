/** Tests the workflow of a reservation: admission, settlements, reminders, renewal, lapse and an operator’s updates. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReservationAdmission, ReservationStanding } from '../../ledger/reservations.ts';
import {
  CAUSE,
  GPU_TYPE,
  reservationState,
  settleReservationNow,
  TEAM_ID,
  wakeUp,
  workflowId,
} from '../../workflows/messages.ts';
import {
  HOUR_MS,
  inTerm,
  overAndDone,
  RATE,
  requestReservation,
  reservationInput,
  reservationReceipt,
  reservationThatRuns,
  reserved,
  startOfReservation,
} from './given.ts';
import { failing, heldBack, inTurn, type Mocks, nearly, openStage, type Scene, type Stage } from './support.ts';

const DAY = 86_400;
const FAR_AHEAD = 4_000_000_000;
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const quietTerm = inTerm({ second: FAR_AHEAD, what: 'end of term' });

/** A world that admits and meters, but for what is said. */
const world = (mocks: Mocks = {}): Mocks => ({
  openReservation: async () => reserved,
  settleReservation: async () => quietTerm,
  ...mocks,
});
const play = (mocks: Mocks, story: (scene: Scene) => Promise<void>) => stage.play(world(mocks), story);

/** The seconds at which it settled, after the first. */
const sinceFirst = (scene: Scene): number[] => {
  const [first = 0, ...rest] = scene.calls('settleReservation').map(({ nowSecond }) => nowSecond);
  return rest.map((second) => second - first);
};

describe('the admission of a reservation', () => {
  it('answers the caller with the ledger’s decision, wakes the watch and starts to meter', () =>
    play({}, async (scene) => {
      const input = reservationInput(scene);
      expect(await requestReservation(scene, input)).toEqual(reserved);
      await scene.untilAsked('settleReservation');
      expect(scene.order()).toEqual(['openReservation', 'watch', 'settleReservation']);
      expect(scene.calls('watch')).toEqual([input.spec.teamId]);
      expect(scene.calls('openReservation')).toMatchObject([{ spec: input.spec, callId: 'call_1' }]);
    }));

  it('is found in Temporal by team, by GPU type, by the request that caused it, and by its state', () => {
    const admission = heldBack(reserved);
    return play({ openReservation: admission.answer }, async (scene) => {
      const input = reservationInput(scene);
      const id = workflowId.reservation(input.spec.id);
      const asked = requestReservation(scene, input);
      await scene.untilAsked('openReservation');
      await scene.untilState(id, 'admitting');
      admission.release();
      await asked;
      await scene.untilState(id, 'running');
      expect(await scene.attribute(id, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(id, GPU_TYPE)).toBe('H100');
      expect(await scene.attribute(id, CAUSE)).toBe('req_1');
    });
  });

  it.each(['insufficient_credit', 'id_taken', 'start_expired', 'price_not_found'] as const)(
    'ends without a term when the ledger refuses with %s',
    (code) => {
      const refusal: ReservationAdmission = { status: 'refused', code };
      return play({ openReservation: async () => refusal }, async (scene) => {
        const input = reservationInput(scene);
        expect(await requestReservation(scene, input)).toEqual(refusal);
        const handle = scene.handle(workflowId.reservation(input.spec.id));
        expect(await handle.result()).toBeNull();
        expect(scene.order()).toEqual(['openReservation']);
        await scene.untilState(handle.workflowId, 'refused');
      });
    },
  );

  it('is the same for repeats of the request, and another request with the same id is refused', () =>
    play({}, async (scene) => {
      const input = reservationInput(scene);
      const again = () => requestReservation(scene, input);
      expect(await Promise.all([again(), again()])).toEqual([reserved, reserved]);
      expect(await requestReservation(scene, input, 'another request')).toEqual({
        status: 'refused',
        code: 'id_taken',
      });
      expect(await again()).toEqual(reserved);
      expect(scene.calls('openReservation')).toHaveLength(1);
    }));

  it('waits while the database is unavailable', () =>
    play({ openReservation: failing(2, reserved) }, async (scene) => {
      expect(await requestReservation(scene, reservationInput(scene))).toEqual(reserved);
      expect(scene.calls('openReservation')).toHaveLength(3);
    }));

  it('is kept by a continued run, which settles at once and neither asks the ledger nor wakes the watch', () =>
    play({}, async (scene) => {
      const input = reservationInput(scene, { admission: reserved });
      expect(await requestReservation(scene, input)).toEqual(reserved);
      await scene.untilAsked('settleReservation');
      expect(scene.order()).toEqual(['settleReservation']);
      await scene.untilState(workflowId.reservation(input.spec.id), 'running');
    }));
});

describe('a reservation settles', () => {
  it('once a day, though instances settle each hour', () =>
    play({}, async (scene) => {
      await reservationThatRuns(scene);
      await scene.pass(3.5 * 24 * HOUR_MS);
      expect(nearly(scene, [DAY, 2 * DAY, 3 * DAY], sinceFirst(scene))).toEqual([DAY, 2 * DAY, 3 * DAY]);
    }));

  it('as seldom as instances when their interval is longer than a day', () =>
    play({}, async (scene) => {
      await reservationThatRuns(scene, { settleEveryMs: 5 * 24 * HOUR_MS });
      await scene.pass(11 * 24 * HOUR_MS);
      expect(nearly(scene, [5 * DAY, 10 * DAY], sinceFirst(scene))).toEqual([5 * DAY, 10 * DAY]);
    }));

  it('only at its own crossings when SETTLE_EVERY is 0', () => {
    let endSecond = FAR_AHEAD;
    return play(
      {
        settleReservation: async ({ nowSecond }) => {
          if (endSecond === FAR_AHEAD) endSecond = nowSecond + 20 * DAY;
          return nowSecond < endSecond ? inTerm({ second: endSecond, what: 'end of term' }) : overAndDone();
        },
      },
      async (scene) => {
        const handle = await reservationThatRuns(scene, { settleEveryMs: 0 });
        expect(await handle.result()).toEqual(reservationReceipt());
        expect(sinceFirst(scene)).toEqual([20 * DAY]);
      },
    );
  });

  it('at once after a wake', () =>
    play({}, async (scene) => {
      const handle = await reservationThatRuns(scene);
      await scene.pass('20 minutes');
      await handle.signal(wakeUp);
      await scene.untilAsked('settleReservation', 2);
      expect(nearly(scene, [1_200], sinceFirst(scene))).toEqual([1_200]);
    }));

  it('again after the database was unavailable', () => {
    const standing = { ...quietTerm, costMicros: 7 } as ReservationStanding;
    return play({ settleReservation: failing(2, standing) }, async (scene) => {
      const handle = await reservationThatRuns(scene);
      await scene.untilAsked('settleReservation', 3);
      await scene.until('the cost is seen', async () => (await handle.query(reservationState)).costMicros === 7);
    });
  });
});

describe('a term of a reservation', () => {
  /** A ledger whose term has so many days, with reminders before its end; `after` is what it answers from there on. */
  const termOf = (days: number, after: (endSecond: number) => ReservationStanding): Mocks => {
    let first: number | undefined;
    return {
      settleReservation: async ({ nowSecond }) => {
        first ??= nowSecond;
        const endSecond = first + days * DAY;
        if (nowSecond >= endSecond) return after(endSecond);
        const reminder = [7, 1].map((ahead) => endSecond - ahead * DAY).find((second) => second > nowSecond);
        const next =
          reminder === undefined
            ? ({ second: endSecond, what: 'end of term' } as const)
            : ({ second: reminder, what: 'reminder' } as const);
        const isReminder = [7, 1].some((ahead) => nowSecond === endSecond - ahead * DAY);
        return { ...inTerm(next, { endSecond }), ...(isReminder && { watchMustKnow: true as const }) };
      },
    };
  };

  it('is read when each reminder is due, which wakes the watch, and in the second of its end', () =>
    play(
      termOf(30, () => overAndDone()),
      async (scene) => {
        const handle = await reservationThatRuns(scene, { settleEveryMs: 100 * 24 * HOUR_MS });
        expect(await handle.result()).toEqual(reservationReceipt());
        expect(sinceFirst(scene)).toEqual([23 * DAY, 29 * DAY, 30 * DAY]);
        expect(scene.order()).toEqual([
          'openReservation',
          'watch',
          'settleReservation',
          'settleReservation',
          'watch',
          'settleReservation',
          'watch',
          'settleReservation',
        ]);
        await scene.untilState(handle.workflowId, 'ended');
      },
    ));

  it('that is renewed is followed by the next term, read at its own second', () =>
    play(
      termOf(10, (endSecond) =>
        inTerm({ second: endSecond + 28 * DAY, what: 'end of term' }, { termNumber: 2, renew: true }),
      ),
      async (scene) => {
        const handle = await reservationThatRuns(scene, { settleEveryMs: 100 * 24 * HOUR_MS });
        await scene.pass('20 days');
        expect(sinceFirst(scene)).toEqual([3 * DAY, 9 * DAY, 10 * DAY]);
        expect(await handle.query(reservationState)).toMatchObject({ state: 'running' });
      },
    ));

  it('whose end a charge in flight delays is read again at intervals, without a busy loop', () => {
    let past = 0;
    const settleReservation: Mocks['settleReservation'] = async ({ nowSecond }) => {
      past += 1;
      return past < 5 ? inTerm({ second: nowSecond - 1, what: 'end of term' }) : overAndDone('lapsed');
    };
    return play({ settleReservation }, async (scene) => {
      const handle = await reservationThatRuns(scene);
      expect(await handle.result()).toEqual(reservationReceipt('lapsed'));
      expect(Math.max(...sinceFirst(scene))).toBeGreaterThanOrEqual(3);
    });
  });

  it('that has lapsed is read when the watch wakes the workflow, and the watch is woken again', () => {
    const lapsed: ReservationStanding = { ...overAndDone('lapsed'), watchMustKnow: true };
    return play({ settleReservation: inTurn(quietTerm, lapsed) }, async (scene) => {
      const handle = await reservationThatRuns(scene);
      await handle.signal(wakeUp);
      expect(await handle.result()).toEqual(reservationReceipt('lapsed'));
      expect(scene.order('watch', 'settleReservation')).toEqual([
        'watch',
        'settleReservation',
        'settleReservation',
        'watch',
      ]);
    });
  });
});

describe('an operator of a reservation', () => {
  const tableOf = async (scene: Scene) => {
    const handle = scene.handle(workflowId.reservation(scene.id('resv')));
    const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
    return currentDetails.split('\n').slice(2);
  };

  it('reads its rate, cost, cover and end as a small table', () =>
    play(
      {
        settleReservation: async () => ({ ...inTerm({ second: 1_802_592_000, what: 'end of term' }, { renew: true }) }),
      },
      async (scene) => {
        await reservationThatRuns(scene);
        await scene.until('the table is there', async () => (await tableOf(scene)).length > 0);
        expect(await tableOf(scene)).toEqual([
          expect.stringMatching(/^\| as of \| 20\d\d-\d\d-\d\dT[\d:]{8}Z \|$/),
          '| rate per hour | $2.490000 |',
          '| cost so far | $0.000000 |',
          '| covered | 1 of 2 |',
          '| term | number 1, ends 2027-02-14T08:00:00Z |',
          '| renews | yes |',
        ]);
      },
    ));

  it('reads how an ended reservation ended, and its total cost', () =>
    play({ settleReservation: async () => overAndDone('not_offered') }, async (scene) => {
      await (await reservationThatRuns(scene)).result();
      expect(await tableOf(scene)).toEqual([
        '| ended | 2027-02-14T08:00:00Z |',
        '| how | not_offered |',
        '| terms | 1 |',
        '| cost | $1792.800000 |',
      ]);
    }));

  it('settles it, and receives the cost after the settlement', () => {
    const settled = { ...quietTerm, costMicros: RATE } as ReservationStanding;
    return play({ settleReservation: inTurn(quietTerm, settled) }, async (scene) => {
      const handle = await reservationThatRuns(scene);
      expect(await handle.executeUpdate(settleReservationNow)).toMatchObject({ state: 'running', costMicros: RATE });
    });
  });

  it('who settles an ended reservation ends its run', () =>
    play({ settleReservation: inTurn(quietTerm, overAndDone()) }, async (scene) => {
      const handle = await reservationThatRuns(scene);
      await handle.executeUpdate(settleReservationNow);
      expect(await handle.result()).toEqual(reservationReceipt());
    }));

  // It comes with the start, in the same task as the admission: the earliest that an operator can be.
  it('who settles a refused reservation receives the refusal, and the workflow still ends', () =>
    play({ openReservation: async () => ({ status: 'refused', code: 'insufficient_credit' }) }, async (scene) => {
      const startWorkflowOperation = startOfReservation(reservationInput(scene));
      const answer = scene.client.workflow.executeUpdateWithStart(settleReservationNow, { startWorkflowOperation });
      await expect(answer).rejects.toMatchObject({ cause: { type: 'insufficient_credit' } });
      expect(await scene.handle(workflowId.reservation(scene.id('resv'))).result()).toBeNull();
      expect(scene.order()).toEqual(['openReservation']);
    }));
});
