/** The second at which credit ends, computed a second, beside walking to it. */
import { micros } from '../billing/money.ts';
import { availableMicros, type BalanceLine, exhaustionSecond } from '../billing/runway.ts';
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
  ];
}
