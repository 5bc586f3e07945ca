/**
 * Holds the two oracles against each other over many seeds, and tells what the scenarios met on their way.
 *
 *     npx tsx test/oracle/cross-check.ts [first seed] [how many] [budgets]
 */
import { isDeepStrictEqual } from 'node:util';
import { expectedResult, type Scenario, type ScenarioResult } from './oracle.ts';
import { pythonResults } from './python-oracle.ts';
import { randomBudgetScenario, randomScenario } from './random-scenario.ts';

const BATCH = 50;
const first = Number(process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? 500);
const scenarioOf = process.argv[4] === 'budgets' ? randomBudgetScenario : randomScenario;

const met = new Map<string, number>();
const differing: number[] = [];
let slowestMs = 0;
let walkingMs = 0;

for (let from = first; from < first + count; from += BATCH) {
  const seeds = Array.from({ length: Math.min(BATCH, first + count - from) }, (_, i) => from + i);
  const scenarios = seeds.map(scenarioOf);
  const theirs = pythonResults(scenarios);
  for (const [i, scenario] of scenarios.entries()) {
    const before = performance.now();
    const ours = expectedResult(scenario);
    const took = performance.now() - before;
    walkingMs += took;
    slowestMs = Math.max(slowestMs, took);
    if (!isDeepStrictEqual(ours, theirs[i])) differing.push(seeds[i]!);
    for (const thing of whatHappened(scenario, ours)) met.set(thing, (met.get(thing) ?? 0) + 1);
  }
}

console.log(
  `${count - differing.length} of ${count} scenarios agree; a walk takes ${Math.round(walkingMs / count)} ms`,
);
console.log(`on average and ${Math.round(slowestMs)} ms at most. Scenarios with…`);
for (const [thing, times] of [...met].sort()) console.log(`  ${String(times).padStart(5)}  ${thing}`);
if (differing.length > 0) {
  console.error(`They differ on seeds ${differing.join(', ')}.`);
  process.exitCode = 1;
}

function whatHappened(scenario: Scenario, result: ScenarioResult): Set<string> {
  const things = new Set<string>();
  if (result.refused.length > 0) things.add('a refused start');
  if (result.refused.some(({ instance }) => instance in result.instances)) things.add('a refused id that ran later');
  for (const instance of Object.values(result.instances)) {
    things.add(`an instance ${instance.reason ?? 'active'}`);
    if (instance.seconds === 0 && instance.reason === 'out_of_credits')
      things.add('an instance out of credits at once');
  }
  for (const [name, team] of Object.entries(result.teams)) {
    if (team.owed !== '0.000000') things.add('something owed at the end');
    for (const { kind } of team.emails) things.add(`a mail ${kind}`);
    const topUps = team.deposits.filter(({ label }) => label === 'Auto Top-Up');
    for (const { status } of topUps) things.add(`a top-up that ${status}`);
    if (topUps.some(({ at }, i) => at === (topUps[i - 1]?.at ?? Number.NaN) + 300)) things.add('a cooldown waited out');
    if (topUps.length > 50) things.add('more than 50 top-ups');
    if (topUps.filter(({ status }) => status === 'failed').length > 1) things.add('a second decline');
    for (const mail of team.emails) {
      if (mail.kind !== 'credits_exhausted') continue;
      for (const offset of [-1, 0, 1]) {
        for (const event of scenario.events) {
          if (event.at !== mail.at + offset) continue;
          if (event.do !== 'stop' && event.team !== name) continue;
          const where = offset === 0 ? 'at' : offset < 0 ? 'a second before' : 'a second after';
          things.add(`${event.do} ${where} an exhaustion`);
        }
      }
    }
  }
  return things;
}
