/**
 * One team's burst of starts against another team's charge: the delay from the crossing to the charge of the other
 * team's card, and whether its instance runs on, beside the same on an idle product.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Measured } from './measured.ts';
import { type LoadOptions, scaled } from './options.ts';
import { addTeams, inLanes, insist, onProduct, type Send, startOf } from './product.ts';

const BURST = 1_200;
const BURST_CALLERS = 40;
/** $1 a second, so $20 meet the threshold of $5 after sixteen seconds. */
const HOURLY = '3600';
const LOOK_AGAIN_MS = 100;

interface Charged {
  /**
   * From the second at which the balance falls below the threshold to the charge, whole seconds as the API shows
   * seconds.
   */
  lateSeconds: number;
  ranOn: boolean;
}

export const starvation = (options: LoadOptions): Promise<Measured[]> =>
  onProduct(async ({ send }) => {
    const quiet = await charged(send, 'quiet');
    await addTeams(send, ['burst'], '60');
    const count = scaled(BURST, options, 40);
    let isCharged = false;
    let started = 0;
    let refused = 0;
    // The burst begins again until the other team has been charged.
    const burst = (async () => {
      for (let round = 0; !isCharged || round === 0; round += 1)
        await inLanes(count, BURST_CALLERS, async (index) => {
          if (isCharged && round > 0) return;
          const { status } = await send('POST', '/v1/instances', startOf('burst', `burst-${round}-${index}`, '0.001'));
          if (status < 300) started += 1;
          else {
            refused += 1;
            await sleep(LOOK_AGAIN_MS);
          }
        });
    })();
    const busy = await charged(send, 'beside').finally(() => {
      isCharged = true;
    });
    await burst;
    return [
      {
        bench: 'load starvation',
        what: `from a crossing to the charge beside a burst of ${count} starts of another team`,
        // A charge in the second of its crossing counts as one second, so the ratio is defined.
        figure: Math.max(1, busy.lateSeconds),
        unit: 's',
        lessIsBetter: true,
        reference: 'the same on an idle product',
        referenceFigure: Math.max(1, quiet.lateSeconds),
        counts: { ranOn: Number(busy.ranOn), started, refused },
      },
    ];
  });

/** A team with $20 and a good card, whose instance spends $1 a second until the card is charged. */
async function charged(send: Send, team: string): Promise<Charged> {
  await insist(send, 'POST', '/v1/teams', { id: team, name: 'Load', email: 'load@teams.example' });
  await insist(send, 'POST', `/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
  const methods = JSON.parse((await insist(send, 'GET', `/v1/teams/${team}/payment-methods`)).text).data;
  const deposit = { id: `deposit-${team}`, amount: '20.00', method: 'card', paymentMethod: methods[0].id };
  await insist(send, 'POST', `/v1/teams/${team}/deposits`, deposit);
  const policy = { enabled: true, threshold: '5.00', amount: '50.00' };
  await insist(send, 'PUT', `/v1/teams/${team}/auto-top-up`, policy);
  const { text } = await insist(send, 'POST', '/v1/instances', startOf(team, `run-${team}`, HOURLY));
  const crossingSecond = Date.parse(JSON.parse(text).startedAt) / 1_000 + 16;
  for (;;) {
    const { lastAttempt } = JSON.parse((await insist(send, 'GET', `/v1/teams/${team}/auto-top-up`)).text);
    if (lastAttempt && lastAttempt.status !== 'pending') {
      const instance = JSON.parse((await insist(send, 'GET', `/v1/instances/run-${team}`)).text);
      if (instance.endedAt === null) await insist(send, 'POST', `/v1/instances/run-${team}/stop`);
      return {
        lateSeconds: Math.max(0, Math.floor(Date.now() / 1_000) - crossingSecond),
        ranOn: lastAttempt.status === 'succeeded' && instance.endedAt === null,
      };
    }
    await sleep(LOOK_AGAIN_MS);
  }
}
