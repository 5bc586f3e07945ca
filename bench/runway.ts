/**
 * Computations of the second of exhaustion per second, beside a walk to the second; and the computation of a balance
 * read for a team with a thousand listed instances whose volume discount grows, beside the same for a plain line.
 */
import { type Account, type BillingSettings, emptyAccount } from '../billing/account.ts';
import { firstBelowSecond, runsOutSecond } from '../billing/forecast.ts';
import { micros } from '../billing/money.ts';
import { availableMicros, type BalanceLine, exhaustionSecond, lastSecondAtOrAbove } from '../billing/runway.ts';
import type { Measured } from './measured.ts';

const METERS = 50;
const RUNS = 2_000;

export async function runway(): Promise<Measured[]> {
  const line: BalanceLine = {
    postedMicros: micros(100_000_000),
    heldMicros: micros(0),
    meters: Array.from({ length: METERS }, (_, index) => ({
      instanceId: `i${index}`,
      segment: 1,
      rateMicrosPerHour: micros(1_990_000 + index * 131_313),
      startSecond: 1_800_000_000 + index,
      postedMicros: micros(0),
    })),
  };
  const started = performance.now();
  for (let run = 0; run < RUNS; run += 1) exhaustionSecond(line);
  const perSecond = Math.round(RUNS / ((performance.now() - started) / 1000));

  const walkStarted = performance.now();
  let second = 1_800_000_000 + METERS;
  while (availableMicros(line, second + 1) >= 0) second += 1;
  const walked = 1000 / (performance.now() - walkStarted);
  if (second !== exhaustionSecond(line)) throw new Error('the walk and the formula disagree');
  return [
    {
      bench: 'runway',
      what: `exhaustion second of ${METERS} meters`,
      figure: perSecond,
      unit: 'computations/s',
      reference: 'walking there second by second',
      referenceFigure: Number(walked.toFixed(2)),
    },
    foresight(),
  ];
}

const LISTED = 1_000;
const LOOKS = 20;
const START = 1_800_000_000;

/** A thousand instances from the list, with credit for weeks, and volume tiers on the way. */
function listedTeam(): { account: Account; settings: BillingSettings } {
  const tier = (dollars: number, basisPoints: number) => ({ spendMicros: micros(dollars * 1_000_000), basisPoints });
  const settings: BillingSettings = {
    cooldownSeconds: 300,
    graceSeconds: 60,
    minStartMicros: micros(3_000_000),
    lowLevelMicros: micros(10_000_000),
    volumeTiers: [tier(1_000, 200), tier(50_000, 500), tier(1_000_000, 1_000)],
    chargeLatencySeconds: 10,
  };
  const meters = Array.from({ length: LISTED }, (_, index) => ({
    instanceId: `i${index}`,
    segment: 1,
    priced: {
      pricing: 'on_demand' as const,
      gpuType: 'gpu',
      region: 'eu',
      listMicrosPerHour: micros(1_990_000),
      given: false,
      discountBasisPoints: 0,
      discountKind: null,
      coveredBy: null,
    },
    rateMicrosPerHour: micros(1_990_000),
    startSecond: START + (index % 60),
    instanceStartSecond: START + (index % 60),
    postedMicros: micros(0),
    shedOrder: null,
    reclaimSecond: null,
  }));
  const credited = {
    ...emptyAccount('bench', START + 60),
    spentByDay: new Map(),
    postedMicros: micros(2_000_000_000_000),
  };
  return { account: { ...credited, meters }, settings };
}

function foresight(): Measured {
  const { account, settings } = listedTeam();
  const looksPerSecond = (look: () => void): number => {
    const started = performance.now();
    for (let run = 0; run < LOOKS; run += 1) look();
    return LOOKS / ((performance.now() - started) / 1000);
  };
  const foreseen = looksPerSecond(() => {
    runsOutSecond(account, settings);
    firstBelowSecond(account, settings, settings.lowLevelMicros);
  });
  const plain = looksPerSecond(() => {
    exhaustionSecond(account);
    lastSecondAtOrAbove(account, settings.lowLevelMicros);
  });
  return {
    bench: 'runway',
    what: `what a balance foresees of ${LISTED} listed instances through ${settings.volumeTiers.length} tiers`,
    figure: Number(foreseen.toFixed(2)),
    unit: 'looks/s',
    reference: 'the same of their line as it is',
    referenceFigure: Number(plain.toFixed(2)),
  };
}
