/**
 * A person's calls while very many instances settle that were started in one second, and while the watches of very many
 * teams look after midnight UTC. Both are spread over an hour, so the bench keeps the pace of 10,000 an hour with fewer
 * of them: instances with a settlement every three minutes, and grants to teams in turn, each with a look of the watch.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Measured } from './measured.ts';
import { type LoadOptions, scaled } from './options.ts';
import {
  addTeams,
  insist,
  names,
  onProduct,
  quantile,
  rounded,
  type Send,
  startInstances,
  startOf,
} from './product.ts';

const AN_HOUR = 10_000;
const SETTLE_EVERY_S = 180;
const INSTANCES = Math.round((AN_HOUR * SETTLE_EVERY_S) / 3_600);
const TEAMS = 100;
const CYCLE_MS = 500;
const USUAL_MS = 90_000;
const WARM_UP_MS = 10_000;

type Times = Record<'balance' | 'start' | 'stop', number[]>;

export const simultaneous = (options: LoadOptions): Promise<Measured[]> =>
  onProduct(
    async ({ send }) => {
      const teams = names('other', scaled(TEAMS, options, 4));
      await addTeams(send, ['person', ...teams], '100000');
      const person = personOf(send);
      await person(WARM_UP_MS);
      const usual = await person(scaled(USUAL_MS, options, WARM_UP_MS));
      const [atMidnight] = await Promise.all([
        person(scaled(USUAL_MS, options, WARM_UP_MS)),
        grantInTurn(send, teams, scaled(USUAL_MS, options, WARM_UP_MS)),
      ]);
      await startInstances(send, teams, scaled(INSTANCES, options, 8), '0.01');
      const settling = await person(SETTLE_EVERY_S * 1_000);
      return [
        ...compared('while the watches of 10,000 teams look after midnight', atMidnight, usual),
        ...compared('while 10,000 instances settle that were started in one second', settling, usual),
      ];
    },
    { SETTLE_EVERY: `${SETTLE_EVERY_S}s` },
  );

/** Reads a balance, starts an instance and stops the instance, in each half of a second, for a given time. */
function personOf(send: Send): (forMs: number) => Promise<Times> {
  let number = 0;
  return async (forMs) => {
    const times: Times = { balance: [], start: [], stop: [] };
    const timed = async (what: keyof Times, method: string, path: string, body?: object) => {
      const beganMs = performance.now();
      await insist(send, method, path, body);
      times[what].push(performance.now() - beganMs);
    };
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs) {
      const id = `own-${number++}`;
      const cycle = async () => {
        await timed('balance', 'GET', '/v1/teams/person/balance');
        await timed('start', 'POST', '/v1/instances', startOf('person', id, '0.01'));
        await timed('stop', 'POST', `/v1/instances/${id}/stop`);
      };
      await Promise.all([cycle(), sleep(CYCLE_MS)]);
    }
    return times;
  };
}

/** Grants credit to teams in turn, at the pace of 10,000 an hour. Each grant makes the watch of its team look. */
async function grantInTurn(send: Send, teams: readonly string[], forMs: number): Promise<void> {
  const count = Math.round((AN_HOUR * forMs) / 3_600_000);
  const granted: Array<Promise<unknown>> = [];
  for (let index = 0; index < count; index += 1) {
    const grant = { id: `look-${index}`, amount: '1', note: 'bench' };
    granted.push(insist(send, 'POST', `/v1/teams/${teams[index % teams.length]}/grants`, grant));
    await sleep(forMs / count);
  }
  await Promise.all(granted);
}

const compared = (during: string, times: Times, usual: Times): Measured[] =>
  (Object.keys(usual) as Array<keyof Times>).map((what) => ({
    bench: 'load simultaneous',
    what: `a ${what} of one caller ${during}, p99`,
    figure: rounded(quantile(times[what], 0.99)),
    unit: 'ms',
    lessIsBetter: true,
    reference: `a ${what} of one caller alone, p99`,
    referenceFigure: rounded(quantile(usual[what], 0.99)),
    atLeast: 0.5,
    counts: {
      calls: times[what].length,
      p50Ms: rounded(quantile(times[what], 0.5)),
      usualP50Ms: rounded(quantile(usual[what], 0.5)),
    },
  }));
